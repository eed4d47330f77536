-- The ledger from the moment at which a call is known to be recorded; and agencies' own stores, keys and wishes.

ALTER TABLE recordings
    ADD COLUMN store_id uuid,
    ADD COLUMN format text DEFAULT 'wav' NOT NULL,
    ADD COLUMN sample_rate integer,
    ADD COLUMN peaks bytea,
    ADD COLUMN peak_frames integer,
    ADD COLUMN object_bytes bigint,
    ADD COLUMN object_checksum text,
    ADD COLUMN key_id uuid,
    ADD COLUMN data_key bytea,
    ADD COLUMN convert_to text,
    ADD COLUMN original_name text,
    ADD COLUMN original_bytes bigint,
    ADD COLUMN original_sha256 bytea,
    ADD COLUMN original_key bytea,
    DROP CONSTRAINT ck_recordings_state,
    ADD CONSTRAINT ck_recordings_state
        CHECK (state IN ('expected', 'writing', 'on_node', 'uploading', 'stored', 'verified', 'absent')),
    ADD CONSTRAINT ck_recordings_format CHECK (format IN ('wav', 'opus', 'mp3')),
    ADD CONSTRAINT ck_recordings_convert_to CHECK (convert_to IN ('opus', 'mp3')),
    ADD CONSTRAINT ck_recordings_data_key_has_key CHECK (data_key IS NULL OR key_id IS NOT NULL);
-- Until now `stored` meant that the store had been asked again.
UPDATE recordings SET state = 'verified' WHERE state = 'stored';
-- What is on its way is looked for every half minute, and is little.
CREATE INDEX ix_recordings_open ON recordings (node, created_at)
    WHERE state IN ('expected', 'writing', 'on_node', 'uploading', 'stored');
-- By age and client: retention.
CREATE INDEX ix_recordings_agency_id_client_id_call_started_at
    ON recordings (agency_id, client_id, call_started_at, id);

CREATE TABLE recording_stores (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    bucket text NOT NULL,
    prefix text DEFAULT '' NOT NULL,
    region text NOT NULL,
    endpoint_url text,
    access_key_id text NOT NULL,
    secret bytea NOT NULL,
    encryption text DEFAULT 'none' NOT NULL,
    is_current boolean DEFAULT true NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_recording_stores PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_recording_stores_agency_id FOREIGN KEY (agency_id) REFERENCES agencies (agency_id)
);
-- What was kept elsewhere before stays readable there; new recordings go to one place.
CREATE UNIQUE INDEX ix_recording_stores_current ON recording_stores (agency_id) WHERE is_current;

CREATE TABLE recording_keys (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    sealed bytea,
    is_current boolean DEFAULT true NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    destroyed_at timestamptz,
    CONSTRAINT pk_recording_keys PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_recording_keys_agency_id FOREIGN KEY (agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_recording_keys_destroyed CHECK ((sealed IS NULL) = (destroyed_at IS NOT NULL)),
    CONSTRAINT ck_recording_keys_current_is_there CHECK (NOT is_current OR sealed IS NOT NULL)
);
CREATE UNIQUE INDEX ix_recording_keys_current ON recording_keys (agency_id) WHERE is_current;

CREATE TABLE recording_settings (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    client_id uuid,
    format text DEFAULT 'wav' NOT NULL,
    keep_original boolean DEFAULT false NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_recording_settings PRIMARY KEY (agency_id, scope_id),
    CONSTRAINT fk_recording_settings_agency_id FOREIGN KEY (agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_recording_settings_agency_id_client_id
        FOREIGN KEY (agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_recording_settings_format CHECK (format IN ('wav', 'opus', 'mp3')),
    CONSTRAINT ck_recording_settings_scope CHECK (scope_id = coalesce(client_id, agency_id))
);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['recording_stores', 'recording_keys', 'recording_settings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (agency_id = dialtrace_agency())', tenant_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO dialtrace_app', tenant_table);
    END LOOP;
END $$;
GRANT DELETE ON recording_settings TO dialtrace_app;
CREATE POLICY functions ON recordings TO dialtrace_owner USING (true) WITH CHECK (true);

-- A monitor knows of calls that are to be recorded, or are being recorded. A row that is there only moves forward, and a
-- call whose record is stored has said all there is to say.
CREATE FUNCTION dialtrace_recordings_expect(p_node text, p_rows jsonb) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_agency uuid;
    v_rows integer;
    v_all integer := 0;
BEGIN
    -- Calls are seen one tenant at a time, by whoever asks.
    PERFORM set_config('dialtrace.client', '', true);
    FOR v_agency IN SELECT DISTINCT e.agency_id FROM jsonb_to_recordset(p_rows) AS e(agency_id uuid) ORDER BY 1 LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        INSERT INTO recordings AS r (agency_id, id, client_id, call_id, call_started_at, segment, state, node)
        SELECT e.agency_id, gen_random_uuid(), e.client_id, e.call_id, e.started_at, e.segment,
            CASE WHEN e.answered_at IS NULL THEN 'expected' ELSE 'writing' END, p_node
        FROM jsonb_to_recordset(p_rows) AS e(agency_id uuid, client_id uuid, call_id uuid, started_at timestamptz,
            answered_at timestamptz, segment integer)
        WHERE e.agency_id = v_agency AND e.segment BETWEEN 1 AND 9999
            AND NOT EXISTS (SELECT FROM calls c WHERE c.agency_id = e.agency_id AND c.id = e.call_id
                            AND c.started_at = e.started_at)
        ORDER BY e.call_id
        ON CONFLICT (agency_id, call_id, segment) DO UPDATE SET state = excluded.state, updated_at = now()
            WHERE r.state = 'expected' AND excluded.state = 'writing';
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_all := v_all + v_rows;
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
    RETURN v_all;
END $$;

-- Recordings that were expected of calls whose record is stored and does not speak of them: the switch never began them.
-- A minute is left for a record that is just being revised. Returns how many were settled.
CREATE FUNCTION dialtrace_recordings_settle_unspoken(p_nodes text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_agency uuid;
    v_rows integer;
    v_all integer := 0;
BEGIN
    PERFORM set_config('dialtrace.client', '', true);
    FOR v_agency IN
        SELECT DISTINCT r.agency_id FROM recordings r WHERE r.node = ANY (p_nodes) AND r.state IN ('expected', 'writing')
            AND r.updated_at < now() - interval '1 minute'
    LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        UPDATE recordings r SET state = 'absent', updated_at = now(), absence_reason =
            CASE WHEN c.outcome = 'node_lost' THEN 'node_lost'
                 WHEN c.facts ->> 'consent' = 'refused' THEN 'consent_refused'
                 WHEN c.answered_at IS NULL THEN 'not_answered' ELSE 'missing' END
        FROM calls c
        WHERE r.agency_id = v_agency AND r.node = ANY (p_nodes) AND r.state IN ('expected', 'writing')
            AND r.updated_at < now() - interval '1 minute' AND c.agency_id = r.agency_id AND c.id = r.call_id
            AND c.started_at = r.call_started_at AND c.updated_at < now() - interval '1 minute';
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_all := v_all + v_rows;
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
    RETURN v_all;
END $$;

-- A node is gone with its disk: what was still on it is lost, and is said to be. Returns how many recordings that were.
CREATE FUNCTION dialtrace_recordings_lost_with(p_node text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    UPDATE recordings r SET state = 'absent', absence_reason = 'node_lost', updated_at = now()
    WHERE r.node = p_node AND r.state IN ('expected', 'writing', 'on_node', 'uploading');
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END $$;

REVOKE ALL ON FUNCTION dialtrace_recordings_expect(text, jsonb), dialtrace_recordings_settle_unspoken(text[]),
    dialtrace_recordings_lost_with(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_recordings_expect(text, jsonb), dialtrace_recordings_settle_unspoken(text[]),
    dialtrace_recordings_lost_with(text) TO dialtrace_app;
