-- CROSS JOIN keeps the order: every site's oldest days are found by one step into the key.
SELECT old.site, old.day, old.dimension, old.value
FROM site CROSS JOIN detail_day AS old
WHERE old.site = site.number AND old.day < :before
LIMIT :rows_max
