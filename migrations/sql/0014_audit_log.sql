-- The audit log: it is added to and read, nothing else. No policy and no grant lets the application change a row; the
-- owner may remove old ones when their time has come.

CREATE TABLE audit_log (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    client_id uuid,
    actor_kind text NOT NULL,
    actor_id uuid,
    actor_name text,
    address text,
    request_id text,
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id uuid,
    details jsonb DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (agency_id, id),
    CONSTRAINT ck_audit_log_actor_kind CHECK (actor_kind IN ('key', 'link', 'user', 'platform')),
    CONSTRAINT ck_audit_log_somebody CHECK (actor_id IS NOT NULL OR actor_name IS NOT NULL)
);
CREATE INDEX ix_audit_log_agency_id_at_id ON audit_log (agency_id, at, id);
CREATE INDEX ix_audit_log_agency_id_client_id_at_id ON audit_log (agency_id, client_id, at, id);
CREATE INDEX ix_audit_log_agency_id_object_id_at ON audit_log (agency_id, object_id, at);
CREATE INDEX ix_audit_log_agency_id_actor_id_at ON audit_log (agency_id, actor_id, at);

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON audit_log FOR SELECT
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
CREATE POLICY tenant_add ON audit_log FOR INSERT
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT ON audit_log TO dialtrace_app;
-- The moment is the database's: an entry cannot be dated back.
GRANT INSERT (agency_id, id, client_id, actor_kind, actor_id, actor_name, address, request_id, action, object_kind,
              object_id, details) ON audit_log TO dialtrace_app;

-- Who may hear recordings: a key that may not sees everything else of its tenant.
ALTER TABLE api_keys ADD COLUMN may_listen boolean DEFAULT true NOT NULL;
