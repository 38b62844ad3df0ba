INSERT INTO page (site, path, views, visits, sequence)
VALUES (:site, :path, :views, :visits, :sequence)
RETURNING number
