DELETE FROM adjustment WHERE site = :site;
DELETE FROM sketch WHERE site = :site;
DELETE FROM detail_day WHERE site = :site;
DELETE FROM page_day WHERE site = :site;
DELETE FROM page WHERE site = :site;
DELETE FROM minute WHERE site = :site;
DELETE FROM day WHERE site = :site;
DELETE FROM site WHERE number = :site;
