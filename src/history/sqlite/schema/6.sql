-- What people and programs did and what changed. `id` is given by whoever hands it in.
CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    -- "annotation", "action", "reload", "certificate", "note".
    kind TEXT NOT NULL,
    probe TEXT,
    incident TEXT,
    -- Who did it.
    author TEXT,
    what TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_time ON events (at_ms, id);
CREATE INDEX events_by_probe ON events (probe, at_ms, id);
CREATE INDEX events_by_incident ON events (incident, at_ms, id) WHERE incident IS NOT NULL;

-- With the counts, so that those of all canaries are read without the durations and steps beside them.
DROP INDEX rollups_by_hour;
CREATE INDEX rollups_by_hour ON rollups (hour, canary, passed, failed, errored, missed, blocked, skipped, degraded);
