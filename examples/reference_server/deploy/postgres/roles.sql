-- The roles of the reference server, and its database. Run once, as a superuser, from
-- psql:
--
--     psql -v ON_ERROR_STOP=1 -f roles.sql
--
-- Then give each role that signs in a password with \password, so that it stands in no
-- log. Roles belong to the whole server and are in no dump: keep this file.
--
--     rampart_owner     owns everything, and signs in nowhere
--     rampart_migrator  MIGRATOR_DATABASE_URL: changes tables
--     rampart_app       DATABASE_URL of the servers: rows only, and of the audit log new ones only
--     rampart_ops       DATABASE_URL of the incident, users, sessions and keys commands
--     rampart_backup    BACKUP_DATABASE_URL: reads everything, writes nothing
--     rampart_drill     DRILL_DATABASE_URL: restores copies into databases of their own

CREATE ROLE rampart_owner NOLOGIN;
CREATE ROLE rampart_migrator LOGIN NOINHERIT CONNECTION LIMIT 3;
CREATE ROLE rampart_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 50;
CREATE ROLE rampart_ops LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10;
CREATE ROLE rampart_backup LOGIN BYPASSRLS CONNECTION LIMIT 3;
CREATE ROLE rampart_drill LOGIN CREATEDB BYPASSRLS CONNECTION LIMIT 20;
GRANT rampart_owner TO rampart_migrator, rampart_drill;

CREATE DATABASE rampart OWNER rampart_owner;
-- Takes temporary tables away too.
REVOKE ALL ON DATABASE rampart FROM PUBLIC;
GRANT CONNECT ON DATABASE rampart TO rampart_migrator, rampart_app, rampart_ops, rampart_backup;

\connect rampart

REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA rampart AUTHORIZATION rampart_owner;
GRANT USAGE ON SCHEMA rampart TO rampart_app, rampart_ops, rampart_backup;

-- What the migrator makes belongs to the owner: default privileges go by who makes.
ALTER ROLE rampart_migrator IN DATABASE rampart SET role = 'rampart_owner';
ALTER ROLE rampart_migrator IN DATABASE rampart SET search_path = rampart;
ALTER ROLE rampart_app IN DATABASE rampart SET search_path = rampart;
ALTER ROLE rampart_ops IN DATABASE rampart SET search_path = rampart;
-- In whichever database it restores to.
ALTER ROLE rampart_drill SET search_path = rampart;

ALTER DEFAULT PRIVILEGES FOR ROLE rampart_owner IN SCHEMA rampart
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rampart_app, rampart_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE rampart_owner IN SCHEMA rampart
    GRANT USAGE, SELECT ON SEQUENCES TO rampart_app, rampart_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE rampart_owner IN SCHEMA rampart GRANT SELECT ON TABLES TO rampart_backup;
ALTER DEFAULT PRIVILEGES FOR ROLE rampart_owner IN SCHEMA rampart GRANT SELECT ON SEQUENCES TO rampart_backup;
ALTER DEFAULT PRIVILEGES FOR ROLE rampart_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
