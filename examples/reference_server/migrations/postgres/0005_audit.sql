-- What happened, in order. Every row holds the digest of the one before it, so that
-- none can be changed, taken away or put elsewhere without notice.
CREATE TABLE audit (
    seq bigint PRIMARY KEY,
    at bigint NOT NULL,
    event text NOT NULL,
    level text NOT NULL,
    actor text,
    subject text,
    session text,
    incident text,
    request_id text,
    address text,
    detail text NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL
);

CREATE INDEX audit_by_incident ON audit (incident, seq);

CREATE FUNCTION refuse_to_change_audit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit();

-- The last row, so that a missing end is noticed.
CREATE TABLE audit_head (
    id bigint PRIMARY KEY CHECK (id = 1),
    seq bigint NOT NULL,
    hash text NOT NULL
);

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');
