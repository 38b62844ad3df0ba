SELECT sequence, views, visits, path
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id) AND sequence > :since
ORDER BY number
