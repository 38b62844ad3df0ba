INSERT INTO import_log
       (site, stream, head, position, tail, counted_at, replay_from, replay_line, sequence)
VALUES (:site, :stream, :head, :position, :tail, :counted_at, :replay_from, :replay_line, :sequence)
ON CONFLICT (site, stream) DO UPDATE SET
    head = excluded.head,
    position = excluded.position,
    tail = excluded.tail,
    counted_at = excluded.counted_at,
    replay_from = excluded.replay_from,
    replay_line = excluded.replay_line,
    sequence = excluded.sequence
