-- Names are written once; runs carry their numbers.
CREATE TABLE probes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);
CREATE TABLE canaries (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    probe integer NOT NULL REFERENCES probes,
    region text COLLATE "C" NOT NULL
);
CREATE INDEX canaries_by_probe ON canaries (probe);
-- The names of a run's steps, as a JSON list.
CREATE TABLE shapes (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, names text NOT NULL);
CREATE UNIQUE INDEX shapes_by_names ON shapes (md5(names));

-- `runs`, `changes` and `facts`: the last number that was given to a row. Whoever writes such rows holds the number's row until the commit, so
-- that numbers ascend in the order of commits, and no reader who follows them passes one over.
CREATE TABLE numbers (name text COLLATE "C" PRIMARY KEY, last bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO numbers (name, last) VALUES ('runs', 0), ('changes', 0), ('facts', 0);

-- `file`: tells this store from another one in its place, whose numbers begin anew. `rolled_up`: the last run's number that is in the
-- rollups. The others belong to housekeeping.
CREATE TABLE marks (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL);
INSERT INTO marks (name, value) VALUES ('file', (random() * 9007199254740991)::bigint);

-- Partitioned by how long they are kept and by when they were due: what is old goes with its partition.
CREATE TABLE runs (
    id bigint NOT NULL,
    -- 0: passed; 1: every other one.
    class smallint NOT NULL,
    canary integer NOT NULL,
    probe integer NOT NULL,
    due_ms bigint NOT NULL,
    slot integer NOT NULL,
    -- The ULID's 16 bytes, as of `trace`.
    run_id bytea NOT NULL,
    trace bytea NOT NULL,
    -- After `due_ms`.
    late_ms bigint NOT NULL,
    duration_us bigint NOT NULL,
    verdict smallint NOT NULL,
    reason text,
    counted boolean NOT NULL,
    degraded boolean NOT NULL,
    shape integer,
    times bytea,
    -- JSON; no `jsonb`, which takes no text with a zero byte.
    details text,
    -- What became of its cleanup, JSON.
    cleanup text
) PARTITION BY LIST (class);
CREATE TABLE runs_passed PARTITION OF runs FOR VALUES IN (0) PARTITION BY RANGE (due_ms);
CREATE TABLE runs_others PARTITION OF runs FOR VALUES IN (1) PARTITION BY RANGE (due_ms);
-- What is due when no partition is ready for it, such as runs that were spooled for days.
CREATE TABLE runs_passed_default PARTITION OF runs_passed DEFAULT;
CREATE TABLE runs_others_default PARTITION OF runs_others DEFAULT;
CREATE UNIQUE INDEX runs_by_run ON runs (run_id, due_ms, class);
CREATE INDEX runs_by_number ON runs (id);
CREATE INDEX runs_by_due ON runs (due_ms, id);
CREATE INDEX runs_by_canary ON runs (canary, due_ms, id);
CREATE INDEX runs_by_probe ON runs (probe, due_ms, id);
CREATE INDEX runs_degraded ON runs (due_ms, id) WHERE degraded;

-- A run of one slot may still be going when a later slot's has ended, so each slot has a last tick of its own.
CREATE TABLE last_ticks (
    canary integer NOT NULL REFERENCES canaries,
    slot integer NOT NULL,
    due_ms bigint NOT NULL,
    PRIMARY KEY (canary, slot)
) WITH (fillfactor = 50);

CREATE TABLE states (
    kind text COLLATE "C" NOT NULL,
    -- Whose it is, of kinds that belong to a region's process; empty of all others.
    region text COLLATE "C" NOT NULL DEFAULT '',
    key text COLLATE "C" NOT NULL,
    json text NOT NULL,
    PRIMARY KEY (kind, region, key)
) WITH (fillfactor = 70);

CREATE TABLE incidents (
    id text COLLATE "C" PRIMARY KEY,
    scope text COLLATE "C" NOT NULL,
    probe text COLLATE "C",
    severity text NOT NULL,
    opened_ms bigint NOT NULL,
    resolved_ms bigint,
    json text NOT NULL
);
CREATE INDEX incidents_open ON incidents (id) WHERE resolved_ms IS NULL;
CREATE INDEX incidents_resolved ON incidents (resolved_ms) WHERE resolved_ms IS NOT NULL;
CREATE INDEX incidents_by_probe ON incidents (probe, id);

CREATE TABLE timeline (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident text COLLATE "C" NOT NULL,
    at_ms bigint NOT NULL,
    what text NOT NULL,
    text text NOT NULL
);
-- What is written twice is there once.
CREATE UNIQUE INDEX timeline_by_incident ON timeline (incident, at_ms, what, md5(text));

-- Requests to channels, each of one making.
CREATE TABLE tries (
    id text COLLATE "C" PRIMARY KEY,
    channel text NOT NULL,
    -- "ring", "change", "acknowledge", "end".
    what text NOT NULL,
    key text NOT NULL,
    made_ms bigint NOT NULL,
    json text NOT NULL,
    -- "waiting" (on its way, or nobody knows), "taken", "refused", "dropped".
    state text NOT NULL,
    attempts integer NOT NULL,
    tried_ms bigint,
    error text,
    ended_ms bigint
);
CREATE INDEX tries_by_state ON tries (state, made_ms);
-- The incidents that a try tells of: several, where it was gathered.
CREATE TABLE try_incidents (
    incident text COLLATE "C" NOT NULL,
    try text COLLATE "C" NOT NULL,
    PRIMARY KEY (incident, try)
);
CREATE INDEX try_incidents_by_try ON try_incidents (try);

CREATE TABLE ledger (
    id text COLLATE "C" PRIMARY KEY,
    -- Whose process cleans it up; empty where there is no fleet.
    region text COLLATE "C" NOT NULL DEFAULT '',
    -- As it was intended.
    entry text NOT NULL,
    -- Once the creation is known to have happened.
    names text,
    attempts integer NOT NULL DEFAULT 0,
    -- Cleanups that found nothing, beyond those of the entry.
    passes integer NOT NULL DEFAULT 0,
    given_up boolean NOT NULL DEFAULT false,
    message text
);

CREATE TABLE rollups (
    canary integer NOT NULL REFERENCES canaries,
    -- Hours since the epoch.
    hour integer NOT NULL,
    passed bigint NOT NULL,
    failed bigint NOT NULL,
    errored bigint NOT NULL,
    missed bigint NOT NULL,
    blocked bigint NOT NULL,
    skipped bigint NOT NULL,
    degraded bigint NOT NULL,
    -- See `encoding::hour` and `encoding::sketch`.
    durations bytea NOT NULL,
    steps bytea NOT NULL,
    reasons text NOT NULL,
    ticks bytea NOT NULL,
    PRIMARY KEY (canary, hour)
);
CREATE INDEX rollups_by_hour ON rollups (hour, canary)
    INCLUDE (passed, failed, errored, missed, blocked, skipped, degraded);
-- The days of canaries that are over, each the sum of its hours. Derived: the marks `days` and `days_canary` say which are there.
CREATE TABLE days (
    canary integer NOT NULL REFERENCES canaries,
    -- Days since the epoch, in UTC.
    day integer NOT NULL,
    passed bigint NOT NULL,
    failed bigint NOT NULL,
    errored bigint NOT NULL,
    missed bigint NOT NULL,
    blocked bigint NOT NULL,
    skipped bigint NOT NULL,
    degraded bigint NOT NULL,
    durations bytea NOT NULL,
    steps bytea NOT NULL,
    reasons text NOT NULL,
    PRIMARY KEY (canary, day)
);
CREATE INDEX days_by_day ON days (day);

-- What a run left for people to look at. By the run's id, whose first bytes are its time, as it may come before the run's row.
CREATE TABLE artifacts (
    run_id bytea NOT NULL,
    name text COLLATE "C" NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    -- Absent where it was too much.
    bytes bytea,
    PRIMARY KEY (run_id, name)
);

CREATE TABLE observation_series (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    canary integer NOT NULL REFERENCES canaries,
    name text COLLATE "C" NOT NULL,
    -- Empty without one.
    subject text COLLATE "C" NOT NULL,
    -- How long its observations are looked back on.
    keep_ms bigint NOT NULL
);
CREATE UNIQUE INDEX observation_series_by_name ON observation_series (canary, name, md5(subject));
CREATE TABLE observations (
    series integer NOT NULL REFERENCES observation_series,
    at_ms bigint NOT NULL,
    value double precision NOT NULL,
    weight double precision NOT NULL,
    PRIMARY KEY (series, at_ms)
);

-- What changed besides runs, which are followed by their numbers: "incident", "ledger", "event", or a state's kind; and whose.
CREATE TABLE changes (id bigint PRIMARY KEY, kind text NOT NULL, key text NOT NULL);

-- Passed runs in full: the newest of each canary, and those that failed runs are compared with. A run's row may be gone before.
CREATE TABLE passes (
    run_id bytea PRIMARY KEY,
    canary integer NOT NULL REFERENCES canaries,
    probe integer NOT NULL,
    due_ms bigint NOT NULL,
    json text NOT NULL
);
CREATE INDEX passes_by_canary ON passes (canary, due_ms);
CREATE INDEX passes_by_probe ON passes (probe, due_ms);
-- Of a failed run: the last pass of its canary before it, and one of another region or cell.
CREATE TABLE comparisons (run_id bytea PRIMARY KEY, due_ms bigint NOT NULL, before bytea, beside bytea);
CREATE INDEX comparisons_by_due ON comparisons (due_ms);
CREATE INDEX comparisons_by_before ON comparisons (before) WHERE before IS NOT NULL;
CREATE INDEX comparisons_by_beside ON comparisons (beside) WHERE beside IS NOT NULL;

-- What people and programs did and what changed. `id` is given by whoever hands it in.
CREATE TABLE events (
    id text COLLATE "C" PRIMARY KEY,
    at_ms bigint NOT NULL,
    -- "annotation", "action", "reload", "certificate", "note".
    kind text NOT NULL,
    probe text COLLATE "C",
    incident text COLLATE "C",
    -- Who did it.
    author text,
    what text NOT NULL,
    text text NOT NULL
);
CREATE INDEX events_by_time ON events (at_ms, id);
CREATE INDEX events_by_probe ON events (probe, at_ms, id);
CREATE INDEX events_by_incident ON events (incident, at_ms, id) WHERE incident IS NOT NULL;

-- Who of a fleet does what only one may do. "region/NAME" or "evaluator".
CREATE TABLE leases (
    name text COLLATE "C" PRIMARY KEY,
    -- A process, from its start to its end.
    holder text NOT NULL,
    info text NOT NULL,
    -- Counts the holders.
    epoch bigint NOT NULL,
    renewed timestamptz NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
-- Refuses what is written under a lease that another one has taken over. A takeover waits for the end of a transaction that came through
-- here, and what comes here later sees the takeover. A takeover locks the row FOR UPDATE; a renewal, which does not, goes on meanwhile.
CREATE FUNCTION fence(lease text, held bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM leases WHERE name = lease AND epoch = held FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another one holds the lease %', lease
            USING ERRCODE = CASE lease WHEN 'evaluator' THEN 'SE001' ELSE 'SE002' END;
    END IF;
END $$;

-- What those who probe tell the one that evaluates.
CREATE TABLE facts (
    region text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- Of its last change, from `numbers`.
    number bigint NOT NULL,
    -- Absent where it is not watched any more.
    json text,
    well boolean NOT NULL,
    written timestamptz NOT NULL,
    PRIMARY KEY (region, key)
) WITH (fillfactor = 70);
CREATE INDEX facts_by_number ON facts (number);
CREATE INDEX facts_not_well ON facts (number) WHERE json IS NOT NULL AND NOT well;

-- What one process of a fleet asks of whoever has a lease. `json` and `answer` hold no secret.
CREATE TABLE requests (
    -- A ULID.
    id text COLLATE "C" PRIMARY KEY,
    -- The lease of who is to do it.
    lease text COLLATE "C" NOT NULL,
    -- What is to be done, and who wants it.
    json text NOT NULL,
    made timestamptz NOT NULL,
    -- Nobody begins with it later.
    until timestamptz NOT NULL,
    -- The process that does it, once it has taken it: no other one does.
    holder text,
    answer text
) WITH (fillfactor = 50);
CREATE INDEX requests_open ON requests (lease, id) WHERE holder IS NULL;
CREATE INDEX requests_by_time ON requests (made);

-- The processes of a fleet, also those that stand by.
CREATE TABLE instances (
    -- As in `leases`.
    holder text COLLATE "C" PRIMARY KEY,
    info text NOT NULL,
    heard timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What lets somebody log in once: by the SHA-256 of the code, which is nowhere.
CREATE TABLE codes (
    hash text COLLATE "C" PRIMARY KEY,
    json text NOT NULL,
    until timestamptz NOT NULL
);

-- Partitions of `runs`, for those who may make no tables. What these functions do, they do as the owner of the tables, whoever calls them:
-- they take numbers only, and names are made here.
CREATE FUNCTION runs_partition(of_class integer, first_day bigint, length bigint) RETURNS text LANGUAGE plpgsql STRICT AS $$
BEGIN
    -- From the year 1 to 9999, so that a name has four digits for it.
    IF of_class NOT IN (0, 1) OR length NOT BETWEEN 1 AND 31 OR first_day NOT BETWEEN -719162 AND 2932896 - length THEN
        RAISE EXCEPTION 'runs of class % have no partition of % days from day % on', of_class, length, first_day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN format('%s_%s_%sd', runs_of_class(of_class), to_char(date '1970-01-01' + first_day::integer, 'YYYYMMDD'), length);
END $$;
CREATE FUNCTION runs_of_class(of_class integer) RETURNS text LANGUAGE sql STRICT AS $$
    SELECT CASE of_class WHEN 0 THEN 'runs_passed' ELSE 'runs_others' END
$$;
-- It is attached when it is there, as those who write need not wait for that. Those who need the default partition, which are few, are
-- kept waiting no longer than this waits for them.
CREATE FUNCTION make_runs_partition(of_class integer, first_day bigint, length bigint) RETURNS void
    LANGUAGE plpgsql STRICT SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
    made text := runs_partition(of_class, first_day, length);
    parent text := runs_of_class(of_class);
    day_ms CONSTANT bigint := 86400000;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', made, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        parent, made, first_day * day_ms, (first_day + length) * day_ms);
END $$;
-- Unless another process did, or a run came to it late that is not in the rollups yet. Everybody is kept waiting as long as this waits,
-- also who writes.
CREATE FUNCTION drop_runs_partition(of_class integer, first_day bigint, length bigint) RETURNS void
    LANGUAGE plpgsql STRICT SECURITY DEFINER SET lock_timeout = '500ms' AS $$
DECLARE
    old text := runs_partition(of_class, first_day, length);
    parent text := runs_of_class(of_class);
    newest bigint;
BEGIN
    -- The table before its partition, as everybody takes them; nobody writes to the partition once this is there.
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
    IF EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = to_regclass(parent) AND inhrelid = to_regclass(old)) THEN
        EXECUTE format('SELECT max(id) FROM %I', old) INTO newest;
        IF newest IS NULL OR newest <= coalesce((SELECT value FROM marks WHERE name = 'rolled_up'), 0) THEN
            EXECUTE format('DROP TABLE %I', old);
        END IF;
    END IF;
END $$;

-- Row-level security, for a store of which each process may write only what is of its region. It is turned on by `apply_roles`. Reading
-- is everybody's, and what is of no region is written by whoever evaluates.
CREATE FUNCTION own_region() RETURNS text LANGUAGE sql STABLE AS $$ SELECT region FROM roles WHERE name = current_user $$;
CREATE POLICY reading ON facts FOR SELECT USING (true);
CREATE POLICY own_region ON facts USING (region = (SELECT own_region()));
-- What is removed by the housekeeping of any process.
CREATE POLICY housekeeping ON facts FOR DELETE USING ((json IS NULL OR well) AND written < clock_timestamp() - interval '1 day');
CREATE POLICY reading ON ledger FOR SELECT USING (true);
CREATE POLICY own_region ON ledger USING (region = (SELECT own_region()));
CREATE POLICY reading ON states FOR SELECT USING (true);
CREATE POLICY own_region ON states USING (region IN ('', (SELECT own_region())));
CREATE POLICY reading ON leases FOR SELECT USING (true);
CREATE POLICY own_region ON leases USING (name IN ('evaluator', 'region/' || (SELECT own_region())));

-- Gives the roles in `roles` what they need of the tables, and nothing that is not named here. It is called at the end of all migrations,
-- and by the text of `serinus store roles`.
CREATE FUNCTION apply_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    of_regions text;
    is_on boolean := EXISTS (SELECT 1 FROM roles WHERE region IS NOT NULL);
BEGIN
    FOR one IN SELECT name, may FROM roles WHERE region IS NULL LOOP
        IF one.may = 'run' THEN
            EXECUTE format('GRANT SELECT ON migrations, roles, runs_passed, runs_others TO %I', one.name);
            EXECUTE format('GRANT SELECT, UPDATE ON numbers TO %I', one.name);
            EXECUTE format('GRANT SELECT, INSERT ON probes, canaries, shapes TO %I', one.name);
            EXECUTE format('GRANT SELECT, INSERT, UPDATE ON runs, last_ticks, leases TO %I', one.name);
            EXECUTE format('GRANT SELECT, DELETE ON runs_passed_default, runs_others_default TO %I', one.name);
            EXECUTE format('GRANT SELECT, INSERT, DELETE ON timeline, try_incidents, artifacts, changes, events TO %I', one.name);
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON marks, states, incidents, tries, ledger, rollups, days,
                observation_series, observations, passes, comparisons, facts, requests, instances, codes TO %I', one.name);
            EXECUTE format('GRANT EXECUTE ON FUNCTION fence, own_region, make_runs_partition, drop_runs_partition TO %I', one.name);
        ELSE
            -- Without `states` and `ledger`, and without what is written to channels, in which links are that are signed.
            EXECUTE format('GRANT SELECT ON migrations, probes, canaries, shapes, numbers, marks, runs, last_ticks, incidents, timeline,
                try_incidents, rollups, days, artifacts, observation_series, observations, changes, passes, comparisons, events, leases,
                facts, instances TO %I', one.name);
            EXECUTE format('GRANT SELECT (id, channel, what, key, made_ms, state, attempts, tried_ms, error, ended_ms) ON tries TO %I',
                one.name);
        END IF;
    END LOOP;
    -- Turning it on waits for all who use the table, so it is left where it is so already.
    FOR of_regions IN SELECT relname FROM pg_class WHERE relrowsecurity <> is_on
        AND oid IN ('facts'::regclass, 'ledger'::regclass, 'states'::regclass, 'leases'::regclass) LOOP
        EXECUTE format('ALTER TABLE %I %s ROW LEVEL SECURITY', of_regions, CASE WHEN is_on THEN 'ENABLE' ELSE 'DISABLE' END);
    END LOOP;
END $$;
DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['make_runs_partition', 'drop_runs_partition'] LOOP
        -- No name is looked up in a schema that somebody else may have made something in.
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', one, current_schema());
    END LOOP;
    REVOKE ALL ON FUNCTION fence, runs_partition, runs_of_class, make_runs_partition, drop_runs_partition, own_region, apply_roles
        FROM PUBLIC;
END $$;
