DELETE FROM minute WHERE site = :site AND minute = :minute
