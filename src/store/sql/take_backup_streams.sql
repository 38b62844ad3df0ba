-- What the backup's rows cover whole has no file where it is restored.
DELETE FROM stream WHERE stream NOT IN (SELECT stream FROM backup_stream);
DROP TABLE backup_stream;
