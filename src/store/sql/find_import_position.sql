SELECT position, counted_at FROM import_log WHERE site = :site AND stream = :stream
