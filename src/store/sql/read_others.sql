SELECT row, "values"
FROM others
WHERE site = (SELECT number FROM site WHERE id = :id)
