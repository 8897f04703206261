-- Incidents, and what is switched on because of them. What was done about one is in
-- the audit log.
CREATE TABLE incidents (
    id text PRIMARY KEY,
    title text NOT NULL,
    scenario text,
    opened_by text NOT NULL,
    opened_at bigint NOT NULL,
    closed_at bigint
);

CREATE TABLE switches (
    name text PRIMARY KEY CHECK (name IN ('read_only')),
    since bigint NOT NULL,
    incident_id text
);
