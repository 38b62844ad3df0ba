SELECT views, visits, views_added, visits_added, views_removed, visits_removed, visitors_imported, day
FROM day
WHERE site = (SELECT number FROM site WHERE id = :id) AND sequence > :since
ORDER BY day
