-- A decision tells where the caller comes from, as far as that is known while the call begins: what a static number stands
-- for, or the one visit that is shown a dynamic number now. Of two visits nobody can say yet which it is: nothing is told.

CREATE FUNCTION dialtrace_fact_source(p_agency uuid, p_number uuid, p_kind text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_now timestamptz := now();
    v_holders record;
    v_facts jsonb;
BEGIN
    PERFORM set_config('dialtrace.agency', p_agency::text, true);
    IF p_kind = 'static' THEN
        SELECT jsonb_build_object('source', n.source, 'campaign', n.campaign) INTO v_facts
        FROM numbers n WHERE n.agency_id = p_agency AND n.id = p_number;
        RETURN coalesce(jsonb_strip_nulls(v_facts), '{}');
    END IF;
    -- Who holds a number was shown it within a day: no visit is longer.
    SELECT min(e.visit_id::text)::uuid AS visit_id, min(e.visit_started_at) AS started_at,
           count(DISTINCT e.visit_id) AS visits
    INTO v_holders FROM exposures e
    WHERE e.agency_id = p_agency AND e.number_id = p_number AND e.shown_at > v_now - interval '1 day'
      AND e.held_until > v_now;
    IF v_holders.visits <> 1 THEN
        RETURN '{}';
    END IF;
    SELECT jsonb_build_object('visit', v.id, 'source', v.source, 'campaign', v.campaign) INTO v_facts
    FROM visits v
    WHERE v.agency_id = p_agency AND v.id = v_holders.visit_id AND v.started_at = v_holders.started_at;
    RETURN coalesce(jsonb_strip_nulls(v_facts), '{}');
END $$;

-- As before, and where the caller comes from.
CREATE OR REPLACE FUNCTION dialtrace_decide(p_e164 text, p_caller text, p_call uuid, p_step text)
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
        IF status = 'active' AND v_step = 'start' THEN
            facts := jsonb_strip_nulls(jsonb_build_object(
                'blocked', dialtrace_fact_blocked(agency_id, client_id, p_caller)));
            IF facts = '{}' THEN
                PERFORM set_config('dialtrace.agency', agency_id::text, true);
                facts := jsonb_strip_nulls(jsonb_build_object('over', dialtrace_admit(agency_id, client_id, p_call)));
            END IF;
        END IF;
        IF status = 'active' AND facts = '{}' THEN
            facts := dialtrace_facts(agency_id, client_id, flow_id, compiled, p_caller, p_call, v_step);
            IF v_step = 'start' OR compiled -> 'needs' ? 'visit' THEN
                facts := facts || dialtrace_fact_source(agency_id, number_id, kind);
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('dialtrace.agency', v_agency_before, true), set_config('dialtrace.client', v_client_before, true);
END $$;

REVOKE ALL ON FUNCTION dialtrace_fact_source(uuid, uuid, text) FROM PUBLIC;
