-- Accounts that cannot sign in: disabled by an operator, or until their owner sets
-- another password.
ALTER TABLE users ADD COLUMN disabled_at bigint;
ALTER TABLE users ADD COLUMN must_reset_at bigint;

-- Tokens that are good once. Only a digest is here; the token itself is made of the
-- identifier and the server's secret when its mail is written.
CREATE TABLE one_time_tokens (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('password_reset')),
    token_hash text NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint
);

CREATE INDEX one_time_tokens_by_user ON one_time_tokens (user_id, created_at);

-- Mails to be sent. Their texts are made when they are sent, so that nothing secret
-- waits here.
CREATE TABLE outbox (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    template text NOT NULL,
    token_id text REFERENCES one_time_tokens (id) ON DELETE CASCADE,
    -- Each account is told once of an incident, however often that is asked for.
    incident_id text,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sent', 'failed')),
    attempts bigint NOT NULL DEFAULT 0,
    next_attempt_at bigint NOT NULL,
    error text,
    created_at bigint NOT NULL,
    finished_at bigint,
    UNIQUE (incident_id, user_id, template)
);

CREATE INDEX outbox_by_turn ON outbox (status, next_attempt_at);
