DELETE FROM stream WHERE stream = :stream
