-- The last of the adjustments that are added up gives the columns that are no sums.
SELECT source, figure, sum(amount), day, page, reason, who, max(at)
FROM adjustment
WHERE site = (SELECT number FROM site WHERE id = :id)
  AND substr(source, 1, length(:system) + 1) = :system || ':'
GROUP BY source, figure, day, page
HAVING sum(amount) <> 0
ORDER BY min(number)
