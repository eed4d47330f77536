-- Objects that hold copies of records (a partition's Parquet, an export, what a person asked for): listed, so that they
-- can be found, rewritten without a person, and removed when their time is over.

CREATE TABLE export_objects (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    kind text NOT NULL,
    format text NOT NULL,
    content text DEFAULT 'calls' NOT NULL,
    place text DEFAULT '' NOT NULL,
    object_name text NOT NULL,
    state text DEFAULT 'stored' NOT NULL,
    from_at timestamptz,
    until_at timestamptz,
    row_count bigint,
    size_bytes bigint,
    sha256 bytea,
    made_at timestamptz DEFAULT now() NOT NULL,
    rewritten_at timestamptz,
    expires_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT pk_export_objects PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_export_objects_agency_id_place_object_name UNIQUE (agency_id, place, object_name),
    CONSTRAINT fk_export_objects_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_export_objects_kind CHECK (kind IN ('partition', 'export', 'subject')),
    CONSTRAINT ck_export_objects_format CHECK (format IN ('parquet', 'csv', 'ndjson', 'zip')),
    CONSTRAINT ck_export_objects_state CHECK (state IN ('stored', 'deleted')),
    CONSTRAINT ck_export_objects_deleted CHECK ((state = 'deleted') = (deleted_at IS NOT NULL))
);
CREATE INDEX ix_export_objects_stored ON export_objects (agency_id, from_at) WHERE state = 'stored';

ALTER TABLE export_objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE export_objects FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON export_objects
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT, INSERT, UPDATE ON export_objects TO dialtrace_app;
