INSERT INTO page (site, path, views, visits, views_added, views_removed, visits_added, visits_removed, sequence)
VALUES (:site, :path, 0, 0, :views_added, :views_removed, :visits_added, :visits_removed, :sequence)
RETURNING views_added - views_removed,
          visits_added - visits_removed
