SELECT site.id, 'the total is not the sum of its days'
FROM site
WHERE (site.views, site.visits)
   <> (SELECT ifnull(sum(day.views), 0), ifnull(sum(day.visits), 0) FROM day WHERE day.site = site.number)
UNION ALL
SELECT site.id, 'the number of its pages is not the number of their rows'
FROM site
WHERE site.pages <> (SELECT count(*) FROM page WHERE page.site = site.number AND page.path <> '(other)')
UNION ALL
SELECT site.id, detail.day || ' has more views or visits by ' || detail.dimension || ' than were counted'
FROM (SELECT site, day, dimension, sum(views) AS views, sum(visits) AS visits
      FROM detail_day GROUP BY site, day, dimension) AS detail
JOIN site ON site.number = detail.site
LEFT JOIN day ON day.site = detail.site AND day.day = detail.day
WHERE detail.views > ifnull(day.views, 0) OR detail.visits > ifnull(day.visits, 0)
