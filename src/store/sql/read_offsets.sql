SELECT stream, applied FROM stream ORDER BY stream
