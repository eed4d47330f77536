-- Carriers that have numbers for the platform, and what is ordered of them.
CREATE TABLE carriers (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    adapter text NOT NULL,
    file text,
    base_url text,
    sealed_token bytea,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_carriers PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_carriers_agency_id_name UNIQUE (agency_id, name),
    CONSTRAINT fk_carriers_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_carriers_operators CHECK (agency_id = '00000000-0000-7000-8000-000000000001'),
    CONSTRAINT ck_carriers_adapter CHECK (adapter IN ('inventory', 'http'))
);

CREATE TABLE number_orders (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    carrier_id uuid NOT NULL,
    kind text NOT NULL,
    e164 text NOT NULL,
    state text NOT NULL,
    number_kind text DEFAULT 'static' NOT NULL,
    flow_id uuid,
    label text DEFAULT '' NOT NULL,
    details jsonb DEFAULT '{}' NOT NULL,
    reference text,
    reason text,
    scheduled_for date,
    number_id uuid,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_number_orders PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_number_orders_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT fk_number_orders_agency_id_client_id_flow_id FOREIGN KEY(agency_id, client_id, flow_id)
        REFERENCES flows (agency_id, client_id, id),
    CONSTRAINT ck_number_orders_kind CHECK (kind IN ('purchase', 'port_in')),
    CONSTRAINT ck_number_orders_state CHECK (state IN ('draft', 'requested', 'submitted', 'accepted', 'scheduled',
        'active', 'rejected', 'cancelled')),
    CONSTRAINT ck_number_orders_number_kind CHECK (number_kind IN ('static', 'dynamic')),
    CONSTRAINT ck_number_orders_number CHECK ((state = 'active') = (number_id IS NOT NULL))
);
CREATE INDEX ix_number_orders_updated_at ON number_orders (updated_at)
    WHERE state IN ('requested', 'submitted', 'accepted', 'scheduled');

ALTER TABLE carriers ENABLE ROW LEVEL SECURITY;
ALTER TABLE carriers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON carriers USING (agency_id = dialtrace_agency()) WITH CHECK (agency_id = dialtrace_agency());
ALTER TABLE number_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE number_orders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON number_orders
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
-- Which orders are to be followed: read across tenants by the job that asks carriers.
CREATE POLICY system_read ON number_orders FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON number_orders TO dialtrace_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON carriers TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE ON number_orders TO dialtrace_app;

-- Which of these numbers somebody has; not who.
CREATE FUNCTION dialtrace_taken(p_numbers text[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT d.e164 FROM directory d WHERE d.e164 = ANY (p_numbers) AND d.status <> 'released';
END $$;
REVOKE ALL ON FUNCTION dialtrace_taken(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_taken(text[]) TO dialtrace_app;

-- Carriers that may be ordered of: any tenant searches and orders, none may read the operator's rows.
CREATE POLICY functions ON carriers FOR SELECT TO dialtrace_owner USING (true);
CREATE FUNCTION dialtrace_carriers() RETURNS TABLE (id uuid, name text, adapter text, file text, base_url text,
                                                    sealed_token bytea, enabled boolean, version integer,
                                                    created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT c.id, c.name, c.adapter, c.file, c.base_url, c.sealed_token, c.enabled, c.version, c.created_at,
                        c.updated_at
                 FROM carriers c WHERE c.enabled ORDER BY c.id;
END $$;
REVOKE ALL ON FUNCTION dialtrace_carriers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_carriers() TO dialtrace_app;

SELECT dialtrace_audit_table('carriers', 'carrier', 'id', 'sealed_token');
SELECT dialtrace_audit_table('number_orders', 'number_order', 'id', 'details');
