-- Beside an hour's counts: how far runs came and how long each step took, how often which reason was given, and the verdict of each
-- tick; see `encoding::hour`. Absent in hours that an earlier format counted.
ALTER TABLE rollups ADD COLUMN steps BLOB;
ALTER TABLE rollups ADD COLUMN reasons TEXT;
ALTER TABLE rollups ADD COLUMN ticks BLOB;

-- What a run left for people to look at. By the run's id, whose first bytes are its time, as it may come before the run's row.
CREATE TABLE artifacts (
    run BLOB NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- Absent where it was too much.
    bytes BLOB,
    PRIMARY KEY (run, name)
) STRICT;

CREATE TABLE observation_series (
    id INTEGER PRIMARY KEY,
    canary INTEGER NOT NULL REFERENCES canaries,
    name TEXT NOT NULL,
    -- Empty without one.
    subject TEXT NOT NULL,
    -- How long its observations are looked back on.
    keep_ms INTEGER NOT NULL,
    UNIQUE (canary, name, subject)
) STRICT;
CREATE TABLE observations (
    series INTEGER NOT NULL REFERENCES observation_series,
    at_ms INTEGER NOT NULL,
    value REAL NOT NULL,
    weight REAL NOT NULL,
    PRIMARY KEY (series, at_ms)
) STRICT, WITHOUT ROWID;

-- What changed besides runs, which are followed by their numbers: "incident", "ledger", or a state's kind; and whose.
CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL) STRICT;
-- Tells this file from another one in its place, whose numbers begin anew.
INSERT INTO marks (name, value) VALUES ('file', random());

-- Passed runs in full: the newest of each canary, and those that failed runs are compared with. A run's row may be gone before.
CREATE TABLE passes (
    id INTEGER PRIMARY KEY,
    canary INTEGER NOT NULL REFERENCES canaries,
    run_id BLOB NOT NULL UNIQUE,
    due_ms INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX passes_by_canary ON passes (canary, due_ms);
-- Of a failed run: the last pass of its canary before it, and one of another region or cell.
CREATE TABLE comparisons (run INTEGER PRIMARY KEY REFERENCES runs, before INTEGER, beside INTEGER) STRICT;
CREATE INDEX comparisons_by_before ON comparisons (before) WHERE before IS NOT NULL;
CREATE INDEX comparisons_by_beside ON comparisons (beside) WHERE beside IS NOT NULL;
