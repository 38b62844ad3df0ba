SELECT path, views, visits
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY number
