-- Routes name the trunks that carry calls to the telephone numbers in their flow, as they are at this moment: a trunk or a
-- destination that changes holds from the next call on, and followers hear of it.

ALTER TABLE published_flows ADD COLUMN telephones boolean
    GENERATED ALWAYS AS (jsonb_path_exists(compiled, '$.**.address ? (@ starts with "tel:")')) STORED;

-- Counts that a crash may take: each call that is stored writes here, and no record should wait for the disk for it.
ALTER TABLE caller_patterns SET UNLOGGED;

CREATE POLICY functions ON destinations FOR SELECT TO dialtrace_owner USING (true);

-- The trunks for one number, the cheapest first, then the lowest priority; none where the agency may not call there.
CREATE FUNCTION dialtrace_trunks_for(p_agency uuid, p_number text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', cheap.name, 'host', cheap.host, 'port', cheap.port, 'authentication', cheap.authentication,
        'dial_prefix', cheap.dial_prefix, 'number_form', cheap.number_form, 'max_calls', cheap.max_calls)
        ORDER BY cheap.cost, cheap.priority, cheap.name), '[]')
    FROM (
        SELECT t.*, price.cost FROM trunks t CROSS JOIN LATERAL (
            SELECT one.value::numeric AS cost FROM jsonb_each_text(t.costs) one
            WHERE starts_with(p_number, one.key) ORDER BY length(one.key) DESC LIMIT 1) price
        WHERE t.enabled AND EXISTS (
            SELECT FROM destinations d WHERE d.agency_id = p_agency AND starts_with(p_number, d.prefix))
        ORDER BY price.cost, t.priority, t.name LIMIT 3) cheap
$$;

CREATE FUNCTION dialtrace_with_trunks(p_agency uuid, p_compiled jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p_compiled || jsonb_build_object('trunks', (
        SELECT coalesce(jsonb_object_agg(dialled.number, dialtrace_trunks_for(p_agency, dialled.number)), '{}')
        FROM (SELECT DISTINCT substr(found.address #>> '{}', 5) AS number
              FROM jsonb_path_query(p_compiled, '$.**.address ? (@ starts with "tel:")') found (address)) dialled))
$$;

-- Followers read flows again whose trunks or destinations have changed.
CREATE FUNCTION dialtrace_trunks_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE published_flows p SET changed_xid = pg_current_xact_id()
    WHERE p.telephones AND (TG_TABLE_NAME = 'trunks' OR p.agency_id = dialtrace_agency());
    RETURN NULL;
END $$;
CREATE TRIGGER trunks_changed AFTER INSERT OR UPDATE OR DELETE ON trunks
    FOR EACH STATEMENT EXECUTE FUNCTION dialtrace_trunks_changed();
CREATE TRIGGER trunks_changed AFTER INSERT OR UPDATE OR DELETE ON destinations
    FOR EACH STATEMENT EXECUTE FUNCTION dialtrace_trunks_changed();

CREATE OR REPLACE FUNCTION dialtrace_route(p_e164 text)
RETURNS TABLE (agency_id uuid, client_id uuid, number_id uuid, status text, kind text, flow_id uuid,
               number_version integer, flow_version integer, compiled jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT d.agency_id, d.client_id, d.number_id,
           CASE WHEN d.status = 'active' THEN d.tenant_status ELSE d.status END,
           d.kind, d.flow_id, d.version, f.version,
           CASE WHEN f.telephones THEN dialtrace_with_trunks(d.agency_id, f.compiled) ELSE f.compiled END
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
           CASE WHEN f.telephones THEN dialtrace_with_trunks(d.agency_id, f.compiled) ELSE f.compiled END
    FROM (SELECT) one
    LEFT JOIN (changed c JOIN directory d ON d.e164 = c.e164) ON true
    LEFT JOIN published_flows f ON f.flow_id = d.flow_id AND f.agency_id = d.agency_id;
END $$;

DROP FUNCTION dialtrace_trunks();

REVOKE ALL ON FUNCTION
    dialtrace_trunks_for(uuid, text), dialtrace_with_trunks(uuid, jsonb), dialtrace_trunks_changed()
FROM PUBLIC;
