-- Adjustments of single pages, and where a batch of adjustments came from.
--
-- A page is adjusted like a total: what is added and taken away are values of their own. An adjustment
-- of a page changes that page's all-time numbers alone.

ALTER TABLE page ADD COLUMN views_added    INTEGER NOT NULL DEFAULT 0;     -- by adjustments of this page
ALTER TABLE page ADD COLUMN views_removed  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE page ADD COLUMN visits_added   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE page ADD COLUMN visits_removed INTEGER NOT NULL DEFAULT 0;

ALTER TABLE adjustment ADD COLUMN page   TEXT;  -- NULL: no single page; never together with a day
ALTER TABLE adjustment ADD COLUMN source TEXT;  -- what an old counter's numbers are known again by; NULL: by hand

DROP VIEW pages;
CREATE VIEW pages AS
SELECT site.id AS site,
       page.path,
       page.views + page.views_added - page.views_removed AS views,
       page.visits + page.visits_added - page.visits_removed AS visits
FROM page JOIN site ON site.number = page.site;

DROP VIEW adjustments;
CREATE VIEW adjustments AS
SELECT site.id AS site,
       datetime(adjustment.at / 1000, 'unixepoch') AS at_utc,
       adjustment.who,
       adjustment.figure,
       adjustment.amount,
       adjustment.day,
       adjustment.page,
       adjustment.reason
FROM adjustment JOIN site ON site.number = adjustment.site;
