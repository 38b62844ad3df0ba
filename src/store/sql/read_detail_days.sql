SELECT day, dimension, value, views, visits
FROM detail_day
WHERE site = (SELECT number FROM site WHERE id = :id) AND day BETWEEN :first AND :last
ORDER BY day, dimension, value
