-- Calls that the installation places itself, and what was last proven of each number.

ALTER TABLE calls ADD COLUMN is_test boolean DEFAULT false NOT NULL;

-- One row per number: the last attempt, and when one succeeded last.
CREATE TABLE number_proofs (
    agency_id uuid NOT NULL,
    number_id uuid NOT NULL,
    client_id uuid NOT NULL,
    outcome text NOT NULL,
    tried_at timestamptz NOT NULL,
    proven_at timestamptz,
    call_id uuid,
    node text,
    total_ms bigint NOT NULL,
    steps jsonb NOT NULL,
    CONSTRAINT pk_number_proofs PRIMARY KEY (agency_id, number_id),
    CONSTRAINT fk_number_proofs_agency_id_number_id FOREIGN KEY(agency_id, number_id) REFERENCES numbers (agency_id, id),
    CONSTRAINT fk_number_proofs_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_number_proofs_outcome CHECK (outcome IN ('proven', 'failed'))
);

ALTER TABLE number_proofs ENABLE ROW LEVEL SECURITY;
ALTER TABLE number_proofs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON number_proofs
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
CREATE POLICY system_read ON number_proofs FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT, INSERT, UPDATE ON number_proofs TO dialtrace_app;
GRANT SELECT ON number_proofs TO dialtrace_system;

-- Numbers whose calls are answered at this moment: what can be proven. Of one tenant's numbers only the ids are told.
CREATE FUNCTION dialtrace_numbers_in_service()
RETURNS TABLE (e164 text, agency_id uuid, client_id uuid, number_id uuid, flow_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT d.e164, d.agency_id, d.client_id, d.number_id, d.flow_id
    FROM directory d
    WHERE d.status = 'active' AND d.tenant_status = 'active' AND d.flow_id IS NOT NULL
    ORDER BY d.e164;
END $$;
REVOKE ALL ON FUNCTION dialtrace_numbers_in_service() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_numbers_in_service() TO dialtrace_app;
