INSERT INTO day (site, day, visitors_imported, sequence)
VALUES (:site, :day, :visitors, :sequence)
ON CONFLICT (site, day) DO UPDATE SET
    visitors_imported = excluded.visitors_imported,
    sequence = excluded.sequence
