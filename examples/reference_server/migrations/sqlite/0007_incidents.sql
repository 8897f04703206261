-- Incidents, and what is switched on because of them. What was done about one is in
-- the audit log.
CREATE TABLE incidents (
    id TEXT PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    scenario TEXT,
    opened_by TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER
) STRICT;

CREATE TABLE switches (
    name TEXT PRIMARY KEY NOT NULL CHECK (name IN ('read_only')),
    since INTEGER NOT NULL,
    incident_id TEXT
) STRICT;
