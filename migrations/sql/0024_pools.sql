-- Pools of dynamic numbers: which numbers stand in one, who holds each, and whom it was shown to.
--
-- `pool_numbers` is what a lease takes a row of, `exposures` what is kept of it for ever (until retention). Neither has a
-- foreign key to `visits`, which is partitioned, nor one to `pools`: every lease would lock its pool's row.

CREATE TABLE pools (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    site_id uuid,
    flow_id uuid,
    name text NOT NULL,
    region text,
    match_region boolean DEFAULT false NOT NULL,
    shares boolean DEFAULT true NOT NULL,
    tail_s integer DEFAULT 1200 NOT NULL,
    rest_s integer DEFAULT 60 NOT NULL,
    loss_target double precision DEFAULT 0.01 NOT NULL,
    fewest_numbers integer DEFAULT 0 NOT NULL,
    most_numbers integer,
    grows boolean DEFAULT false NOT NULL,
    number_price numeric,
    monthly_budget numeric,
    currency text,
    status text DEFAULT 'active' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_pools PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_pools_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT fk_pools_agency_id_client_id_flow_id FOREIGN KEY(agency_id, client_id, flow_id) REFERENCES flows (agency_id, client_id, id),
    CONSTRAINT ck_pools_tail_s CHECK (tail_s BETWEEN 1 AND 86400),
    CONSTRAINT ck_pools_rest_s CHECK (rest_s BETWEEN 0 AND 2592000),
    CONSTRAINT ck_pools_loss_target CHECK (loss_target > 0 AND loss_target < 1),
    CONSTRAINT ck_pools_numbers CHECK (fewest_numbers >= 0 AND (most_numbers IS NULL OR most_numbers >= fewest_numbers)),
    CONSTRAINT ck_pools_budget CHECK (
        (number_price IS NULL OR number_price >= 0) AND (monthly_budget IS NULL OR monthly_budget >= 0)
        AND (currency IS NOT NULL OR (number_price IS NULL AND monthly_budget IS NULL))),
    CONSTRAINT ck_pools_status CHECK (status IN ('active', 'closed'))
);
CREATE INDEX ix_pools_agency_id_client_id ON pools (agency_id, client_id);

ALTER TABLE numbers
    ADD COLUMN pool_id uuid,
    ADD COLUMN region text,
    ADD COLUMN state text DEFAULT 'free' NOT NULL,
    ADD COLUMN state_at timestamptz DEFAULT now() NOT NULL,
    ADD COLUMN state_reason text,
    ADD COLUMN free_from timestamptz,
    ADD CONSTRAINT ck_numbers_state CHECK (
        state IN ('free', 'soaking', 'in_pool', 'static', 'resting', 'quarantined', 'released')),
    ADD CONSTRAINT ck_numbers_in_pool CHECK ((state = 'in_pool') = (pool_id IS NOT NULL));
-- For each agency under its own setting: the policies bind the owner too.
DO $$
DECLARE
    v_agency uuid;
BEGIN
    FOR v_agency IN SELECT DISTINCT d.agency_id FROM directory d LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        UPDATE numbers SET state = CASE WHEN status = 'released' THEN 'released' WHEN kind = 'static' THEN 'static' ELSE 'free' END
        WHERE agency_id = v_agency;
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
END $$;
CREATE INDEX ix_numbers_agency_id_pool_id ON numbers (agency_id, pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX ix_numbers_agency_id_client_id_state ON numbers (agency_id, client_id, state);

-- One row for each number that may be leased. `free_from`: when tail and rest of the last holder are over; the index in
-- its order is all that a lease walks through. `live_until`: until then somebody is taken to look at it.
CREATE TABLE pool_numbers (
    agency_id uuid NOT NULL,
    number_id uuid NOT NULL,
    client_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    region text,
    first_node text DEFAULT '' NOT NULL,
    free_from timestamptz NOT NULL,
    live_until timestamptz,
    shared_until timestamptz,
    visit_id uuid,
    visitor text,
    CONSTRAINT pk_pool_numbers PRIMARY KEY (agency_id, number_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX ix_pool_numbers_free ON pool_numbers (agency_id, pool_id, first_node, free_from);
CREATE INDEX ix_pool_numbers_region ON pool_numbers (agency_id, pool_id, region, first_node, free_from) WHERE region IS NOT NULL;
CREATE INDEX ix_pool_numbers_visitor ON pool_numbers (agency_id, visitor, pool_id) WHERE visitor IS NOT NULL;

-- Which number a visit of a source is shown when its pool has none left; source '': of any source.
CREATE TABLE pool_reserves (
    agency_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    source text NOT NULL,
    client_id uuid NOT NULL,
    number_id uuid NOT NULL,
    CONSTRAINT pk_pool_reserves PRIMARY KEY (agency_id, pool_id, source),
    CONSTRAINT fk_pool_reserves_agency_id_pool_id FOREIGN KEY(agency_id, pool_id) REFERENCES pools (agency_id, id),
    CONSTRAINT fk_pool_reserves_agency_id_number_id FOREIGN KEY(agency_id, number_id) REFERENCES numbers (agency_id, id)
);

-- A number as a visit has seen it. number_id is empty where the page kept the site's own.
CREATE TABLE exposures (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    site_id uuid,
    pool_id uuid,
    number_id uuid,
    visit_id uuid NOT NULL,
    visit_started_at timestamptz NOT NULL,
    visitor_id text,
    rung text NOT NULL,
    shown_at timestamptz NOT NULL,
    seen_until timestamptz NOT NULL,
    held_until timestamptz NOT NULL,
    tail_s integer NOT NULL,
    clicked_at timestamptz,
    CONSTRAINT pk_exposures PRIMARY KEY (agency_id, id),
    CONSTRAINT ck_exposures_rung CHECK (rung IN ('exclusive', 'shared', 'source', 'site', 'static')),
    CONSTRAINT ck_exposures_number CHECK (number_id IS NOT NULL OR rung = 'site'),
    CONSTRAINT ck_exposures_times CHECK (shown_at <= seen_until AND seen_until <= held_until)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX ix_exposures_agency_id_visit_id ON exposures (agency_id, visit_id);
CREATE INDEX ix_exposures_agency_id_number_id_shown_at ON exposures (agency_id, number_id, shown_at);
CREATE INDEX ix_exposures_agency_id_pool_id_shown_at ON exposures (agency_id, pool_id, shown_at);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['pools', 'pool_numbers', 'pool_reserves', 'exposures'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON pools, exposures TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON pool_numbers, pool_reserves TO dialtrace_app;
