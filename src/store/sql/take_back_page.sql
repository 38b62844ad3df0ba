INSERT INTO page (views, visits, views_added, visits_added, views_removed, visits_removed, site, sequence, path)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (site, path) DO UPDATE SET
    views = max(views, excluded.views), visits = max(visits, excluded.visits),
    views_added = max(views_added, excluded.views_added), visits_added = max(visits_added, excluded.visits_added),
    views_removed = max(views_removed, excluded.views_removed), visits_removed = max(visits_removed, excluded.visits_removed),
    sequence = excluded.sequence
