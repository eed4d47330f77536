-- Row-level security and grants. The roles exist already: platform/db/roles.py makes them before any migration runs.
--
-- Grants stand on parent tables only: a grant on a partition would walk around its parent's policy. The tables' owner is
-- bound by the policies as well (FORCE), so a function that runs in its name sees one tenant at a time.

-- The tenant of this transaction, or NULL (no row matches then) where nobody has set one.
CREATE FUNCTION dialtrace_agency() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('dialtrace.agency', true), '')::uuid;

-- The client of this transaction; NULL means all clients of the agency.
CREATE FUNCTION dialtrace_client() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('dialtrace.client', true), '')::uuid;

DO $$
DECLARE
    tenant_table text;
    client_column text;
    allowed text;
BEGIN
    FOR tenant_table, client_column IN
        VALUES ('clients', 'id'), ('api_keys', 'client_id'), ('targets', 'client_id'), ('flows', 'client_id'),
               ('numbers', 'client_id'), ('calls', 'client_id'), ('legs', 'client_id'), ('recordings', 'client_id'),
               ('events', 'client_id'), ('event_sequences', NULL), ('idempotency_keys', NULL)
    LOOP
        allowed := 'agency_id = dialtrace_agency()';
        IF client_column IS NOT NULL THEN
            allowed := format('%s AND (dialtrace_client() IS NULL OR %I = dialtrace_client())', allowed, client_column);
        END IF;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;

-- An agency's own row: its clients may read and lock it, only the agency as a whole may change it.
ALTER TABLE agencies ENABLE ROW LEVEL SECURITY;
ALTER TABLE agencies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON agencies FOR SELECT USING (agency_id = dialtrace_agency());
CREATE POLICY tenant_insert ON agencies FOR INSERT
    WITH CHECK (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);
CREATE POLICY tenant_update ON agencies FOR UPDATE
    USING (agency_id = dialtrace_agency())
    WITH CHECK (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);

-- The few reads across tenants (tables.SYSTEM_READS).
CREATE POLICY system_read ON agencies FOR SELECT TO dialtrace_system USING (true);
CREATE POLICY system_read ON events FOR SELECT TO dialtrace_system USING (true);
CREATE POLICY system_read ON recordings FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON agencies, events, recordings, nodes TO dialtrace_system;

GRANT SELECT, INSERT, UPDATE ON agencies, clients, api_keys, numbers, calls, legs, recordings TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON targets, flows, idempotency_keys, nodes TO dialtrace_app;
-- The log only grows, and its positions are the sequencer's matter.
GRANT SELECT ON events TO dialtrace_app;
GRANT INSERT (agency_id, id, client_id, type, call_id, revision, occurred_at, data) ON events TO dialtrace_app;

-- Readiness: every process may ask which migration the database is at.
GRANT SELECT ON alembic_version TO dialtrace_app, dialtrace_system;
