-- The days of canaries that are over, each the sum of its hours, so that weeks and months are read in coarser parts. Derived: the
-- marks `days` and `days_canary` say which are there; see `days`.
CREATE TABLE days (
    canary INTEGER NOT NULL REFERENCES canaries,
    -- Days since the epoch, in UTC.
    day INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    errored INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    durations BLOB NOT NULL,
    steps BLOB,
    reasons TEXT,
    degraded INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (canary, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX days_by_day ON days (day);
