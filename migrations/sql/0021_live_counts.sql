-- How many calls stand, kept beside the rows: a decision reads one number for each node instead of counting thousands of
-- rows while a caller waits (5,000 standing calls: 8 ms).
--
-- A count belongs to one node, whose monitor alone writes it, from the rows, in the transaction that changes them: it
-- cannot drift, and no two writers wait for each other.

CREATE UNLOGGED TABLE live_counts (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    node text NOT NULL,
    calls integer NOT NULL,
    heard_at timestamptz NOT NULL,
    CONSTRAINT pk_live_counts PRIMARY KEY (agency_id, scope_id, node)
) WITH (fillfactor = 50);
CREATE INDEX ix_live_counts_node ON live_counts (node);
ALTER TABLE live_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE live_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON live_counts USING (agency_id = dialtrace_agency()) WITH CHECK (agency_id = dialtrace_agency());
CREATE POLICY functions ON live_counts TO dialtrace_owner USING (true) WITH CHECK (true);

-- Monitors write across tenants, in the owner's name.
CREATE POLICY functions ON admissions TO dialtrace_owner USING (true) WITH CHECK (true);

-- Counts a node's rows anew: for each agency, and for each of its clients.
CREATE FUNCTION dialtrace_live_count(p_node text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    WITH counted AS MATERIALIZED (
        SELECT l.agency_id, coalesce(l.client_id, l.agency_id) AS scope_id, count(*)::integer AS calls,
               max(l.seen_at) AS heard_at
        FROM live_calls l WHERE l.node = p_node
        GROUP BY GROUPING SETS ((l.agency_id), (l.agency_id, l.client_id))
    ), gone AS (
        DELETE FROM live_counts c WHERE c.node = p_node AND NOT EXISTS (
            SELECT FROM counted n WHERE n.agency_id = c.agency_id AND n.scope_id = c.scope_id)
    )
    INSERT INTO live_counts AS c (agency_id, scope_id, node, calls, heard_at)
    SELECT n.agency_id, n.scope_id, p_node, n.calls, n.heard_at FROM counted n
    ON CONFLICT (agency_id, scope_id, node) DO UPDATE SET calls = excluded.calls, heard_at = excluded.heard_at
    -- A batch that changes nothing here writes nothing here.
    WHERE c.calls <> excluded.calls OR c.heard_at < excluded.heard_at - interval '5 seconds'
        OR c.heard_at > excluded.heard_at;
END $$;

DO $$
DECLARE
    v_node text;
BEGIN
    FOR v_node IN SELECT DISTINCT l.node FROM live_calls l LOOP
        PERFORM dialtrace_live_count(v_node);
    END LOOP;
END $$;

-- As before, and the counts with the rows.
CREATE OR REPLACE FUNCTION dialtrace_live_put(p_node text, p_rows jsonb, p_ended jsonb, p_events jsonb, p_standing uuid[])
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    INSERT INTO live_calls AS l (agency_id, call_id, client_id, node, number_id, number, caller, flow_id, state,
        started_at, ringing_at, answered_at, connected_at, target_id, source)
    SELECT r.agency_id, r.call_id, r.client_id, p_node, r.number_id, r.number, r.caller, r.flow_id, r.state,
        r.started_at, r.ringing_at, r.answered_at, r.connected_at, r.target_id, r.source
    FROM jsonb_to_recordset(p_rows) AS r(agency_id uuid, call_id uuid, client_id uuid, number_id uuid, number text,
        caller text, flow_id uuid, state text, started_at timestamptz, ringing_at timestamptz, answered_at timestamptz,
        connected_at timestamptz, target_id uuid, source jsonb)
    ORDER BY 1, 2
    ON CONFLICT (agency_id, call_id) DO UPDATE SET
        client_id = excluded.client_id, node = excluded.node, number_id = excluded.number_id, flow_id = excluded.flow_id,
        state = excluded.state, ringing_at = coalesce(excluded.ringing_at, l.ringing_at),
        answered_at = coalesce(excluded.answered_at, l.answered_at),
        connected_at = coalesce(excluded.connected_at, l.connected_at),
        target_id = coalesce(excluded.target_id, l.target_id), source = excluded.source, seen_at = now();
    UPDATE admissions a SET told = true FROM jsonb_to_recordset(p_rows) AS r(agency_id uuid, call_id uuid)
    WHERE a.agency_id = r.agency_id AND a.call_id = r.call_id AND NOT a.told;
    -- Who talks waits no longer; the row above holds the target from here on.
    UPDATE queue_entries q SET state = 'left', target_id = NULL, reserved_until = NULL
    FROM jsonb_to_recordset(p_rows) AS r(agency_id uuid, call_id uuid, target_id uuid)
    WHERE r.target_id IS NOT NULL AND q.agency_id = r.agency_id AND q.call_id = r.call_id AND q.state <> 'left';
    DELETE FROM queue_entries q USING jsonb_to_recordset(p_ended) AS g(agency_id uuid, call_id uuid)
    WHERE q.agency_id = g.agency_id AND q.call_id = g.call_id;
    DELETE FROM live_calls l USING jsonb_to_recordset(p_ended) AS g(agency_id uuid, call_id uuid)
    WHERE l.agency_id = g.agency_id AND l.call_id = g.call_id;
    INSERT INTO events (agency_id, id, client_id, type, call_id, occurred_at, data)
    SELECT e.agency_id, e.id, e.client_id, e.type, e.call_id, e.occurred_at, e.data
    FROM jsonb_to_recordset(p_events) AS e(agency_id uuid, id uuid, client_id uuid, type text, call_id uuid,
        occurred_at timestamptz, data jsonb)
    ORDER BY e.agency_id, e.occurred_at
    ON CONFLICT DO NOTHING;
    IF p_standing IS NOT NULL THEN
        -- Who has only just joined may be a caller of whom the monitor is about to hear.
        DELETE FROM queue_entries q WHERE q.node = p_node AND q.call_id <> ALL (p_standing)
            AND q.joined_at < now() - interval '30 seconds';
        DELETE FROM live_calls l WHERE l.node = p_node AND l.call_id <> ALL (p_standing);
    END IF;
    PERFORM dialtrace_live_count(p_node);
    SELECT count(*) INTO v_rows FROM live_calls l WHERE l.node = p_node AND p_standing IS NOT NULL;
    RETURN v_rows;
END $$;

-- As before, and the counts with the rows.
CREATE OR REPLACE FUNCTION dialtrace_live_seen(p_node text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    UPDATE live_calls l SET seen_at = now() WHERE l.node = p_node;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    PERFORM dialtrace_live_count(p_node);
    DELETE FROM live_calls l WHERE l.seen_at < now() - interval '2 days';
    DELETE FROM live_counts c WHERE c.heard_at < now() - interval '2 days';
    DELETE FROM admissions a WHERE (a.agency_id, a.call_id) IN (
        SELECT old.agency_id, old.call_id FROM admissions old WHERE old.admitted_at < now() - interval '5 seconds'
        ORDER BY old.agency_id, old.call_id FOR UPDATE SKIP LOCKED);
    RETURN v_rows;
END $$;


-- What a monitor has told of is counted with its node; of the rest (a column for it, because looking each of them up by its
-- key is planned by statistics, which a table of the moment has none of) only the last two seconds count.
ALTER TABLE admissions ADD COLUMN told boolean DEFAULT false NOT NULL;
-- With the call's id in it this index passed for as good as the key, and a look by the key then read all of an agency's rows.
CREATE INDEX ix_live_calls_agency_id_started_at ON live_calls (agency_id, started_at);
DROP INDEX ix_live_calls_agency_id_started_at_call_id;

-- As before, in three short reads: the limits, the counts, and the calls let in just now, these over an index. The clock is
-- read once: compared with clock_timestamp() itself no index is used. Old admissions are cleared away by monitors.
CREATE OR REPLACE FUNCTION dialtrace_admit(p_agency uuid, p_client uuid, p_call uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_now timestamptz;
    v_limit record;
    v_standing record;
    v_begun record;
    v_over text;
BEGIN
    SELECT count(*) AS limits,
           min(c.max_calls) FILTER (WHERE c.client_id IS NOT NULL) AS client_calls,
           min(c.max_calls_per_s) FILTER (WHERE c.client_id IS NOT NULL) AS client_rate,
           min(c.max_calls) FILTER (WHERE c.client_id IS NULL) AS agency_calls,
           min(c.max_calls_per_s) FILTER (WHERE c.client_id IS NULL) AS agency_rate
    INTO v_limit FROM call_limits c WHERE c.agency_id = p_agency AND c.scope_id IN (p_agency, p_client);
    IF v_limit.limits = 0 OR p_call IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.admit.' || p_agency, 0));
    PERFORM FROM admissions a WHERE a.agency_id = p_agency AND a.call_id = p_call;
    IF FOUND THEN
        RETURN NULL;  -- the same question again
    END IF;
    v_now := clock_timestamp();
    SELECT coalesce(sum(c.calls) FILTER (WHERE c.scope_id = p_client), 0) AS of_client,
           coalesce(sum(c.calls) FILTER (WHERE c.scope_id = p_agency), 0) AS of_agency
    INTO v_standing FROM live_counts c
    WHERE c.agency_id = p_agency AND c.scope_id IN (p_agency, p_client) AND c.heard_at > v_now - interval '30 seconds';
    SELECT count(*) FILTER (WHERE NOT a.told AND a.client_id = p_client) AS untold_of_client,
           count(*) FILTER (WHERE NOT a.told) AS untold_of_agency,
           count(*) FILTER (WHERE a.admitted_at > v_now - interval '1 second' AND a.client_id = p_client) AS of_client,
           count(*) FILTER (WHERE a.admitted_at > v_now - interval '1 second') AS of_agency
    INTO v_begun FROM admissions a WHERE a.agency_id = p_agency AND a.admitted_at > v_now - interval '2 seconds';
    v_over := CASE
        WHEN v_standing.of_client + v_begun.untold_of_client >= v_limit.client_calls THEN 'client_calls'
        WHEN v_begun.of_client >= v_limit.client_rate THEN 'client_rate'
        WHEN v_standing.of_agency + v_begun.untold_of_agency >= v_limit.agency_calls THEN 'agency_calls'
        WHEN v_begun.of_agency >= v_limit.agency_rate THEN 'agency_rate' END;
    IF v_over IS NULL THEN
        INSERT INTO admissions (agency_id, call_id, client_id, admitted_at, told)
        VALUES (p_agency, p_call, p_client, v_now, EXISTS (
            SELECT FROM live_calls l WHERE l.agency_id = p_agency AND l.call_id = p_call));
    END IF;
    RETURN v_over;
END $$;

DROP FUNCTION dialtrace_calls_standing(uuid, uuid, integer);
REVOKE ALL ON FUNCTION dialtrace_live_count(text) FROM PUBLIC;
