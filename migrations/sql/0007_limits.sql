-- How many calls an agency and a client may have at a time and begin within a second.

CREATE TABLE call_limits (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    client_id uuid,
    max_calls integer,
    max_calls_per_s integer,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_call_limits PRIMARY KEY (agency_id, scope_id),
    CONSTRAINT fk_call_limits_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_call_limits_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_call_limits_scope CHECK (scope_id = coalesce(client_id, agency_id)),
    CONSTRAINT ck_call_limits_max_calls CHECK (max_calls BETWEEN 0 AND 100000),
    CONSTRAINT ck_call_limits_max_calls_per_s CHECK (max_calls_per_s BETWEEN 0 AND 10000)
);

-- The calls that were let in during the last seconds, of agencies that have limits. Losing them in a crash lets a few
-- calls too many in, once.
CREATE UNLOGGED TABLE admissions (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    client_id uuid NOT NULL,
    admitted_at timestamptz NOT NULL,
    CONSTRAINT pk_admissions PRIMARY KEY (agency_id, call_id)
) WITH (fillfactor = 70);
CREATE INDEX ix_admissions_agency_id_admitted_at ON admissions (agency_id, admitted_at);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency()'
        ' AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['call_limits', 'admissions'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON call_limits TO dialtrace_app;

-- Calls that stand: those that monitors tell of (a row that its monitor has not spoken for in half a minute may be over),
-- and those let in within the last two seconds, of which they may not have told yet. p_client NULL: the whole agency.
-- Nobody needs to know how many more than p_most there are.
CREATE FUNCTION dialtrace_calls_standing(p_agency uuid, p_client uuid, p_most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_standing integer;
BEGIN
    SELECT count(*) INTO v_standing FROM (
        SELECT l.call_id FROM live_calls l
        WHERE l.agency_id = p_agency AND (p_client IS NULL OR l.client_id = p_client)
          AND l.seen_at > clock_timestamp() - interval '30 seconds'
        UNION
        SELECT a.call_id FROM admissions a
        WHERE a.agency_id = p_agency AND (p_client IS NULL OR a.client_id = p_client)
          AND a.admitted_at > clock_timestamp() - interval '2 seconds'
        LIMIT p_most) standing;
    RETURN v_standing;
END $$;

-- The limit that a call would exceed; NULL: it is let in, and counts from now on. Decisions for one agency wait for each
-- other here, so that no two take the last place; agencies without limits never do.
CREATE FUNCTION dialtrace_admit(p_agency uuid, p_client uuid, p_call uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_limit record;
    v_begun integer;
BEGIN
    PERFORM FROM call_limits c WHERE c.agency_id = p_agency AND c.scope_id IN (p_agency, p_client);
    IF NOT FOUND OR p_call IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.admit.' || p_agency, 0));
    PERFORM FROM admissions a WHERE a.agency_id = p_agency AND a.call_id = p_call;
    IF FOUND THEN
        RETURN NULL;  -- the same question again
    END IF;
    FOR v_limit IN
        SELECT c.client_id, c.max_calls, c.max_calls_per_s, CASE WHEN c.client_id IS NULL THEN 'agency' ELSE 'client' END
               AS whose
        FROM call_limits c WHERE c.agency_id = p_agency AND c.scope_id IN (p_agency, p_client)
        ORDER BY c.client_id NULLS LAST
    LOOP
        IF v_limit.max_calls IS NOT NULL THEN
            IF dialtrace_calls_standing(p_agency, v_limit.client_id, v_limit.max_calls) >= v_limit.max_calls THEN
                RETURN v_limit.whose || '_calls';
            END IF;
        END IF;
        SELECT count(*) INTO v_begun FROM admissions a
        WHERE a.agency_id = p_agency AND (v_limit.client_id IS NULL OR a.client_id = v_limit.client_id)
          AND a.admitted_at > clock_timestamp() - interval '1 second';
        IF v_begun >= v_limit.max_calls_per_s THEN
            RETURN v_limit.whose || '_rate';
        END IF;
    END LOOP;
    DELETE FROM admissions a WHERE a.agency_id = p_agency AND a.admitted_at < clock_timestamp() - interval '5 seconds';
    INSERT INTO admissions (agency_id, call_id, client_id, admitted_at)
    VALUES (p_agency, p_call, p_client, clock_timestamp());
    RETURN NULL;
END $$;

-- As before, and a call that enters is held against block lists and limits first; who is refused needs no other facts.
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
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('dialtrace.agency', v_agency_before, true), set_config('dialtrace.client', v_client_before, true);
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_calls_standing(uuid, uuid, integer), dialtrace_admit(uuid, uuid, uuid)
FROM PUBLIC;
