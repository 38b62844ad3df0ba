INSERT INTO sketch (site, day, bytes, sequence)
VALUES (:site, :day, :bytes, :sequence)
ON CONFLICT (site, day) DO UPDATE SET
    bytes = excluded.bytes,
    sequence = excluded.sequence
