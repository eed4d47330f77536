-- What happens while a call lives: one row per call that stands, written by its node's monitor, and the queues in which
-- callers wait for a target.
--
-- The tables are tenants': the policies bind everybody but the narrow functions below, which work across tenants in the
-- owner's name, because a monitor and a pairing serve all of them.

-- A crash of the database empties it; every monitor notices and writes its calls again.
CREATE UNLOGGED TABLE live_calls (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    client_id uuid NOT NULL,
    node text NOT NULL,
    number_id uuid,
    number text NOT NULL,
    caller text,
    flow_id uuid,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    ringing_at timestamptz,
    answered_at timestamptz,
    connected_at timestamptz,
    target_id uuid,
    source jsonb DEFAULT '{}' NOT NULL,
    seen_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_live_calls PRIMARY KEY (agency_id, call_id),
    CONSTRAINT ck_live_calls_state CHECK (state IN ('started', 'ringing', 'answered', 'held'))
) WITH (fillfactor = 50);
CREATE INDEX ix_live_calls_agency_id_client_id ON live_calls (agency_id, client_id);
CREATE INDEX ix_live_calls_agency_id_started_at_call_id ON live_calls (agency_id, started_at, call_id);
CREATE INDEX ix_live_calls_agency_id_target_id ON live_calls (agency_id, target_id) WHERE target_id IS NOT NULL;
CREATE INDEX ix_live_calls_node ON live_calls (node);

CREATE TABLE queue_entries (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    client_id uuid NOT NULL,
    flow_id uuid NOT NULL,
    step text NOT NULL,
    node text NOT NULL,
    targets uuid[] NOT NULL,
    reserve_s integer NOT NULL,
    joined_at timestamptz DEFAULT now() NOT NULL,
    state text DEFAULT 'waiting' NOT NULL,
    target_id uuid,
    reserved_until timestamptz,
    woken_at timestamptz,
    held_until timestamptz,
    offers integer DEFAULT 0 NOT NULL,
    CONSTRAINT pk_queue_entries PRIMARY KEY (agency_id, call_id),
    CONSTRAINT ck_queue_entries_state CHECK (state IN ('waiting', 'offered', 'left')),
    CONSTRAINT ck_queue_entries_offered_has_target
        CHECK ((state = 'offered') = (target_id IS NOT NULL AND reserved_until IS NOT NULL)),
    CONSTRAINT ck_queue_entries_reserve CHECK (reserve_s BETWEEN 1 AND 600)
) WITH (fillfactor = 50);
-- Never two callers to one target, whatever else goes wrong.
CREATE UNIQUE INDEX ix_queue_entries_offered ON queue_entries (agency_id, target_id) WHERE state = 'offered';
CREATE INDEX ix_queue_entries_waiting ON queue_entries (agency_id, flow_id, step, joined_at) WHERE state = 'waiting';
CREATE INDEX ix_queue_entries_node ON queue_entries (node, state);

-- When a target was offered a caller last, and until when it is left alone because it did not take one.
CREATE TABLE queue_targets (
    agency_id uuid NOT NULL,
    target_id uuid NOT NULL,
    offered_at timestamptz NOT NULL,
    rest_until timestamptz,
    CONSTRAINT pk_queue_targets PRIMARY KEY (agency_id, target_id)
) WITH (fillfactor = 50);

DO $$
DECLARE
    tenant_table text;
    client_column text;
    allowed text;
BEGIN
    FOR tenant_table, client_column IN
        VALUES ('live_calls', 'client_id'), ('queue_entries', 'client_id'), ('queue_targets', NULL)
    LOOP
        allowed := 'agency_id = dialtrace_agency()';
        IF client_column IS NOT NULL THEN
            allowed := format('%s AND (dialtrace_client() IS NULL OR %I = dialtrace_client())', allowed, client_column);
        END IF;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
        EXECUTE format('CREATE POLICY functions ON %I TO dialtrace_owner USING (true) WITH CHECK (true)', tenant_table);
    END LOOP;
END $$;
CREATE POLICY functions_append ON events FOR INSERT TO dialtrace_owner
    WITH CHECK (type IN ('call.started', 'call.ringing', 'call.answered') AND position IS NULL);
CREATE POLICY system_read ON live_calls FOR SELECT TO dialtrace_system USING (true);
CREATE POLICY system_read ON queue_entries FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON live_calls, queue_entries TO dialtrace_app, dialtrace_system;

-- A monitor's batch: rows that are new or have changed, calls that have ended, events. With p_standing (every call that
-- stands on the node) all other rows of the node go, and the answer says how many rows the node has now.
CREATE FUNCTION dialtrace_live_put(p_node text, p_rows jsonb, p_ended jsonb, p_events jsonb, p_standing uuid[])
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
    SELECT count(*) INTO v_rows FROM live_calls l WHERE l.node = p_node AND p_standing IS NOT NULL;
    RETURN v_rows;
END $$;

-- The monitor hears its switch: all of the node's calls stand. Returns how many rows there are. What no monitor has spoken
-- for in two days was a call of a node that is no more.
CREATE FUNCTION dialtrace_live_seen(p_node text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    UPDATE live_calls l SET seen_at = now() WHERE l.node = p_node;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    DELETE FROM live_calls l WHERE l.seen_at < now() - interval '2 days';
    RETURN v_rows;
END $$;

-- A caller comes to a queue, or comes back to it because the target that was offered did not take the call: then the place
-- is kept and the target rests a moment. p_reserve_s: for how long an offer holds its target at most.
CREATE FUNCTION dialtrace_queue_join(p_agency uuid, p_client uuid, p_call uuid, p_flow uuid, p_step text, p_node text,
    p_targets uuid[], p_reserve_s integer, p_max_length integer)
RETURNS TABLE ("position" integer, waited_s integer, is_full boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_joined timestamptz;
    v_offered uuid;
    v_ahead integer;
BEGIN
    SELECT q.joined_at, q.target_id INTO v_joined, v_offered FROM queue_entries q
    WHERE q.agency_id = p_agency AND q.call_id = p_call AND q.flow_id = p_flow AND q.step = p_step FOR UPDATE;
    IF v_offered IS NOT NULL THEN
        UPDATE queue_targets t SET rest_until = now() + interval '5 seconds'
        WHERE t.agency_id = p_agency AND t.target_id = v_offered;
    END IF;
    SELECT count(*) INTO v_ahead FROM queue_entries q
    WHERE q.agency_id = p_agency AND q.flow_id = p_flow AND q.step = p_step AND q.state <> 'left'
      AND q.call_id <> p_call AND (v_joined IS NULL OR (q.joined_at, q.call_id) < (v_joined, p_call));
    IF v_joined IS NULL AND v_ahead >= p_max_length THEN
        RETURN QUERY SELECT v_ahead + 1, 0, true;
        RETURN;
    END IF;
    INSERT INTO queue_entries AS q
        (agency_id, call_id, client_id, flow_id, step, node, targets, reserve_s, joined_at)
    VALUES (p_agency, p_call, p_client, p_flow, p_step, p_node, p_targets, p_reserve_s, clock_timestamp())
    ON CONFLICT (agency_id, call_id) DO UPDATE SET
        client_id = excluded.client_id, flow_id = excluded.flow_id, step = excluded.step, node = excluded.node,
        targets = excluded.targets, reserve_s = excluded.reserve_s, joined_at = coalesce(v_joined, excluded.joined_at),
        state = 'waiting', target_id = NULL, reserved_until = NULL, woken_at = NULL, held_until = NULL
    RETURNING q.joined_at INTO v_joined;
    RETURN QUERY SELECT v_ahead + 1, greatest(0, extract(epoch FROM clock_timestamp() - v_joined))::integer, false;
END $$;

-- A caller leaves a queue by the flow's own will (the longest wait is over, a key was pressed).
CREATE FUNCTION dialtrace_queue_leave(p_agency uuid, p_call uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE queue_entries q SET state = 'left', target_id = NULL, reserved_until = NULL
    WHERE q.agency_id = p_agency AND q.call_id = p_call;
END $$;

-- Whether a node's monitor heard its switch a moment ago: only such a node's callers are offered a target.
CREATE FUNCTION dialtrace_node_heard(p_node text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM nodes n WHERE n.name = p_node AND n.last_seen_at > now() - interval '15 seconds')
$$;

-- Targets that a waiting caller of this agency wants, that nobody talks to, that nobody is offered and that do not rest.
-- A row that its monitor has not spoken for in half a minute no longer holds its target.
CREATE FUNCTION dialtrace_queue_free_targets(p_agency uuid) RETURNS uuid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(wanted.id), '{}') FROM (
        SELECT DISTINCT unnest(q.targets) AS id FROM queue_entries q
        WHERE q.agency_id = p_agency AND q.state = 'waiting') wanted
    WHERE NOT EXISTS (SELECT FROM live_calls l WHERE l.agency_id = p_agency AND l.target_id = wanted.id
                      AND l.seen_at > now() - interval '30 seconds')
      AND NOT EXISTS (SELECT FROM queue_entries o WHERE o.agency_id = p_agency AND o.target_id = wanted.id
                      AND o.state = 'offered')
      AND NOT EXISTS (SELECT FROM queue_targets t WHERE t.agency_id = p_agency AND t.target_id = wanted.id
                      AND t.rest_until > now())
$$;

-- Pairs one agency's callers with free targets, the caller who has waited longest first, on whichever node; of several
-- targets the one whose last offer is longest ago. An offer holds for five seconds until its caller has been woken.
CREATE FUNCTION dialtrace_queue_pair_agency(p_agency uuid) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_free uuid[] := dialtrace_queue_free_targets(p_agency);
    v_entry record;
    v_target uuid;
    v_made integer := 0;
BEGIN
    IF cardinality(v_free) = 0 THEN
        RETURN 0;
    END IF;
    FOR v_entry IN
        SELECT q.call_id, q.targets FROM queue_entries q
        WHERE q.agency_id = p_agency AND q.state = 'waiting' AND q.targets && v_free
          AND (q.held_until IS NULL OR q.held_until < now()) AND dialtrace_node_heard(q.node)
        ORDER BY q.joined_at, q.call_id FOR UPDATE SKIP LOCKED
    LOOP
        SELECT wanted.id INTO v_target FROM unnest(v_entry.targets) WITH ORDINALITY wanted (id, place)
        LEFT JOIN queue_targets t ON t.agency_id = p_agency AND t.target_id = wanted.id
        WHERE wanted.id = ANY (v_free) ORDER BY t.offered_at NULLS FIRST, wanted.place LIMIT 1;
        CONTINUE WHEN v_target IS NULL;
        UPDATE queue_entries q SET state = 'offered', target_id = v_target, offers = q.offers + 1, woken_at = NULL,
            reserved_until = now() + interval '5 seconds'
        WHERE q.agency_id = p_agency AND q.call_id = v_entry.call_id;
        INSERT INTO queue_targets AS t (agency_id, target_id, offered_at) VALUES (p_agency, v_target, clock_timestamp())
        ON CONFLICT (agency_id, target_id) DO UPDATE SET offered_at = excluded.offered_at, rest_until = NULL;
        v_free := array_remove(v_free, v_target);
        v_made := v_made + 1;
        EXIT WHEN cardinality(v_free) = 0;
    END LOOP;
    RETURN v_made;
END $$;

-- What a monitor asks several times a second: pairs whoever can be paired, on all nodes, and tells the callers of this node
-- that are to be woken with their target. One pairing an agency at a time: who comes second passes it by. An offer whose
-- time is over is taken back first.
CREATE FUNCTION dialtrace_queue_pair(p_node text)
RETURNS TABLE (agency_id uuid, call_id uuid, step text, target_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_agency uuid;
BEGIN
    UPDATE queue_entries q SET state = 'waiting', target_id = NULL, reserved_until = NULL, woken_at = NULL
    FROM (SELECT o.agency_id, o.call_id FROM queue_entries o
          WHERE o.state = 'offered' AND o.reserved_until < now() FOR UPDATE SKIP LOCKED) late
    WHERE q.agency_id = late.agency_id AND q.call_id = late.call_id;
    FOR v_agency IN SELECT DISTINCT q.agency_id FROM queue_entries q WHERE q.state = 'waiting' LOOP
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended('dialtrace.queue.' || v_agency, 0));
        PERFORM dialtrace_queue_pair_agency(v_agency);
    END LOOP;
    RETURN QUERY
    SELECT q.agency_id, q.call_id, q.step, q.target_id FROM queue_entries q
    WHERE q.node = p_node AND q.state = 'offered' AND q.woken_at IS NULL ORDER BY q.joined_at;
END $$;

-- What becomes of an offer. `woken`: the caller is about to be moved, the target is held for as long as it may ring; false:
-- it must not be, the offer is over. `gone`: the caller has hung up, or is elsewhere. `later`: the caller could not be moved; both are free
-- again, and this caller is tried again after a second.
CREATE FUNCTION dialtrace_queue_settle(p_agency uuid, p_call uuid, p_target uuid, p_how text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF p_how = 'gone' THEN
        DELETE FROM queue_entries q
        WHERE q.agency_id = p_agency AND q.call_id = p_call AND q.state = 'offered' AND q.target_id = p_target;
    ELSIF p_how = 'woken' THEN
        UPDATE queue_entries q SET woken_at = now(), reserved_until = now() + make_interval(secs => q.reserve_s)
        WHERE q.agency_id = p_agency AND q.call_id = p_call AND q.state = 'offered' AND q.target_id = p_target
          AND q.woken_at IS NULL AND q.reserved_until > now();
    ELSIF p_how = 'later' THEN
        UPDATE queue_entries q SET state = 'waiting', target_id = NULL, reserved_until = NULL, woken_at = NULL,
            held_until = now() + interval '1 second'
        WHERE q.agency_id = p_agency AND q.call_id = p_call AND q.state = 'offered' AND q.target_id = p_target;
    ELSE
        RAISE EXCEPTION 'an offer becomes woken, gone or later, not %', p_how USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_live_put(text, jsonb, jsonb, jsonb, uuid[]), dialtrace_live_seen(text),
    dialtrace_queue_join(uuid, uuid, uuid, uuid, text, text, uuid[], integer, integer),
    dialtrace_queue_leave(uuid, uuid), dialtrace_node_heard(text), dialtrace_queue_free_targets(uuid),
    dialtrace_queue_pair_agency(uuid), dialtrace_queue_pair(text), dialtrace_queue_settle(uuid, uuid, uuid, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_live_put(text, jsonb, jsonb, jsonb, uuid[]), dialtrace_live_seen(text),
    dialtrace_queue_join(uuid, uuid, uuid, uuid, text, text, uuid[], integer, integer),
    dialtrace_queue_leave(uuid, uuid), dialtrace_queue_pair(text), dialtrace_queue_settle(uuid, uuid, uuid, text)
TO dialtrace_app;
