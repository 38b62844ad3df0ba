DELETE FROM import_edge WHERE site = :site AND stream = :stream AND second BETWEEN :from AND :to
