-- The roles that share the work on a store of Serinus in PostgreSQL, as `serinus store roles` prints them:
--
--   serinus_migrate  owns the tables, and makes and changes them (`serinus store migrate`, `serinus store copy`).
--   serinus_run  is what a service needs to run: it reads and writes rows, and makes no table.
--   serinus_read  reads what happened, for dashboards: no keys, no messages, nothing that is to be cleaned up.
--
-- Run it in the store's database as a superuser, with psql or in the `docker-entrypoint-initdb.d` of an image, before or after the
-- tables are made. It may be run again, and says the whole each time. Who logs in is made a member of one of the roles, such as
--
--   CREATE ROLE serinus LOGIN PASSWORD '…' IN ROLE serinus_run;
BEGIN;
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

DO $$
DECLARE
    one text;
BEGIN
    -- Whoever makes tables waits until this is done.
    PERFORM pg_advisory_xact_lock(23473965136508275);
    FOREACH one IN ARRAY ARRAY['serinus_migrate', 'serinus_run', 'serinus_read'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = one) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', one);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), one);
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO serinus_migrate;
GRANT USAGE ON SCHEMA public TO serinus_run, serinus_read;

-- Tables that another user made change hands.
DO $$
DECLARE
    former oid := (SELECT relowner FROM pg_class WHERE oid = to_regclass('migrations'));
    one text;
BEGIN
    FOR one IN
        SELECT format('TABLE %s', oid::regclass) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relowner = former AND relowner <> 'serinus_migrate'::regrole
            AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
        UNION ALL
        SELECT format('FUNCTION %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner = former AND proowner <> 'serinus_migrate'::regrole
            AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER %s OWNER TO serinus_migrate', one);
    END LOOP;
END $$;

SET LOCAL ROLE serinus_migrate;
-- Who may do what in the database, as its administrator said (`serinus store roles`); empty where one user does everything.
CREATE TABLE IF NOT EXISTS roles (
    name text COLLATE "C" PRIMARY KEY,
    -- "run": what a service does; "read": to look at what happened.
    may text NOT NULL CHECK (may IN ('run', 'read')),
    -- The only one that it may write for, under row-level security.
    region text COLLATE "C"
);
DELETE FROM roles;
INSERT INTO roles (name, may, region) VALUES
    ('serinus_run', 'run', NULL),
    ('serinus_read', 'read', NULL);
-- What each may do with which table, the schema says; where there is none yet, once it is made.
DO $$
BEGIN
    IF to_regprocedure('apply_roles()') IS NOT NULL THEN
        PERFORM apply_roles();
    END IF;
END $$;
COMMIT;
