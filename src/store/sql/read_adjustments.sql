SELECT figure, amount, day, reason, who, at
FROM adjustment
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY number
