-- CROSS JOIN keeps the order: every site's oldest days are found by one step into the key.
DELETE FROM page_day WHERE (site, day, page) IN (
    SELECT old.site, old.day, old.page
    FROM site CROSS JOIN page_day AS old
    WHERE old.site = site.number AND old.day < :before
    LIMIT :rows_max
)
