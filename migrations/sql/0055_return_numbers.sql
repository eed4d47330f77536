-- Which carrier a number came from, and giving it back there once it was released and has rested.
ALTER TABLE numbers ADD COLUMN carrier_id uuid;

-- One row for each released number that came from a carrier; made in the transaction that releases it.
CREATE TABLE number_returns (
    agency_id uuid NOT NULL,
    number_id uuid NOT NULL,
    client_id uuid NOT NULL,
    carrier_id uuid NOT NULL,
    e164 text NOT NULL,
    state text DEFAULT 'resting' NOT NULL,
    reason text,
    due_at timestamptz NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    given_back_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_number_returns PRIMARY KEY (agency_id, number_id),
    CONSTRAINT fk_number_returns_agency_id_number_id FOREIGN KEY(agency_id, number_id) REFERENCES numbers (agency_id, id),
    CONSTRAINT fk_number_returns_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_number_returns_state CHECK (state IN ('resting', 'leaving', 'given_back', 'refused', 'kept'))
);
CREATE INDEX ix_number_returns_due_at ON number_returns (due_at) WHERE state IN ('resting', 'leaving');
CREATE INDEX ix_number_returns_e164 ON number_returns (e164) WHERE state IN ('resting', 'leaving', 'refused');

ALTER TABLE number_returns ENABLE ROW LEVEL SECURITY;
ALTER TABLE number_returns FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON number_returns
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
-- Which are due: read across tenants by the job that gives them back.
CREATE POLICY system_read ON number_returns FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON number_returns TO dialtrace_system;
GRANT SELECT, INSERT, UPDATE ON number_returns TO dialtrace_app;
SELECT dialtrace_audit_table('number_returns', 'number_return', 'number_id', '');

-- A number comes into service: whoever was about to give it back, of whichever agency, keeps it. The carrier that it
-- came from, so that it is not forgotten; while that carrier is being asked to take it back, nobody may add it.
CREATE POLICY functions ON number_returns TO dialtrace_owner USING (true) WITH CHECK (true);
CREATE FUNCTION dialtrace_number_keep(p_e164 text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_carrier uuid;
    v_actor text := current_setting('dialtrace.actor', true);
BEGIN
    -- Another agency's log does not tell who has the number now.
    PERFORM set_config('dialtrace.actor', '', true);
    WITH kept AS (
        UPDATE number_returns r SET state = 'kept', reason = NULL, updated_at = now(), version = r.version + 1
        WHERE r.e164 = p_e164 AND r.state IN ('resting', 'refused') RETURNING r.carrier_id, r.created_at
    )
    SELECT k.carrier_id INTO v_carrier FROM kept k ORDER BY k.created_at DESC LIMIT 1;
    PERFORM set_config('dialtrace.actor', coalesce(v_actor, ''), true);
    PERFORM 1 FROM number_returns r WHERE r.e164 = p_e164 AND r.state = 'leaving';
    IF FOUND THEN
        RAISE EXCEPTION 'number % is being given back', p_e164
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'ck_number_returns_leaving', TABLE = 'number_returns';
    END IF;
    RETURN v_carrier;
END $$;
REVOKE ALL ON FUNCTION dialtrace_number_keep(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_number_keep(text) TO dialtrace_app;

-- What was ordered before: no carrier was told of any release until now, so each still has what it was asked for. Numbers
-- in service know from here on where they came from; of those that were released, somebody is to say whether they go.
DO $$
DECLARE
    v_agency uuid;
    v_asked jsonb;
BEGIN
    PERFORM set_config('dialtrace.agency', '00000000-0000-7000-8000-000000000001', true);
    SELECT coalesce(jsonb_agg(c.id), '[]') INTO v_asked FROM carriers c WHERE c.adapter = 'http';
    FOR v_agency IN SELECT DISTINCT d.agency_id FROM directory d LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        UPDATE numbers n SET carrier_id = o.carrier_id
        FROM (SELECT DISTINCT ON (e164) e164, carrier_id FROM number_orders
              WHERE agency_id = v_agency AND state = 'active' ORDER BY e164, created_at DESC) o
        WHERE n.agency_id = v_agency AND n.e164 = o.e164;
        INSERT INTO number_returns (agency_id, number_id, client_id, carrier_id, e164, state, reason, due_at)
        SELECT DISTINCT ON (n.e164) n.agency_id, n.id, n.client_id, n.carrier_id, n.e164, 'refused',
               'released before carriers were told of it', now()
        FROM numbers n JOIN directory d ON d.e164 = n.e164 AND d.status = 'released'
        WHERE n.agency_id = v_agency AND n.status = 'released' AND v_asked @> to_jsonb(n.carrier_id)
        ORDER BY n.e164, n.released_at DESC;
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
END $$;
