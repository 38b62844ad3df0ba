INSERT INTO minute (views, visits, site, sequence, minute)
VALUES (?1, ?2, ?7, ?8, ?9)
ON CONFLICT (site, minute) DO UPDATE SET
    views = max(views, excluded.views), visits = max(visits, excluded.visits), sequence = excluded.sequence
