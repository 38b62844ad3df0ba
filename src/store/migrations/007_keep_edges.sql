-- headcount.db, schema version 7: views at the edges of imported logs.

-- Hashes of the views that were counted within the first and the last minute of a log, where its time alone does
-- not say whether another log tells of the same ones. Nothing of logs that were counted before this version.
CREATE TABLE import_edge (
    site   INTEGER NOT NULL REFERENCES site (number),
    second INTEGER NOT NULL,                        -- since 1970-01-01T00:00:00Z
    stream TEXT    NOT NULL,                        -- the log, as in import_log
    secret TEXT    NOT NULL,                        -- 16 hex digits: hash of the secret that ids were made with
    views  BLOB    NOT NULL,                        -- 8 bytes each, little-endian
    PRIMARY KEY (site, second, stream, secret)
) STRICT, WITHOUT ROWID;

-- For what is deleted once it is no edge any more.
CREATE INDEX import_edge_by_log ON import_edge (site, stream, second);
