SELECT path, views + views_added - views_removed, visits + visits_added - visits_removed
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY number
