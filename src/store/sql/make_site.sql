INSERT INTO site (id, sequence) VALUES (:id, :sequence)
ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence
RETURNING number
