SELECT views, visits, day, dimension, value
FROM detail_day
WHERE site = (SELECT number FROM site WHERE id = :id) AND sequence > :since
