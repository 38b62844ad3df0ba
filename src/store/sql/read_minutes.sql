SELECT minute, views, visits
FROM minute
WHERE site = (SELECT number FROM site WHERE id = :id) AND minute >= :since
ORDER BY minute
