UPDATE page SET
    views = views + :views,
    visits = visits + :visits,
    sequence = :sequence
WHERE site = :site AND path = :path
RETURNING number
