SELECT max(0, views + views_added - views_removed) AS views,
       max(0, visits + visits_added - visits_removed) AS visits,
       peak_online, peak_at, first_beacon_at, last_beacon_at, pages, sequence
FROM site WHERE id = :id
