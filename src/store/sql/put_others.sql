INSERT INTO others (site, row, "values")
VALUES (:site, :row, :values)
ON CONFLICT (site, row) DO UPDATE SET "values" = excluded."values"
