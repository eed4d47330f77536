-- Trunks that know us by a password, and how many calls a second a trunk takes.
--
-- The password is sealed (`secrets_box`, bound to the trunk's row): the database alone opens none. A node's monitor writes
-- what it opens into the node's own files; no route, plan, record or event ever names it.

ALTER TABLE trunks
    ADD COLUMN username text DEFAULT '' NOT NULL,
    ADD COLUMN sealed_password bytea,
    ADD COLUMN max_calls_per_s integer,
    ADD CONSTRAINT ck_trunks_max_calls_per_s CHECK (max_calls_per_s BETWEEN 1 AND 10000),
    ADD CONSTRAINT ck_trunks_digest CHECK (
        CASE authentication WHEN 'digest' THEN username <> '' AND sealed_password IS NOT NULL
                            ELSE username = '' AND sealed_password IS NULL END);

-- What the nodes' monitors keep as gateways of their switches.
CREATE FUNCTION dialtrace_gateways()
RETURNS TABLE (trunk_id uuid, name text, host text, port integer, username text, sealed_password bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.id, t.name, t.host, t.port, t.username, t.sealed_password
    FROM trunks t WHERE t.enabled AND t.authentication = 'digest' ORDER BY t.name
$$;
REVOKE ALL ON FUNCTION dialtrace_gateways() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_gateways() TO dialtrace_app;

-- As before, and how many calls a second where that is bounded: workers of the release before know no such member.
CREATE OR REPLACE FUNCTION dialtrace_trunks_for(p_agency uuid, p_number text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', cheap.name, 'host', cheap.host, 'port', cheap.port, 'authentication', cheap.authentication,
        'dial_prefix', cheap.dial_prefix, 'number_form', cheap.number_form, 'max_calls', cheap.max_calls)
        || CASE WHEN cheap.max_calls_per_s IS NULL THEN '{}' ELSE
            jsonb_build_object('max_calls_per_s', cheap.max_calls_per_s) END
        ORDER BY cheap.cost, cheap.priority, cheap.name), '[]')
    FROM (
        SELECT t.*, price.cost FROM trunks t CROSS JOIN LATERAL (
            SELECT one.value::numeric AS cost FROM jsonb_each_text(t.costs) one
            WHERE starts_with(p_number, one.key) ORDER BY length(one.key) DESC LIMIT 1) price
        WHERE t.enabled AND EXISTS (
            SELECT FROM destinations d WHERE d.agency_id = p_agency AND starts_with(p_number, d.prefix))
        ORDER BY price.cost, t.priority, t.name LIMIT 3) cheap
$$;
