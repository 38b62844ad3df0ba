DELETE FROM import_sketch
WHERE (:id IS NULL OR site = (SELECT number FROM site WHERE id = :id)) AND day < :before
