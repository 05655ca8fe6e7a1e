-- Who may do what in the database, as its administrator said (`serinus store roles`); empty where one user does everything.
CREATE TABLE IF NOT EXISTS roles (
    name text COLLATE "C" PRIMARY KEY,
    -- "run": what a service does; "read": to look at what happened.
    may text NOT NULL CHECK (may IN ('run', 'read')),
    -- The only one that it may write for, under row-level security.
    region text COLLATE "C"
);
