-- Exports of records as files, their schedules, and the columns that a client has chosen. The files themselves stand in
-- export_objects, where an erasure finds them.

CREATE TABLE exports (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    schedule_id uuid,
    content text NOT NULL,
    format text NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    late_since timestamptz,
    filters jsonb DEFAULT '{}' NOT NULL,
    bom boolean DEFAULT false NOT NULL,
    columns text[],
    state text DEFAULT 'waiting' NOT NULL,
    cut_at timestamptz,
    row_count bigint,
    error text,
    created_at timestamptz DEFAULT now() NOT NULL,
    finished_at timestamptz,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_exports PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_exports_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_exports_content CHECK (content IN ('calls', 'events', 'audit')),
    CONSTRAINT ck_exports_format CHECK (format IN ('csv', 'ndjson', 'parquet')),
    CONSTRAINT ck_exports_state CHECK (state IN ('waiting', 'running', 'done', 'failed'))
);
CREATE INDEX ix_exports_agency_id_created_at_id ON exports (agency_id, created_at, id);

CREATE TABLE export_schedules (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    name text NOT NULL,
    content text NOT NULL,
    format text NOT NULL,
    every text NOT NULL,
    hour integer NOT NULL,
    weekday integer,
    day integer,
    time_zone text NOT NULL,
    bom boolean DEFAULT false NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    covered_until timestamptz NOT NULL,
    last_cut_at timestamptz,
    next_run_at timestamptz NOT NULL,
    last_export_id uuid,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT '1' NOT NULL,
    CONSTRAINT pk_export_schedules PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_export_schedules_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_export_schedules_every CHECK (every IN ('daily', 'weekly', 'monthly')),
    CONSTRAINT ck_export_schedules_hour CHECK (hour BETWEEN 0 AND 23),
    CONSTRAINT ck_export_schedules_weekday CHECK ((weekday BETWEEN 1 AND 7) OR weekday IS NULL),
    CONSTRAINT ck_export_schedules_day CHECK ((day BETWEEN 1 AND 28) OR day IS NULL)
);
CREATE INDEX ix_export_schedules_next_run_at ON export_schedules (next_run_at) WHERE enabled;

CREATE TABLE export_columns (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    calls text[],
    events text[],
    audit text[],
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_export_columns PRIMARY KEY (agency_id, client_id),
    CONSTRAINT fk_export_columns_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id)
);

ALTER TABLE export_objects ADD COLUMN export_id uuid;
CREATE INDEX ix_export_objects_agency_id_export_id ON export_objects (agency_id, export_id) WHERE export_id IS NOT NULL;

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['exports', 'export_schedules', 'export_columns'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON exports, export_columns TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON export_schedules TO dialtrace_app;

-- Which schedules are due, of all tenants: ids and times, nothing else of them.
CREATE POLICY system_read ON export_schedules FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON export_schedules TO dialtrace_system;
