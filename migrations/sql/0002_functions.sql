-- The call plane's one read. The helpers run in the owner's name inside dialtrace_decide and are granted to nobody; they
-- see the rows of one agency at a time, which dialtrace_decide names, like everybody else.

-- Whether any call list of the operator, the agency or the client refuses this caller: 'number', 'caller_id' (withheld).
CREATE FUNCTION dialtrace_fact_blocked(p_agency uuid, p_client uuid, p_caller text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_agency uuid;
    v_prefixes text[] := ARRAY(SELECT left(p_caller, n) FROM generate_series(2, length(p_caller)) n);
BEGIN
    FOREACH v_agency IN ARRAY ARRAY[p_agency, '00000000-0000-7000-8000-000000000001'] LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        IF p_caller IS NULL THEN
            PERFORM FROM blocks b WHERE b.agency_id = v_agency AND b.scope_id IN (v_agency, p_client)
                AND b.kind = 'withheld' AND b.pattern = '';
            IF FOUND THEN RETURN 'caller_id'; END IF;
        ELSE
            PERFORM FROM blocks b WHERE b.agency_id = v_agency AND b.scope_id IN (v_agency, p_client)
                AND (b.kind = 'number' AND b.pattern = p_caller OR b.kind = 'prefix' AND b.pattern = ANY (v_prefixes));
            IF FOUND THEN RETURN 'number'; END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Whether this caller has called this client before. How far anybody looks back is bounded, so that old partitions stay
-- out of it.
CREATE FUNCTION dialtrace_fact_repeat(p_agency uuid, p_client uuid, p_caller text, p_call uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM calls c
        WHERE c.agency_id = p_agency AND c.client_id = p_client AND c.caller = p_caller AND c.id IS DISTINCT FROM p_call
          AND c.started_at > now() - interval '400 days' AND c.started_at < now() + interval '1 day')
$$;

-- Who of these targets talked last with this caller, within so many days. Of a caller who calls without end only the
-- latest calls are looked at.
CREATE FUNCTION dialtrace_fact_sticky(p_agency uuid, p_client uuid, p_caller text, p_targets uuid[], p_days integer)
RETURNS uuid LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT latest.target_id FROM (
        SELECT c.target_id, c.connected_at, c.started_at FROM calls c
        WHERE c.agency_id = p_agency AND c.client_id = p_client AND c.caller = p_caller
          AND c.started_at > now() - make_interval(days => least(p_days, 400)) AND c.started_at < now() + interval '1 day'
        ORDER BY c.started_at DESC LIMIT 200) latest
    WHERE latest.connected_at IS NOT NULL AND latest.target_id = ANY (p_targets)
    ORDER BY latest.started_at DESC LIMIT 1
$$;

-- These targets, the one that has not talked for longest first. Whoever has not talked for a week stands at the front.
CREATE FUNCTION dialtrace_fact_idle(p_agency uuid, p_targets uuid[]) RETURNS uuid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT array_agg(wanted.id ORDER BY talk.ended_at NULLS FIRST, wanted.place)
    FROM unnest(p_targets) WITH ORDINALITY wanted (id, place) LEFT JOIN LATERAL (
        SELECT coalesce(c.ended_at, c.started_at) AS ended_at FROM calls c
        WHERE c.agency_id = p_agency AND c.target_id = wanted.id AND c.connected_at IS NOT NULL
          AND c.started_at > now() - interval '7 days' AND c.started_at < now() + interval '1 day'
        ORDER BY c.started_at DESC LIMIT 1) talk ON true
$$;

-- Counts the plans that begin at this step of this flow: 0, 1, 2, …
CREATE FUNCTION dialtrace_fact_rotation(p_agency uuid, p_flow uuid, p_step text) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO rotations AS r (agency_id, flow_id, step) VALUES (p_agency, p_flow, left(p_step, 64))
    ON CONFLICT (agency_id, flow_id, step) DO UPDATE SET turn = (r.turn + 1) % 2147483648 RETURNING turn
$$;

-- The distinct ids of targets that a path finds in a compiled flow, in their order.
CREATE FUNCTION dialtrace_compiled_targets(p_compiled jsonb, p_path jsonpath) RETURNS uuid[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(found.id::uuid ORDER BY found.place), '{}') FROM (
        SELECT one.id #>> '{}' AS id, min(one.place) AS place
        FROM jsonb_path_query(p_compiled, p_path) WITH ORDINALITY one (id, place) GROUP BY 1) found
$$;

-- The facts that a flow says it needs, as far as they are known.
CREATE FUNCTION dialtrace_facts(
    p_agency uuid, p_client uuid, p_flow uuid, p_compiled jsonb, p_caller text, p_call uuid, p_step text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_needs jsonb := coalesce(p_compiled -> 'needs', '[]');
    v_facts jsonb := '{}';
    v_days integer;
BEGIN
    PERFORM set_config('dialtrace.agency', p_agency::text, true);
    IF v_needs ? 'repeat' AND p_caller IS NOT NULL THEN
        v_facts := v_facts || jsonb_build_object(
            'repeat', dialtrace_fact_repeat(p_agency, p_client, p_caller, p_call));
    END IF;
    IF v_needs ? 'sticky' AND p_caller IS NOT NULL THEN
        SELECT max(days::integer) INTO v_days FROM jsonb_path_query(p_compiled, '$.steps.*.sticky_days ? (@ > 0)') days;
        v_facts := v_facts || jsonb_build_object('sticky', dialtrace_fact_sticky(p_agency, p_client, p_caller,
            dialtrace_compiled_targets(p_compiled, '$.steps.* ? (@.sticky_days > 0).targets[*].id'), v_days));
    END IF;
    IF v_needs ? 'idle' THEN
        v_facts := v_facts || jsonb_build_object('idle', dialtrace_fact_idle(p_agency,
            dialtrace_compiled_targets(p_compiled, '$.steps.* ? (@.strategy == "longest_idle").targets[*].id')));
    END IF;
    IF v_needs ? 'rotation' THEN
        v_facts := v_facts || jsonb_build_object('rotation', dialtrace_fact_rotation(p_agency, p_flow, p_step));
    END IF;
    RETURN jsonb_strip_nulls(v_facts);
END $$;

-- The route of a number and the facts of this call: one exchange for a worker. No row: nobody has the number. p_caller is
-- E.164, NULL for a caller who withholds it; p_step is where the plan begins, NULL for a call that enters.
CREATE FUNCTION dialtrace_decide(p_e164 text, p_caller text, p_call uuid, p_step text)
RETURNS TABLE (agency_id uuid, client_id uuid, number_id uuid, status text, kind text, flow_id uuid,
               number_version integer, flow_version integer, compiled jsonb, facts jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_step text := coalesce(p_step, 'start');
    -- Whoever asks inside a transaction of his own finds its tenant again afterwards.
    v_agency_before text := coalesce(current_setting('dialtrace.agency', true), '');
    v_client_before text := coalesce(current_setting('dialtrace.client', true), '');
BEGIN
    PERFORM set_config('dialtrace.client', '', true);
    FOR agency_id, client_id, number_id, status, kind, flow_id, number_version, flow_version, compiled IN
        SELECT * FROM dialtrace_route(p_e164)
    LOOP
        facts := '{}';
        IF status = 'active' THEN
            facts := dialtrace_facts(agency_id, client_id, flow_id, compiled, p_caller, p_call, v_step);
            IF v_step = 'start' THEN
                facts := facts || jsonb_strip_nulls(jsonb_build_object(
                    'blocked', dialtrace_fact_blocked(agency_id, client_id, p_caller)));
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('dialtrace.agency', v_agency_before, true), set_config('dialtrace.client', v_client_before, true);
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_fact_blocked(uuid, uuid, text), dialtrace_fact_repeat(uuid, uuid, text, uuid),
    dialtrace_fact_sticky(uuid, uuid, text, uuid[], integer), dialtrace_fact_idle(uuid, uuid[]),
    dialtrace_fact_rotation(uuid, uuid, text), dialtrace_compiled_targets(jsonb, jsonpath),
    dialtrace_facts(uuid, uuid, uuid, jsonb, text, uuid, text), dialtrace_decide(text, text, uuid, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_decide(text, text, uuid, text) TO dialtrace_app;
