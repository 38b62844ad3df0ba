INSERT INTO minute (site, minute, views, visits, sequence)
VALUES (:site, :minute, :views, :visits, :sequence)
ON CONFLICT (site, minute) DO UPDATE SET
    views = views + excluded.views,
    visits = visits + excluded.visits,
    sequence = excluded.sequence
