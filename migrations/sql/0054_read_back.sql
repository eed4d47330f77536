-- What is read back from other systems, such as deals that were won: up to where each integration has read, and when it
-- looks again. `work integrations` takes what is due, for all tenants, through the function below.
CREATE TABLE integration_readings (
    agency_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    client_id uuid NOT NULL,
    mark jsonb NOT NULL,
    due_at timestamptz DEFAULT now() NOT NULL,
    claim uuid,
    claimed_until timestamptz,
    read_at timestamptz,
    fault text,
    detail text,
    CONSTRAINT pk_integration_readings PRIMARY KEY (agency_id, integration_id),
    CONSTRAINT fk_integration_readings_agency_id_integration_id FOREIGN KEY (agency_id, integration_id)
        REFERENCES integrations (agency_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_integration_readings_claimed CHECK ((claim IS NULL) = (claimed_until IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX ix_integration_readings_due ON integration_readings (due_at);
-- A deal names what it came from.
CREATE INDEX ix_integration_objects_origin ON integration_objects (agency_id, integration_id, name, remote_id)
    WHERE state = 'made';

DO $$
DECLARE
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    ALTER TABLE integration_readings ENABLE ROW LEVEL SECURITY;
    ALTER TABLE integration_readings FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY tenant ON integration_readings USING (%s) WITH CHECK (%s)', allowed, allowed);
    CREATE POLICY functions ON integration_readings TO dialtrace_owner USING (true) WITH CHECK (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON integration_readings TO dialtrace_app;
END $$;

-- Takes up to p_most looks that are due, of integrations that are active, for p_hold_s seconds.
CREATE FUNCTION dialtrace_integrations_take_readings(p_most integer, p_hold_s integer)
RETURNS TABLE (agency_id uuid, integration_id uuid, claim uuid, client_id uuid, system text, settings jsonb, sealed bytea,
               account text, mark jsonb)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH mine AS (
        SELECT r.agency_id, r.integration_id FROM integration_readings r
        JOIN integrations h ON h.agency_id = r.agency_id AND h.id = r.integration_id
        WHERE r.due_at <= now() AND (r.claimed_until IS NULL OR r.claimed_until < now()) AND h.state = 'active'
        ORDER BY r.due_at LIMIT p_most FOR UPDATE OF r SKIP LOCKED
    ), taken AS (
        UPDATE integration_readings r SET claim = gen_random_uuid(),
            claimed_until = now() + make_interval(secs => p_hold_s)
        FROM mine m WHERE r.agency_id = m.agency_id AND r.integration_id = m.integration_id
        RETURNING r.*
    )
    SELECT t.agency_id, t.integration_id, t.claim, t.client_id, h.system, h.settings, h.sealed, h.account, t.mark
    FROM taken t JOIN integrations h ON h.agency_id = t.agency_id AND h.id = t.integration_id
$$;
REVOKE ALL ON FUNCTION dialtrace_integrations_take_readings(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_integrations_take_readings(integer, integer) TO dialtrace_app;
