-- Hours that flows share: whoever changes them changes every flow that keeps to them.
CREATE TABLE schedules (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    name text NOT NULL,
    hours jsonb NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_schedules PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_schedules_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id)
);
ALTER TABLE schedules ENABLE ROW LEVEL SECURITY;
ALTER TABLE schedules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON schedules
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO dialtrace_app;
SELECT dialtrace_audit_table('schedules', 'schedule', 'id', '');
