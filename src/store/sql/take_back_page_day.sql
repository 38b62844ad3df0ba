INSERT INTO page_day (views, visits, site, sequence, day, page)
SELECT ?1, ?2, ?7, ?8, ?9, number FROM page WHERE site = ?7 AND path = ?10
ON CONFLICT (site, day, page) DO UPDATE SET
    views = max(views, excluded.views), visits = max(visits, excluded.visits), sequence = excluded.sequence
