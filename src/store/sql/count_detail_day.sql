SELECT count(*) FROM detail_day
WHERE site = :site AND day = :day AND dimension = :dimension AND value <> '(other)'
