-- What adjustments have changed that belongs to no day: the total alone (no path), then pages.
SELECT NULL,
       views_added - views_removed
           - (SELECT coalesce(sum(views_added - views_removed), 0) FROM day WHERE day.site = site.number),
       visits_added - visits_removed
           - (SELECT coalesce(sum(visits_added - visits_removed), 0) FROM day WHERE day.site = site.number)
FROM site
WHERE id = :id
UNION ALL
SELECT path, views_added - views_removed, visits_added - visits_removed
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id)
  AND (views_added <> views_removed OR visits_added <> visits_removed)
