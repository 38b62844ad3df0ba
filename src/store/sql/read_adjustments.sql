SELECT figure, amount, day, page, reason, who, at
FROM adjustment
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY number
