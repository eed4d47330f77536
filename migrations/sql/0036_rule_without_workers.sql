-- What nodes keep for the time without workers: block lists and limits, and what the callers of static numbers come from,
-- for whispers that tell it.

-- When the rules of an agency, a client or (as its own agency) the operator changed. Kept by triggers, so that no way to
-- change them is forgotten; a reference table like the directory.
CREATE TABLE rule_changes (
    scope_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT pk_rule_changes PRIMARY KEY (scope_id)
);
CREATE INDEX ix_rule_changes_changed_xid ON rule_changes (changed_xid);

CREATE POLICY functions ON blocks FOR SELECT TO dialtrace_owner USING (true);
CREATE POLICY functions ON call_limits FOR SELECT TO dialtrace_owner USING (true);

CREATE FUNCTION dialtrace_rules_touched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_row record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        v_row := OLD;
    ELSE
        v_row := NEW;
    END IF;
    INSERT INTO rule_changes AS r (scope_id, agency_id) VALUES (v_row.scope_id, v_row.agency_id)
    ON CONFLICT (scope_id) DO UPDATE SET changed_xid = excluded.changed_xid
    WHERE r.changed_xid <> excluded.changed_xid;
    RETURN NULL;
END $$;
CREATE TRIGGER rules_touched AFTER INSERT OR UPDATE OR DELETE ON blocks
    FOR EACH ROW EXECUTE FUNCTION dialtrace_rules_touched();
CREATE TRIGGER rules_touched AFTER INSERT OR UPDATE OR DELETE ON call_limits
    FOR EACH ROW EXECUTE FUNCTION dialtrace_rules_touched();
INSERT INTO rule_changes (scope_id, agency_id)
SELECT scope_id, agency_id FROM blocks UNION SELECT scope_id, agency_id FROM call_limits;

-- Rules that have changed since a mark, as dialtrace_routes_changed: at least one row, a slow commit told later, never
-- lost. `entries`: `number +7…`, `prefix +7…`, `withheld`.
CREATE FUNCTION dialtrace_rules_changed(p_since xid8)
RETURNS TABLE (mark xid8, scope_id uuid, max_calls integer, max_calls_per_s integer, entries text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    SELECT pg_snapshot_xmin(pg_current_snapshot()), r.scope_id, l.max_calls, l.max_calls_per_s,
           ARRAY(SELECT rtrim(b.kind || ' ' || b.pattern) FROM blocks b
                 WHERE b.agency_id = r.agency_id AND b.scope_id = r.scope_id ORDER BY b.kind, b.pattern)
    FROM (SELECT) one
    LEFT JOIN rule_changes r ON p_since IS NULL OR r.changed_xid >= p_since
    LEFT JOIN call_limits l ON l.agency_id = r.agency_id AND l.scope_id = r.scope_id;
END $$;

-- What a static number stands for, and flows whose whispers tell it.
ALTER TABLE directory ADD COLUMN source text, ADD COLUMN campaign text;
ALTER TABLE published_flows ADD COLUMN tells boolean
    GENERATED ALWAYS AS (jsonb_path_exists(compiled, '$.steps.*.whisper ? (@.kind == "told")')) STORED;

-- As before, and what a static number stands for.
CREATE OR REPLACE FUNCTION dialtrace_directory_put(p_agency uuid, p_number uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    n numbers%ROWTYPE;
    v_tenant_status text := 'active';
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    SELECT * INTO n FROM numbers WHERE numbers.agency_id = p_agency AND numbers.id = p_number;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'number % is not there', p_number USING ERRCODE = 'no_data_found';
    END IF;
    -- Locked, so that a suspension that happens at the same time cannot pass this entry by.
    PERFORM 1 FROM agencies WHERE agencies.agency_id = p_agency AND agencies.status = 'active' FOR SHARE;
    IF NOT FOUND THEN
        v_tenant_status := 'suspended';
    END IF;
    PERFORM 1 FROM clients
        WHERE clients.agency_id = p_agency AND clients.id = n.client_id AND clients.status = 'active' FOR SHARE;
    IF NOT FOUND THEN
        v_tenant_status := 'suspended';
    END IF;
    IF n.kind <> 'static' THEN
        n.source := NULL;
        n.campaign := NULL;
    END IF;
    INSERT INTO directory AS d
        (e164, agency_id, client_id, number_id, status, tenant_status, kind, flow_id, version, source, campaign, changed_xid)
    VALUES (n.e164, n.agency_id, n.client_id, n.id, n.status, v_tenant_status, n.kind, n.flow_id, n.version, n.source,
            n.campaign, pg_current_xact_id())
    ON CONFLICT (e164) DO UPDATE SET
        agency_id = excluded.agency_id, client_id = excluded.client_id, number_id = excluded.number_id,
        status = excluded.status, tenant_status = excluded.tenant_status, kind = excluded.kind,
        flow_id = excluded.flow_id, version = excluded.version, source = excluded.source, campaign = excluded.campaign,
        changed_xid = excluded.changed_xid
    WHERE (d.agency_id = excluded.agency_id AND d.number_id = excluded.number_id)
       OR (d.status = 'released' AND excluded.status <> 'released');
    IF NOT FOUND AND n.status <> 'released' THEN
        RAISE EXCEPTION 'number % is taken', n.e164
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'pk_directory', TABLE = 'directory';
    END IF;
END $$;

DO $$
DECLARE
    v_agency uuid;
BEGIN
    FOR v_agency IN SELECT DISTINCT d.agency_id FROM directory d LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        UPDATE directory d SET source = n.source, campaign = n.campaign FROM numbers n
        WHERE n.agency_id = v_agency AND n.id = d.number_id AND d.agency_id = v_agency AND n.kind = 'static'
          AND (n.source IS NOT NULL OR n.campaign IS NOT NULL);
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
END $$;

-- The compiled flow of a route: with the trunks for its telephone numbers, and with what the number stands for where a
-- whisper tells it (workers of the release before never see such a flow).
CREATE FUNCTION dialtrace_routed(d directory, f published_flows) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_compiled jsonb := f.compiled;
BEGIN
    IF f.telephones THEN
        v_compiled := dialtrace_with_trunks(d.agency_id, v_compiled);
    END IF;
    IF f.tells THEN
        v_compiled := v_compiled || jsonb_strip_nulls(jsonb_build_object('source', d.source, 'campaign', d.campaign));
    END IF;
    RETURN v_compiled;
END $$;

CREATE OR REPLACE FUNCTION dialtrace_route(p_e164 text)
RETURNS TABLE (agency_id uuid, client_id uuid, number_id uuid, status text, kind text, flow_id uuid,
               number_version integer, flow_version integer, compiled jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT d.agency_id, d.client_id, d.number_id,
           CASE WHEN d.status = 'active' THEN d.tenant_status ELSE d.status END,
           d.kind, d.flow_id, d.version, f.version,
           CASE WHEN f.telephones OR f.tells THEN dialtrace_routed(d, f) ELSE f.compiled END
    FROM directory d LEFT JOIN published_flows f ON f.flow_id = d.flow_id AND f.agency_id = d.agency_id
    WHERE d.e164 = p_e164;
END $$;

CREATE OR REPLACE FUNCTION dialtrace_routes_changed(p_since xid8)
RETURNS TABLE (mark xid8, e164 text, agency_id uuid, client_id uuid, number_id uuid, status text, kind text,
               flow_id uuid, number_version integer, flow_version integer, compiled jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
-- A plan for any mark would expect a third of the directory to have changed, and read all of it.
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    WITH changed AS (
        SELECT d.e164 FROM directory d WHERE p_since IS NULL
        UNION
        SELECT d.e164 FROM directory d WHERE d.changed_xid >= p_since
        UNION
        SELECT d.e164 FROM published_flows f JOIN directory d ON d.flow_id = f.flow_id WHERE f.changed_xid >= p_since
    )
    SELECT pg_snapshot_xmin(pg_current_snapshot()), d.e164, d.agency_id, d.client_id, d.number_id,
           CASE WHEN d.status = 'active' THEN d.tenant_status ELSE d.status END,
           d.kind, d.flow_id, d.version, f.version,
           CASE WHEN f.telephones OR f.tells THEN dialtrace_routed(d, f) ELSE f.compiled END
    FROM (SELECT) one
    LEFT JOIN (changed c JOIN directory d ON d.e164 = c.e164) ON true
    LEFT JOIN published_flows f ON f.flow_id = d.flow_id AND f.agency_id = d.agency_id;
END $$;

-- Sounds of whispers for single sources, which go again when nobody has needed them for some time.
ALTER TABLE prompts DROP CONSTRAINT ck_prompts_kind,
    ADD CONSTRAINT ck_prompts_kind CHECK (kind IN ('say', 'file', 'told'));
CREATE POLICY functions_forget ON prompts FOR DELETE TO dialtrace_owner USING (kind = 'told');
CREATE POLICY functions_read ON prompts FOR SELECT TO dialtrace_owner USING (kind = 'told');

-- What whispers may have to say at any moment: every text that tells sources, with the sources of the static numbers that
-- run its flow and of its client's visits of the last quarter of an hour, the most frequent first. Forgets sounds that
-- are older than so many days: who needs one again makes it again.
CREATE FUNCTION dialtrace_whispers_due(p_keep_days integer)
RETURNS TABLE (agency_id uuid, text text, language text, voice text, source text, campaign text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_flow record;
    v_client uuid;
BEGIN
    DELETE FROM prompts p WHERE p.kind = 'told' AND p.created_at < now() - make_interval(days => p_keep_days);
    PERFORM set_config('dialtrace.client', '', true);
    FOR v_flow IN SELECT f.flow_id, f.agency_id, f.compiled FROM published_flows f WHERE f.tells LOOP
        PERFORM set_config('dialtrace.agency', v_flow.agency_id::text, true);
        SELECT o.client_id INTO v_client FROM flows o WHERE o.agency_id = v_flow.agency_id AND o.id = v_flow.flow_id;
        RETURN QUERY
        WITH texts AS (
            SELECT DISTINCT w ->> 'text' AS text, w ->> 'language' AS language, w ->> 'voice' AS voice
            FROM jsonb_path_query(v_flow.compiled, '$.steps.*.whisper ? (@.kind == "told")') w
        ), sources AS (
            SELECT s.source, s.campaign, sum(s.often) AS often FROM (
                SELECT n.source, n.campaign, 1000000 AS often FROM numbers n
                WHERE n.agency_id = v_flow.agency_id AND n.flow_id = v_flow.flow_id AND n.kind = 'static'
                  AND n.status = 'active' AND (n.source IS NOT NULL OR n.campaign IS NOT NULL)
                UNION ALL
                SELECT v.source, v.campaign, count(*) FROM visits v
                WHERE v.agency_id = v_flow.agency_id AND v.client_id = v_client AND NOT v.is_bot
                  AND v.started_at > now() - interval '15 minutes' GROUP BY 1, 2) s
            GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 200
        )
        SELECT v_flow.agency_id, t.text, t.language, t.voice, s.source, s.campaign
        FROM sources s CROSS JOIN texts t ORDER BY s.often DESC;
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_rules_touched(), dialtrace_rules_changed(xid8), dialtrace_routed(directory, published_flows),
    dialtrace_whispers_due(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_rules_changed(xid8), dialtrace_whispers_due(integer) TO dialtrace_app;
