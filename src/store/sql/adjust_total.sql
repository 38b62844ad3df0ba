INSERT INTO site (id, views_added, views_removed, visits_added, visits_removed, sequence)
VALUES (:id, :views_added, :views_removed, :visits_added, :visits_removed, :sequence)
ON CONFLICT (id) DO UPDATE SET
    views_added = views_added + excluded.views_added,
    views_removed = views_removed + excluded.views_removed,
    visits_added = visits_added + excluded.visits_added,
    visits_removed = visits_removed + excluded.visits_removed,
    sequence = excluded.sequence
RETURNING number,
          pages,
          views + views_added - views_removed,
          visits + visits_added - visits_removed
