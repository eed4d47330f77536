-- Every change of what tenants have set up is in the audit log, with what was there before and after, in the same
-- transaction: a trigger writes it wherever a transaction names who acts (`dialtrace.actor`, db/floor.py). Processes of
-- the platform name nobody and write entries of their own where something must be known.

-- A value as the log keeps it: no password in an address, no query (it may hold a key), and no long document.
CREATE FUNCTION dialtrace_audit_value(p_value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN p_value IS NULL OR p_value = 'null'::jsonb THEN NULL
        WHEN length(p_value::text) > 1000 THEN jsonb_build_object(
            'bytes', octet_length(p_value::text),
            'sha256', encode(sha256(convert_to(p_value::text, 'UTF8')), 'hex'))
        ELSE regexp_replace(
            regexp_replace(p_value::text, '(https?://)[^/@"\\?]*@', '\1***@', 'g'),
            '(https?://[^"\\?]*)\?[^"\\]*', '\1?***', 'g')::jsonb
    END;

-- Arguments: what the thing is called, the column with its id ('' for none), columns whose values are not kept.
CREATE FUNCTION dialtrace_audit() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_actor text[] := string_to_array(nullif(current_setting('dialtrace.actor', true), ''), '|');
    v_old jsonb;
    v_new jsonb;
    v_row jsonb;
    v_key text;
    v_before jsonb := '{}';
    v_after jsonb := '{}';
    v_hidden text[] := string_to_array(coalesce(TG_ARGV[2], ''), ' ');
BEGIN
    IF v_actor IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_old := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_new := to_jsonb(NEW);
    END IF;
    v_row := coalesce(v_new, v_old);
    FOR v_key IN SELECT jsonb_object_keys(v_row) LOOP
        CONTINUE WHEN v_key IN ('agency_id', 'id', 'created_at', 'updated_at', 'version')
            OR v_old -> v_key IS NOT DISTINCT FROM v_new -> v_key;
        IF v_key = ANY (v_hidden) THEN
            v_after := v_after || jsonb_build_object(v_key, '(not kept)');
            CONTINUE;
        END IF;
        IF dialtrace_audit_value(v_old -> v_key) IS NOT NULL THEN
            v_before := v_before || jsonb_build_object(v_key, dialtrace_audit_value(v_old -> v_key));
        END IF;
        IF dialtrace_audit_value(v_new -> v_key) IS NOT NULL THEN
            v_after := v_after || jsonb_build_object(v_key, dialtrace_audit_value(v_new -> v_key));
        ELSIF TG_OP = 'UPDATE' THEN
            v_after := v_after || jsonb_build_object(v_key, NULL);
        END IF;
    END LOOP;
    IF TG_OP = 'UPDATE' AND v_before = '{}' AND v_after = '{}' THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit_log (agency_id, id, client_id, actor_kind, actor_id, address, request_id, action, object_kind,
                           object_id, details)
    VALUES ((v_row ->> 'agency_id')::uuid, gen_random_uuid(),
            coalesce(CASE WHEN TG_TABLE_NAME = 'clients' THEN v_row ->> 'id' ELSE v_row ->> 'client_id' END,
                     dialtrace_client()::text)::uuid,
            v_actor[1], v_actor[2]::uuid, nullif(v_actor[3], ''), nullif(v_actor[4], ''),
            TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '.created' WHEN 'UPDATE' THEN '.changed' ELSE '.deleted' END,
            TG_ARGV[0], CASE WHEN TG_ARGV[1] <> '' THEN (v_row ->> TG_ARGV[1])::uuid END,
            jsonb_strip_nulls(jsonb_build_object(
                'before', CASE WHEN v_before <> '{}' THEN v_before END)) || jsonb_build_object('after', v_after));
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION dialtrace_audit() FROM PUBLIC;

-- Attaches the trigger; whoever adds a table with what tenants set up calls it in the same migration.
CREATE FUNCTION dialtrace_audit_table(p_table text, p_kind text, p_id text, p_hidden text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW'
                   ' EXECUTE FUNCTION dialtrace_audit(%L, %L, %L)', p_table, p_kind, p_id, p_hidden);
END $$;
REVOKE ALL ON FUNCTION dialtrace_audit_table(text, text, text, text) FROM PUBLIC;

-- Holds, requests of persons, exports and stores are told by entries of their own.
SELECT dialtrace_audit_table(found.name, found.kind, found.id, found.hidden) FROM (VALUES
    ('agencies', 'agency', 'agency_id', ''),
    ('clients', 'client', 'id', ''),
    ('api_keys', 'key', 'id', 'secret_hash'),
    ('targets', 'target', 'id', ''),
    ('flows', 'flow', 'id', ''),
    ('numbers', 'number', 'id', ''),
    ('pools', 'pool', 'id', ''),
    ('pool_reserves', 'pool_reserve', 'pool_id', ''),
    ('sites', 'site', 'id', ''),
    ('source_rules', 'source_rules', 'client_id', ''),
    ('blocks', 'block', 'id', 'pattern note'),
    ('call_limits', 'limits', 'scope_id', ''),
    ('destinations', 'destination', '', ''),
    ('trunks', 'trunk', 'id', 'sealed_password username'),
    ('webhooks', 'webhook', 'id', 'url'),
    ('webhook_secrets', 'webhook_secret', 'webhook_id', 'sealed'),
    ('hook_secrets', 'hook_secret', 'client_id', 'secret'),
    ('recording_keys', 'recording_key', 'id', 'sealed'),
    ('recording_settings', 'recording_settings', 'scope_id', ''),
    ('retention_rules', 'retention', 'scope_id', ''),
    ('retention_bounds', 'retention_bounds', '', ''),
    ('export_schedules', 'export_schedule', 'id', ''),
    ('export_columns', 'export_columns', 'client_id', ''),
    ('corrections', 'correction', 'id', 'note source campaign content keyword'),
    ('promo_codes', 'promo_code', 'visit_id', 'code'),
    ('welcome_callers', 'welcome', 'call_id', 'caller_key')
) AS found (name, kind, id, hidden);

-- An agency's own rule of retention holds for its clients, so a client's transaction may read it. Until now such requests
-- were answered from transactions of the whole agency; the floor (db/floor.py) has none for a client.
CREATE POLICY tenant_default ON retention_rules FOR SELECT USING (agency_id = dialtrace_agency() AND client_id IS NULL);
