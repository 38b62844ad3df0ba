UPDATE detail_day SET
    views = views + :views,
    visits = visits + :visits,
    sequence = :sequence
WHERE site = :site AND day = :day AND dimension = :dimension AND value = :value
