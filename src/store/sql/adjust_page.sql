UPDATE page SET
    views_added = views_added + :views_added,
    views_removed = views_removed + :views_removed,
    visits_added = visits_added + :visits_added,
    visits_removed = visits_removed + :visits_removed,
    sequence = :sequence
WHERE site = :site AND path = :path
RETURNING views + views_added - views_removed,
          visits + visits_added - visits_removed
