-- headcount.db, schema version 6: logs that tell of the same time.

-- From when to when a log told of a site; nothing of logs that were counted before this version.
ALTER TABLE import_log ADD COLUMN first_at INTEGER;
ALTER TABLE import_log ADD COLUMN last_at INTEGER;
-- What of it was left out because another log tells of its time: first and last moment, and the byte from which on,
-- 8 bytes each, little-endian.
ALTER TABLE import_log ADD COLUMN left_out BLOB NOT NULL DEFAULT x'';
