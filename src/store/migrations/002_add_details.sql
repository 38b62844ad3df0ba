-- headcount.db, schema version 2: what reports tell views apart by.
--
-- `site.first_beacon_at` was kept to within one fold so far; from this version on it is the moment itself.

-- Views and visits of single days by one value of one dimension: 'referrer', 'browser', 'system',
-- 'device', 'screen', 'language', 'country', 'campaign', 'source', 'medium'. A visit counts for the
-- values of the view that opened it. What told nothing has no row: it is what the day has beyond these.
-- Values beyond `[limits] details_per_day` count for '(other)'. Removed when older than
-- `[retention] details`.
CREATE TABLE detail_day (
    site      INTEGER NOT NULL REFERENCES site (number),
    day       TEXT    NOT NULL,
    dimension TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    views     INTEGER NOT NULL,
    visits    INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,
    PRIMARY KEY (site, day, dimension, value)
) STRICT, WITHOUT ROWID;

CREATE VIEW detail_calendar AS
SELECT site.id AS site, detail_day.day, detail_day.dimension, detail_day.value, detail_day.views, detail_day.visits
FROM detail_day JOIN site ON site.number = detail_day.site;
