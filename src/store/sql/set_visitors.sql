INSERT INTO day (site, day, visitors, sequence)
VALUES (:site, :day, :visitors, :sequence)
ON CONFLICT (site, day) DO UPDATE SET
    visitors = excluded.visitors,
    sequence = excluded.sequence
