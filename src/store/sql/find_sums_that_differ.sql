SELECT site.id, 'the total is not the sum of its days'
FROM site
WHERE (site.views, site.visits)
   <> (SELECT ifnull(sum(day.views), 0), ifnull(sum(day.visits), 0) FROM day WHERE day.site = site.number)
UNION ALL
SELECT site.id, 'the number of its pages is not the number of their rows'
FROM site
WHERE site.pages <> (SELECT count(*) FROM page WHERE page.site = site.number AND page.path <> '(other)')
