-- Requests to channels, each of one making, in the place of messages that were sent until they were taken; what is still owed is not here, but follows from incidents and their covers.
CREATE TABLE tries (
    id TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    -- "ring", "change", "acknowledge", "end".
    what TEXT NOT NULL,
    key TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    json TEXT NOT NULL,
    -- "waiting" (on its way, or nobody knows), "taken", "refused", "dropped".
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    tried_ms INTEGER,
    error TEXT,
    ended_ms INTEGER
) STRICT;
CREATE INDEX tries_by_state ON tries (state, made_ms);
-- The incidents that a try tells of: several, where it was gathered.
CREATE TABLE try_incidents (incident TEXT NOT NULL, try TEXT NOT NULL, PRIMARY KEY (incident, try)) STRICT, WITHOUT ROWID;
CREATE INDEX try_incidents_by_try ON try_incidents (try);

INSERT INTO tries (id, channel, what, key, made_ms, json, state, attempts, tried_ms, error, ended_ms)
    SELECT id, channel, what, key, made_ms, json, state, attempts, tried_ms, error, ended_ms FROM former_tries;
INSERT INTO try_incidents (incident, try) SELECT incident, try FROM former_try_incidents;
DROP VIEW former_tries;
DROP VIEW former_try_incidents;
DROP TABLE messages;
