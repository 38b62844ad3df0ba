-- headcount.db, schema version 3: counting from a server's log.

-- Visitors of the day that logs told of, apart from those of beacons: each has a secret of its own, so
-- nobody is known to both, and neither number takes the other's place. The present value, not a sum.
ALTER TABLE day ADD COLUMN visitors_imported INTEGER NOT NULL DEFAULT 0;

-- What the distinct visitors of an imported day are read from, until `import --finish`.
CREATE TABLE import_sketch (
    site     INTEGER NOT NULL REFERENCES site (number),
    day      TEXT    NOT NULL,
    finished INTEGER NOT NULL,                      -- visitors that were finished before this sketch began
    bytes    BLOB    NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (site, day)
) STRICT;

-- How far logs are contained in the rows of a site. No line is kept, and of none more than a hash.
CREATE TABLE import_log (
    site        INTEGER NOT NULL REFERENCES site (number),
    stream      TEXT    NOT NULL,                   -- 16 hex digits: the log's name
    head        BLOB    NOT NULL,                   -- hashes of the log up to the end of its first lines
    position    INTEGER NOT NULL,                   -- bytes of the uncompressed log that were read
    tail        TEXT    NOT NULL,                   -- hash of the line that ends there
    counted_at  INTEGER NOT NULL,                   -- lines before `position` up to this moment are counted
    replay_from INTEGER NOT NULL,                   -- where a line begins from which visits come back
    replay_line INTEGER NOT NULL,                   -- lines before that one
    sequence    INTEGER NOT NULL,
    PRIMARY KEY (site, stream)
) STRICT, WITHOUT ROWID;

DROP VIEW calendar;

CREATE VIEW calendar AS
SELECT site.id AS site,
       day.day,
       day.views + day.views_added - day.views_removed AS views,
       day.visits + day.visits_added - day.visits_removed AS visits,
       day.visitors + day.visitors_imported AS visitors
FROM day JOIN site ON site.number = day.site;
