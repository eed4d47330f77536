-- Who may not call, and whose turn it is.

CREATE TABLE blocks (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    scope_id uuid NOT NULL,
    kind text NOT NULL,
    pattern text DEFAULT '' NOT NULL,
    note text DEFAULT '' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_blocks PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_blocks_agency_id_scope_id_kind_pattern UNIQUE (agency_id, scope_id, kind, pattern),
    CONSTRAINT fk_blocks_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_blocks_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_blocks_kind CHECK (kind IN ('number', 'prefix', 'withheld')),
    CONSTRAINT ck_blocks_pattern CHECK (
        CASE kind WHEN 'number' THEN pattern ~ '^\+[1-9][0-9]{4,14}$'
                  WHEN 'prefix' THEN pattern ~ '^\+[1-9][0-9]{0,13}$' ELSE pattern = '' END),
    CONSTRAINT ck_blocks_scope CHECK (scope_id = coalesce(client_id, agency_id))
);

-- Losing the turns of a few callers in a crash harms nobody.
CREATE UNLOGGED TABLE rotations (
    agency_id uuid NOT NULL,
    flow_id uuid NOT NULL,
    step text NOT NULL,
    turn bigint DEFAULT 0 NOT NULL,
    CONSTRAINT pk_rotations PRIMARY KEY (agency_id, flow_id, step)
) WITH (fillfactor = 50);

-- Repeat callers and their last operator, by client; the last talk of a target.
CREATE INDEX ix_calls_agency_id_client_id_caller_started_at
    ON calls (agency_id, client_id, caller, started_at) WHERE caller IS NOT NULL;
CREATE INDEX ix_calls_agency_id_target_id_started_at
    ON calls (agency_id, target_id, started_at) WHERE target_id IS NOT NULL;

DO $$
DECLARE
    tenant_table text;
    client_column text;
    allowed text;
BEGIN
    FOR tenant_table, client_column IN VALUES ('blocks', 'client_id'), ('rotations', NULL) LOOP
        allowed := 'agency_id = dialtrace_agency()';
        IF client_column IS NOT NULL THEN
            allowed := format('%s AND (dialtrace_client() IS NULL OR %I = dialtrace_client())', allowed, client_column);
        END IF;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON blocks TO dialtrace_app;
