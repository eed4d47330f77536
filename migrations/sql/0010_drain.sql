-- What the operator wants of a node, and what it still holds while it drains.

ALTER TABLE nodes ADD COLUMN drain_asked_at timestamptz, ADD COLUMN waits jsonb;
ALTER TABLE nodes DROP CONSTRAINT ck_nodes_state;
ALTER TABLE nodes ADD CONSTRAINT ck_nodes_state CHECK (state IN ('up', 'down', 'unknown', 'draining', 'drained'));
