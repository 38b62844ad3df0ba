SELECT day, bytes
FROM sketch
WHERE site = (SELECT number FROM site WHERE id = :id) AND sequence > :since
