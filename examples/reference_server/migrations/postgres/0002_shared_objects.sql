-- The same picture may be in several records and is one object.

ALTER TABLE images DROP CONSTRAINT images_object_key_key;

CREATE INDEX images_by_object ON images (object_key);
