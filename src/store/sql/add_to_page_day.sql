INSERT INTO page_day (site, day, page, views, visits, sequence)
VALUES (:site, :day, :page, :views, :visits, :sequence)
ON CONFLICT (site, day, page) DO UPDATE SET
    views = views + excluded.views,
    visits = visits + excluded.visits,
    sequence = excluded.sequence
