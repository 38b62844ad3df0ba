-- What adjustments took from this machine's rows beyond what these hold: other machines of the fleet counted it.
SELECT 't', max(0, views_removed - views_added - views), max(0, visits_removed - visits_added - visits)
FROM site
WHERE id = :id
  AND (views + views_added < views_removed OR visits + visits_added < visits_removed)
UNION ALL
SELECT 'd:' || day, max(0, views_removed - views_added - views), max(0, visits_removed - visits_added - visits)
FROM day
WHERE site = (SELECT number FROM site WHERE id = :id)
  AND (views + views_added < views_removed OR visits + visits_added < visits_removed)
UNION ALL
SELECT 'p:' || path, max(0, views_removed - views_added - views), max(0, visits_removed - visits_added - visits)
FROM page
WHERE site = (SELECT number FROM site WHERE id = :id)
  AND (views + views_added < views_removed OR visits + visits_added < visits_removed)
