SELECT day,
       max(0, views + views_added - views_removed) AS views,
       max(0, visits + visits_added - visits_removed) AS visits,
       visitors + visitors_imported AS visitors,
       views,
       visits
FROM day
WHERE site = (SELECT number FROM site WHERE id = :id) AND day BETWEEN :first AND :last
ORDER BY day
