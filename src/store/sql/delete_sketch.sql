DELETE FROM sketch WHERE site = :site AND day = :day
