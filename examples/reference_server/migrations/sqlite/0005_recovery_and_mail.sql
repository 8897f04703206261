-- Accounts that cannot sign in: disabled by an operator, or until their owner sets
-- another password.
ALTER TABLE users ADD COLUMN disabled_at INTEGER;
ALTER TABLE users ADD COLUMN must_reset_at INTEGER;

-- Tokens that are good once. Only a digest is here; the token itself is made of the
-- identifier and the server's secret when its mail is written.
CREATE TABLE one_time_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('password_reset')),
    token_hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

CREATE INDEX one_time_tokens_by_user ON one_time_tokens (user_id, created_at);

-- Mails to be sent. Their texts are made when they are sent, so that nothing secret
-- waits here.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    template TEXT NOT NULL,
    token_id TEXT REFERENCES one_time_tokens (id) ON DELETE CASCADE,
    -- Each account is told once of an incident, however often that is asked for.
    incident_id TEXT,
    status TEXT NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sent', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    error TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (incident_id, user_id, template)
) STRICT;

CREATE INDEX outbox_by_turn ON outbox (status, next_attempt_at);
