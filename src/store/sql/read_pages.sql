SELECT path, max(0, views + views_added - views_removed), max(0, visits + visits_added - visits_removed)
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY number
