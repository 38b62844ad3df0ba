INSERT INTO day (site, day, views, visits, sequence)
VALUES (:site, :day, :views, :visits, :sequence)
ON CONFLICT (site, day) DO UPDATE SET
    views = views + excluded.views,
    visits = visits + excluded.visits,
    sequence = excluded.sequence
