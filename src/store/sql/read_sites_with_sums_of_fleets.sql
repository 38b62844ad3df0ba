SELECT site.id
FROM adjustment JOIN site ON site.number = adjustment.site
WHERE adjustment.source LIKE 'headcount:%'
GROUP BY site.id
HAVING sum(adjustment.amount) <> 0
