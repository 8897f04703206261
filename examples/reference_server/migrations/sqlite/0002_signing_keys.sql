-- Which keys sign access tokens, and since when. No key is here, nor anything
-- from which one could be made without the secret: a key is derived from the
-- secret and the salt.
CREATE TABLE signing_keys (
    kid        TEXT PRIMARY KEY,
    -- The key that the secret itself makes, by which the secret is known.
    secret_kid TEXT NOT NULL,
    -- NULL for keys that come from the configuration and are only revoked here.
    salt       BLOB,
    sign_from  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
