UPDATE site SET
    views = max(views, ?1), visits = max(visits, ?2),
    views_added = max(views_added, ?3), visits_added = max(visits_added, ?4),
    views_removed = max(views_removed, ?5), visits_removed = max(visits_removed, ?6),
    sequence = ?8
WHERE number = ?7
