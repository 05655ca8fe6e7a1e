-- Names are written once; runs carry their numbers.
CREATE TABLE probes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE canaries (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    probe INTEGER NOT NULL REFERENCES probes,
    region TEXT NOT NULL
) STRICT;
-- The names of a passed run's steps, as a JSON list.
CREATE TABLE shapes (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE runs (
    -- Ascends in the order of writing and is never used again: rollups go by it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    canary INTEGER NOT NULL REFERENCES canaries,
    probe INTEGER NOT NULL REFERENCES probes,
    due_ms INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    run_id BLOB NOT NULL,
    -- After `due_ms`.
    late_ms INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    reason TEXT,
    trace BLOB NOT NULL,
    counted INTEGER NOT NULL,
    shape INTEGER REFERENCES shapes,
    times BLOB
) STRICT;
CREATE UNIQUE INDEX runs_by_run ON runs (run_id);
CREATE INDEX runs_by_due ON runs (due_ms);
CREATE INDEX runs_by_canary ON runs (canary, due_ms);
CREATE INDEX runs_by_probe ON runs (probe, due_ms);
CREATE INDEX runs_not_passed ON runs (due_ms) WHERE verdict <> 0;
CREATE INDEX runs_not_passed_by_probe ON runs (probe, due_ms) WHERE verdict <> 0;
CREATE TABLE run_details (run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE, json TEXT NOT NULL) STRICT;

CREATE TABLE last_ticks (canary INTEGER PRIMARY KEY REFERENCES canaries, due_ms INTEGER NOT NULL) STRICT;

CREATE TABLE states (kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    probe TEXT,
    severity TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    resolved_ms INTEGER,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_open ON incidents (id) WHERE resolved_ms IS NULL;
CREATE INDEX incidents_resolved ON incidents (resolved_ms) WHERE resolved_ms IS NOT NULL;
CREATE INDEX incidents_by_probe ON incidents (probe, id);

CREATE TABLE timeline (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    incident TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    what TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
-- What is written twice is there once.
CREATE UNIQUE INDEX timeline_by_incident ON timeline (incident, at_ms, what, text);

CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    incident TEXT NOT NULL,
    key TEXT NOT NULL,
    channel TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    notice TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL,
    tried_ms INTEGER,
    error TEXT
) STRICT;
CREATE INDEX messages_by_state ON messages (state, id);
CREATE INDEX messages_by_incident ON messages (incident, id);

CREATE TABLE ledger (
    id TEXT NOT NULL PRIMARY KEY,
    -- As it was intended.
    entry TEXT NOT NULL,
    -- Once the creation is known to have happened.
    names TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    given_up INTEGER NOT NULL DEFAULT 0,
    message TEXT
) STRICT;

CREATE TABLE rollups (
    canary INTEGER NOT NULL REFERENCES canaries,
    hour INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    errored INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    -- Durations of the passed runs, see `sketch`.
    durations BLOB NOT NULL,
    PRIMARY KEY (canary, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollups_by_hour ON rollups (hour);

-- `rolled_up`: the last run's number that is in the rollups.
CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
