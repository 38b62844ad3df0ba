SELECT finished, bytes FROM import_sketch WHERE site = :site AND day = :day
