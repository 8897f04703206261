-- Every object that was ever kept, so that nothing is removed that another
-- database, or nobody at all, has put into the store.

CREATE TABLE objects (
    object_key text PRIMARY KEY,
    kept_at bigint NOT NULL
);

INSERT INTO objects SELECT object_key, max(created_at) FROM images GROUP BY object_key;
