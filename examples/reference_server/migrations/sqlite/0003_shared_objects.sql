-- The same picture may be in several records and is one object. SQLite cannot
-- take a constraint away, so the table is made anew.

CREATE TABLE images_with_shared_objects (
    id TEXT PRIMARY KEY NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    object_key TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes > 0),
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    title TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

INSERT INTO images_with_shared_objects SELECT * FROM images;
DROP TABLE images;
ALTER TABLE images_with_shared_objects RENAME TO images;

CREATE INDEX images_by_owner ON images (owner_id, id DESC);
CREATE INDEX images_by_object ON images (object_key);
