SELECT stream, second, secret, views
FROM import_edge
WHERE site = (SELECT number FROM site WHERE id = :id) AND second BETWEEN :from AND :to AND stream <> :but
ORDER BY second, stream, secret
