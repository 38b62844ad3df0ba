-- headcount.db, schema version 1: what this node has counted and keeps.
--
-- Open it with `sqlite3 -readonly headcount.db`; the views at the end show the numbers as a page
-- shows them. Whoever writes here besides headcount changes numbers without an audit: use
-- `headcount adjust`.
--
-- A day is 'YYYY-MM-DD' in the site's own time zone. A minute is counted since 1970-01-01 00:00 UTC,
-- a moment (`..._at`) is in milliseconds since then. Counted values only grow; what adjustments add
-- and take away are values of their own. `sequence` is the number of the transaction that changed
-- the row last.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,     -- 'sequence': the number of the last transaction
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('sequence', 0);

CREATE TABLE site (
    number         INTEGER PRIMARY KEY,             -- the site's key in the other tables
    id             TEXT    NOT NULL UNIQUE,         -- its name in the configuration
    views          INTEGER NOT NULL DEFAULT 0,      -- counted, of all days
    visits         INTEGER NOT NULL DEFAULT 0,
    views_added    INTEGER NOT NULL DEFAULT 0,      -- by adjustments of the total, those of a day included
    views_removed  INTEGER NOT NULL DEFAULT 0,
    visits_added   INTEGER NOT NULL DEFAULT 0,
    visits_removed INTEGER NOT NULL DEFAULT 0,
    peak_online    INTEGER NOT NULL DEFAULT 0,      -- most people online at once
    peak_at        INTEGER,                         -- when that was
    first_beacon_at INTEGER,
    last_beacon_at  INTEGER,
    pages          INTEGER NOT NULL DEFAULT 0,      -- rows in `page`, '(other)' left out
    sequence       INTEGER NOT NULL
) STRICT;

CREATE TABLE day (
    site           INTEGER NOT NULL REFERENCES site (number),
    day            TEXT    NOT NULL,
    views          INTEGER NOT NULL DEFAULT 0,      -- counted
    visits         INTEGER NOT NULL DEFAULT 0,
    visitors       INTEGER NOT NULL DEFAULT 0,      -- distinct; the present value, not a sum
    views_added    INTEGER NOT NULL DEFAULT 0,      -- by adjustments of this day
    views_removed  INTEGER NOT NULL DEFAULT 0,
    visits_added   INTEGER NOT NULL DEFAULT 0,
    visits_removed INTEGER NOT NULL DEFAULT 0,
    sequence       INTEGER NOT NULL,
    PRIMARY KEY (site, day)
) STRICT, WITHOUT ROWID;

-- For "last hour" and "last 24 hours"; older rows are removed.
CREATE TABLE minute (
    site     INTEGER NOT NULL REFERENCES site (number),
    minute   INTEGER NOT NULL,
    views    INTEGER NOT NULL,
    visits   INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (site, minute)
) STRICT, WITHOUT ROWID;

-- Pages of all time. Those that found no room count for the page '(other)'.
CREATE TABLE page (
    number   INTEGER PRIMARY KEY,                   -- the page's key in page_day
    site     INTEGER NOT NULL REFERENCES site (number),
    path     TEXT    NOT NULL,
    views    INTEGER NOT NULL,
    visits   INTEGER NOT NULL,                      -- visits whose first view was of this page
    sequence INTEGER NOT NULL,
    UNIQUE (site, path)
) STRICT;

-- Pages of single days; removed when older than `[retention] details`.
CREATE TABLE page_day (
    site     INTEGER NOT NULL REFERENCES site (number),
    day      TEXT    NOT NULL,
    page     INTEGER NOT NULL REFERENCES page (number),
    views    INTEGER NOT NULL,
    visits   INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (site, day, page)
) STRICT, WITHOUT ROWID;

-- What the distinct visitors of an open day are read from. A closed day keeps its number only.
CREATE TABLE sketch (
    site     INTEGER NOT NULL REFERENCES site (number),
    day      TEXT    NOT NULL,
    bytes    BLOB    NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (site, day)
) STRICT;

-- Who changed a number by hand, when and why.
CREATE TABLE adjustment (
    number   INTEGER PRIMARY KEY,
    site     INTEGER NOT NULL REFERENCES site (number),
    figure   TEXT    NOT NULL CHECK (figure IN ('views', 'visits')),
    amount   INTEGER NOT NULL CHECK (amount <> 0),
    day      TEXT,                                  -- NULL: the total alone
    reason   TEXT    NOT NULL,
    who      TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;

CREATE INDEX adjustment_of_site ON adjustment (site);

-- How far the journal's streams are contained in the rows above.
CREATE TABLE stream (
    stream  TEXT PRIMARY KEY,                       -- 16 hex digits
    applied INTEGER NOT NULL                        -- bytes from the stream's beginning
) STRICT, WITHOUT ROWID;

CREATE VIEW totals AS
SELECT id AS site,
       views + views_added - views_removed AS views,
       visits + visits_added - visits_removed AS visits,
       peak_online,
       datetime(peak_at / 1000, 'unixepoch') AS peak_at_utc,
       datetime(first_beacon_at / 1000, 'unixepoch') AS first_beacon_utc,
       datetime(last_beacon_at / 1000, 'unixepoch') AS last_beacon_utc,
       pages
FROM site;

CREATE VIEW calendar AS
SELECT site.id AS site,
       day.day,
       day.views + day.views_added - day.views_removed AS views,
       day.visits + day.visits_added - day.visits_removed AS visits,
       day.visitors
FROM day JOIN site ON site.number = day.site;

CREATE VIEW minutes AS
SELECT site.id AS site,
       datetime(minute.minute * 60, 'unixepoch') AS minute_utc,
       minute.views,
       minute.visits
FROM minute JOIN site ON site.number = minute.site;

CREATE VIEW pages AS
SELECT site.id AS site, page.path, page.views, page.visits
FROM page JOIN site ON site.number = page.site;

CREATE VIEW page_calendar AS
SELECT site.id AS site, page_day.day, page.path, page_day.views, page_day.visits
FROM page_day JOIN page ON page.number = page_day.page JOIN site ON site.number = page_day.site;

CREATE VIEW adjustments AS
SELECT site.id AS site,
       datetime(adjustment.at / 1000, 'unixepoch') AS at_utc,
       adjustment.who,
       adjustment.figure,
       adjustment.amount,
       adjustment.day,
       adjustment.reason
FROM adjustment JOIN site ON site.number = adjustment.site;
