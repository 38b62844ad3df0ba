SELECT views, visits, views_added, visits_added, views_removed, visits_removed, path
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id) AND sequence > :since
ORDER BY number
