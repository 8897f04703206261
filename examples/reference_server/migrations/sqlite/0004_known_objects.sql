-- Every object that was ever kept, so that nothing is removed that another
-- database, or nobody at all, has put into the store.

CREATE TABLE objects (
    object_key TEXT PRIMARY KEY NOT NULL,
    kept_at INTEGER NOT NULL
) STRICT;

INSERT INTO objects SELECT object_key, max(created_at) FROM images GROUP BY object_key;
