SELECT position, counted_at, length(left_out) FROM import_log WHERE site = :site AND stream = :stream
