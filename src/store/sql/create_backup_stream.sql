-- Streams of the journal that the copy beside them does not cover whole: their bytes from the start.
CREATE TABLE backup_stream (
    stream TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
);
