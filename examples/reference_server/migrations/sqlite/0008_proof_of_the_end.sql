-- Who can write here can compute digests too, but has no secret to prove the last one with.
ALTER TABLE audit_head ADD COLUMN proof TEXT NOT NULL DEFAULT '';
