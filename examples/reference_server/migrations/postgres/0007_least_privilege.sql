-- Whoever asks says for whom, and sees no rows of others: a query that forgets its
-- owner finds nothing. The sweeper says that it looks after everybody's objects.
ALTER TABLE images ENABLE ROW LEVEL SECURITY;
ALTER TABLE images FORCE ROW LEVEL SECURITY;

-- After a transaction that set it the setting is '', not NULL.
CREATE POLICY own ON images
    USING (owner_id = nullif(current_setting('rampart.user_id', true), ''))
    WITH CHECK (owner_id = nullif(current_setting('rampart.user_id', true), ''));

CREATE POLICY housekeeping ON images FOR SELECT
    USING (current_setting('rampart.housekeeping', true) = 'on');

-- The roles of deploy/postgres/roles.sql, where they are.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rampart_app') THEN
        REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM rampart_app;
        REVOKE INSERT, DELETE, TRUNCATE ON audit_head FROM rampart_app;
        REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON _sqlx_migrations FROM rampart_app;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rampart_ops') THEN
        REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM rampart_ops;
        REVOKE INSERT, DELETE, TRUNCATE ON audit_head FROM rampart_ops;
        REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON _sqlx_migrations FROM rampart_ops;
    END IF;
END $$;
