-- Passed runs of which a `warn` did not hold, and how many of them an hour has. An earlier format knew of none.
ALTER TABLE runs ADD COLUMN degraded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_degraded ON runs (due_ms) WHERE degraded <> 0;
CREATE INDEX runs_degraded_by_probe ON runs (probe, due_ms) WHERE degraded <> 0;
ALTER TABLE rollups ADD COLUMN degraded INTEGER NOT NULL DEFAULT 0;
