SELECT stream, head, position, tail, counted_at, replay_from, replay_line, first_at, last_at, left_out
FROM import_log
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY stream
