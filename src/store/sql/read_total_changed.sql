SELECT views, visits, views_added, visits_added, views_removed, visits_removed
FROM site
WHERE id = :id AND sequence > :since
