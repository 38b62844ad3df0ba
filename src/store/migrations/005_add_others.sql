-- headcount.db, schema version 5: a fleet.

-- What the other machines of the fleet counted, as they told last: shown beside this machine's own rows, also
-- while nobody can be asked. Rows have the names that the shared store knows them by (`t`, `d:2026-11-23`,
-- `m:29923200`, `p:/tin-tuc`); values are counted views and visits, then added, then removed ones.
CREATE TABLE others (
    site   INTEGER NOT NULL REFERENCES site (number),
    row    TEXT    NOT NULL,
    "values" TEXT  NOT NULL,
    PRIMARY KEY (site, row)
) STRICT, WITHOUT ROWID;
