DELETE FROM others
WHERE site = :site AND row >= 'm:' AND row < :before
