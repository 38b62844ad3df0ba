SELECT at, who
FROM adjustment
WHERE site = (SELECT number FROM site WHERE id = :id) AND source = :source
ORDER BY number
LIMIT 1
