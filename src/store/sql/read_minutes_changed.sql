SELECT views, visits, minute
FROM minute
WHERE site = (SELECT number FROM site WHERE id = :id) AND sequence > :since
