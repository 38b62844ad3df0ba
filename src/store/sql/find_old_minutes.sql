-- CROSS JOIN keeps the order: every site's oldest minutes are found by one step into the key.
SELECT old.site, old.minute
FROM site CROSS JOIN minute AS old
WHERE old.site = site.number AND old.minute < :before
LIMIT :rows_max
