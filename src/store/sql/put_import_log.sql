INSERT INTO import_log
       (site, stream, head, position, tail, counted_at, replay_from, replay_line, first_at, last_at, left_out, sequence)
VALUES (:site, :stream, :head, :position, :tail, :counted_at, :replay_from, :replay_line, :first_at, :last_at, :left_out,
        :sequence)
ON CONFLICT (site, stream) DO UPDATE SET
    head = excluded.head,
    position = excluded.position,
    tail = excluded.tail,
    counted_at = excluded.counted_at,
    replay_from = excluded.replay_from,
    replay_line = excluded.replay_line,
    first_at = excluded.first_at,
    last_at = excluded.last_at,
    left_out = excluded.left_out,
    sequence = excluded.sequence
