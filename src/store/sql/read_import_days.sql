SELECT DISTINCT day FROM import_sketch ORDER BY day
