SELECT stream, head, position, tail, counted_at, replay_from, replay_line
FROM import_log
WHERE site = (SELECT number FROM site WHERE id = :id)
ORDER BY stream
