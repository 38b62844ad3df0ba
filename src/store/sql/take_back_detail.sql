INSERT INTO detail_day (views, visits, site, sequence, day, dimension, value)
VALUES (?1, ?2, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (site, day, dimension, value) DO UPDATE SET
    views = max(views, excluded.views), visits = max(visits, excluded.visits), sequence = excluded.sequence
