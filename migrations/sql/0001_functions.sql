-- The narrow functions: all that the application may do with the reference tables, the event positions and the
-- partitions. Each runs in the owner's name with a pinned search path; a function that writes for a tenant first checks
-- that it is this transaction's tenant, and reads tenant tables under the policies like anybody else.

CREATE FUNCTION dialtrace_check_agency(p_agency uuid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF p_agency IS NULL OR p_agency IS DISTINCT FROM dialtrace_agency() THEN
        RAISE EXCEPTION 'agency % is not the tenant of this transaction', p_agency USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- What the call plane must know of a number: one indexed read. No row: nobody has the number.
CREATE FUNCTION dialtrace_route(p_e164 text)
RETURNS TABLE (agency_id uuid, client_id uuid, number_id uuid, status text, kind text, flow_id uuid,
               number_version integer, flow_version integer, compiled jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT d.agency_id, d.client_id, d.number_id,
           CASE WHEN d.status = 'active' THEN d.tenant_status ELSE d.status END,
           d.kind, d.flow_id, d.version, f.version, f.compiled
    FROM directory d LEFT JOIN published_flows f ON f.flow_id = d.flow_id AND f.agency_id = d.agency_id
    WHERE d.e164 = p_e164;
END $$;

-- Routes that have changed since a mark, each row with the mark to ask with next time; p_since NULL: all of them.
-- There is always at least one row: e164 is NULL in it when nothing has changed. The mark is the oldest transaction still
-- running, so a slow commit is not lost behind it; a change may be told twice, never not at all. Marks mean nothing to
-- another server or after a restore: begin with NULL there.
CREATE FUNCTION dialtrace_routes_changed(p_since xid8)
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
           d.kind, d.flow_id, d.version, f.version, f.compiled
    FROM (SELECT) one
    LEFT JOIN (changed c JOIN directory d ON d.e164 = c.e164) ON true
    LEFT JOIN published_flows f ON f.flow_id = d.flow_id AND f.agency_id = d.agency_id;
END $$;

-- Copies one of the tenant's numbers into the directory: after it was added, changed or released. A number that another
-- holder has, or that the agency has twice, is refused as a unique violation; a released entry may be taken over.
CREATE FUNCTION dialtrace_directory_put(p_agency uuid, p_number uuid) RETURNS void
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
    INSERT INTO directory AS d
        (e164, agency_id, client_id, number_id, status, tenant_status, kind, flow_id, version, changed_xid)
    VALUES (n.e164, n.agency_id, n.client_id, n.id, n.status, v_tenant_status, n.kind, n.flow_id, n.version,
            pg_current_xact_id())
    ON CONFLICT (e164) DO UPDATE SET
        agency_id = excluded.agency_id, client_id = excluded.client_id, number_id = excluded.number_id,
        status = excluded.status, tenant_status = excluded.tenant_status, kind = excluded.kind,
        flow_id = excluded.flow_id, version = excluded.version, changed_xid = excluded.changed_xid
    WHERE (d.agency_id = excluded.agency_id AND d.number_id = excluded.number_id)
       OR (d.status = 'released' AND excluded.status <> 'released');
    IF NOT FOUND AND n.status <> 'released' THEN
        RAISE EXCEPTION 'number % is taken', n.e164
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'pk_directory', TABLE = 'directory';
    END IF;
END $$;

-- After an agency or a client was suspended or restored: brings its numbers' entries up to date. Returns how many changed.
CREATE FUNCTION dialtrace_directory_refresh_tenant(p_agency uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_changed bigint;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    UPDATE directory d SET tenant_status = now_is.tenant_status, changed_xid = pg_current_xact_id()
    FROM (SELECT c.id, CASE WHEN a.status = 'active' AND c.status = 'active' THEN 'active' ELSE 'suspended' END
                       AS tenant_status
          FROM clients c JOIN agencies a ON a.agency_id = c.agency_id WHERE c.agency_id = p_agency) now_is
    WHERE d.agency_id = p_agency AND d.client_id = now_is.id AND d.tenant_status <> now_is.tenant_status;
    GET DIAGNOSTICS v_changed = ROW_COUNT;
    RETURN v_changed;
END $$;

-- Makes a compiled flow the one that calls run. An older version never replaces a newer one.
CREATE FUNCTION dialtrace_publish_flow(p_agency uuid, p_flow uuid, p_version integer, p_compiled jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    PERFORM 1 FROM flows WHERE flows.agency_id = p_agency AND flows.id = p_flow;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'flow % is not there', p_flow USING ERRCODE = 'no_data_found';
    END IF;
    INSERT INTO published_flows AS p (flow_id, agency_id, version, compiled, changed_xid)
    VALUES (p_flow, p_agency, p_version, p_compiled, pg_current_xact_id())
    ON CONFLICT (flow_id) DO UPDATE SET
        version = excluded.version, compiled = excluded.compiled, changed_xid = excluded.changed_xid
    WHERE p.agency_id = excluded.agency_id AND p.version <= excluded.version;
END $$;

-- Gives the next positions of one agency's log to events that are committed but have none. One at a time: the agency's
-- row in event_sequences is the lock, and every statement after it sees what the one before has committed. The counter
-- is kept apart from the events, so that removing old ones never makes a position come twice.
CREATE FUNCTION dialtrace_sequence_events(p_agency uuid, p_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_last bigint;
    v_given integer;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    IF dialtrace_client() IS NOT NULL THEN
        RAISE EXCEPTION 'events are sequenced for a whole agency' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO event_sequences (agency_id) VALUES (p_agency) ON CONFLICT DO NOTHING;
    SELECT s.last_position INTO STRICT v_last FROM event_sequences s WHERE s.agency_id = p_agency FOR UPDATE;
    WITH waiting AS (
        SELECT e.id, row_number() OVER (ORDER BY e.recorded_at, e.occurred_at, e.id) AS rank
        FROM events e WHERE e.agency_id = p_agency AND e.position IS NULL
        ORDER BY e.recorded_at, e.occurred_at, e.id LIMIT p_limit
    )
    UPDATE events e SET position = v_last + w.rank FROM waiting w WHERE e.agency_id = p_agency AND e.id = w.id;
    GET DIAGNOSTICS v_given = ROW_COUNT;
    UPDATE event_sequences s SET last_position = v_last + v_given WHERE s.agency_id = p_agency AND v_given > 0;
    RETURN v_given;
END $$;

-- Makes the monthly partitions that are missing, p_months of them from p_from on; returns how many it made. What stands in
-- the default partition for such a month moves into it, in the same transaction.
CREATE FUNCTION dialtrace_make_partitions(p_from date, p_months integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
-- Who waits for a table holds up everybody behind him: better to come again later.
SET lock_timeout = '2s' AS $$
DECLARE
    v_parent text;
    v_column text;
    v_name text;
    v_month timestamptz;
    v_next timestamptz;
    v_strays boolean;
    v_made integer := 0;
BEGIN
    IF p_months NOT BETWEEN 1 AND 120 THEN
        RAISE EXCEPTION 'between 1 and 120 months at a time, not %', p_months USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Two makers wait for each other instead of failing on the same name.
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.partitions', 0));
    FOR v_parent, v_column IN VALUES ('calls', 'started_at'), ('legs', 'call_started_at') LOOP
        FOR v_step IN 0 .. p_months - 1 LOOP
            v_month := date_trunc('month', p_from::timestamptz) + make_interval(months => v_step);
            v_next := v_month + interval '1 month';
            v_name := v_parent || to_char(v_month, '_YYYY_MM');
            CONTINUE WHEN to_regclass('public.' || v_name) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', v_name, v_parent);
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE %I >= $1 AND %I < $2)',
                           v_parent || '_default', v_column, v_column) INTO v_strays USING v_month, v_next;
            IF v_strays THEN
                EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', v_parent || '_default');
                EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE %I >= $1 AND %I < $2 RETURNING *)'
                               ' INSERT INTO public.%I SELECT * FROM moved',
                               v_parent || '_default', v_column, v_column, v_name) USING v_month, v_next;
            END IF;
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                           v_parent, v_name, v_month, v_next);
            v_made := v_made + 1;
        END LOOP;
    END LOOP;
    RETURN v_made;
END $$;

-- A call of any month finds a place, even if nobody has made a partition for it.
CREATE TABLE calls_default PARTITION OF calls DEFAULT;
CREATE TABLE legs_default PARTITION OF legs DEFAULT;
SELECT dialtrace_make_partitions((date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date, 5);

REVOKE ALL ON FUNCTION
    dialtrace_check_agency(uuid), dialtrace_route(text), dialtrace_routes_changed(xid8),
    dialtrace_directory_put(uuid, uuid), dialtrace_directory_refresh_tenant(uuid),
    dialtrace_publish_flow(uuid, uuid, integer, jsonb), dialtrace_sequence_events(uuid, integer),
    dialtrace_make_partitions(date, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_route(text), dialtrace_routes_changed(xid8),
    dialtrace_directory_put(uuid, uuid), dialtrace_directory_refresh_tenant(uuid),
    dialtrace_publish_flow(uuid, uuid, integer, jsonb), dialtrace_sequence_events(uuid, integer),
    dialtrace_make_partitions(date, integer)
TO dialtrace_app;
