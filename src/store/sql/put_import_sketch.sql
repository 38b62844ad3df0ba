INSERT INTO import_sketch (site, day, finished, bytes, sequence)
VALUES (:site, :day, :finished, :bytes, :sequence)
ON CONFLICT (site, day) DO UPDATE SET
    bytes = excluded.bytes,
    sequence = excluded.sequence
