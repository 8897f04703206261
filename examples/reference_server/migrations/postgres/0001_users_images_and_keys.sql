-- Accounts and the records of their pictures. The bytes are in the object store.

CREATE TABLE users (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    display_name text NOT NULL DEFAULT '',
    avatar_image_id text,
    created_at bigint NOT NULL
);

CREATE TABLE images (
    id text PRIMARY KEY,
    owner_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    object_key text NOT NULL UNIQUE,
    media_type text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes > 0),
    width bigint NOT NULL CHECK (width > 0),
    height bigint NOT NULL CHECK (height > 0),
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    title text NOT NULL,
    created_at bigint NOT NULL
);

CREATE INDEX images_by_owner ON images (owner_id, id DESC);

-- Which keys sign access tokens, and since when. No key is here, nor anything
-- from which one could be made without the secret.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    secret_kid text NOT NULL,
    salt bytea,
    sign_from bigint NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);
