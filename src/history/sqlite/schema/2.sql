-- A run of one slot may still be going when a later slot's has ended, so each slot has a last tick of its own.
CREATE TABLE slot_ticks (
    canary INTEGER NOT NULL REFERENCES canaries,
    slot INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    PRIMARY KEY (canary, slot)
) STRICT, WITHOUT ROWID;
INSERT INTO slot_ticks SELECT canary, 0, due_ms FROM last_ticks;
DROP TABLE last_ticks;
ALTER TABLE slot_ticks RENAME TO last_ticks;
