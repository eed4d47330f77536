-- Integrations, mended: live calls before what is told late, bounds for each system and agency, calls that prove a number
-- known while they stand, and nothing that the other side said in the log of changes.
--
-- What 0049 says of the backlog (that it counts events not looked at yet) it never did: only deliveries are counted.

-- A call of the installation's own is known before it is over.
ALTER TABLE live_calls ADD COLUMN is_test boolean DEFAULT false NOT NULL;

-- As before, and whether the call proves a number; a monitor of an earlier release does not say.
CREATE OR REPLACE FUNCTION dialtrace_live_put(p_node text, p_rows jsonb, p_ended jsonb, p_events jsonb, p_standing uuid[])
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    INSERT INTO live_calls AS l (agency_id, call_id, client_id, node, number_id, number, caller, flow_id, state,
        started_at, ringing_at, answered_at, connected_at, target_id, source, is_test)
    SELECT r.agency_id, r.call_id, r.client_id, p_node, r.number_id, r.number, r.caller, r.flow_id, r.state,
        r.started_at, r.ringing_at, r.answered_at, r.connected_at, r.target_id, r.source,
        coalesce(r.is_test, false)
    FROM jsonb_to_recordset(p_rows) AS r(agency_id uuid, call_id uuid, client_id uuid, number_id uuid, number text,
        caller text, flow_id uuid, state text, started_at timestamptz, ringing_at timestamptz, answered_at timestamptz,
        connected_at timestamptz, target_id uuid, source jsonb, is_test boolean)
    ORDER BY 1, 2
    ON CONFLICT (agency_id, call_id) DO UPDATE SET
        client_id = excluded.client_id, node = excluded.node, number_id = excluded.number_id, flow_id = excluded.flow_id,
        state = excluded.state, ringing_at = coalesce(excluded.ringing_at, l.ringing_at),
        answered_at = coalesce(excluded.answered_at, l.answered_at),
        connected_at = coalesce(excluded.connected_at, l.connected_at),
        target_id = coalesce(excluded.target_id, l.target_id), source = excluded.source,
        is_test = excluded.is_test, seen_at = now();
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

-- Late ones come after all others of their integration; `ix_integration_deliveries_open` counts what is on its way without
-- reading what was settled.
CREATE INDEX ix_integration_deliveries_next ON integration_deliveries (agency_id, integration_id, is_late, due_at)
    WHERE state IN ('due', 'sent');
DROP INDEX ix_integration_deliveries_due;
CREATE INDEX ix_integration_deliveries_open ON integration_deliveries (agency_id, integration_id, is_late)
    WHERE settled_at IS NULL;
-- Nothing is looked up by the other side's id; what was made for a call goes with the call.
CREATE INDEX ix_integration_objects_call ON integration_objects (agency_id, call_id);
DROP INDEX ix_integration_objects_remote_id;

-- As before, but what a back-fill made does not count: else it would keep those that ring from being told.
CREATE OR REPLACE FUNCTION dialtrace_integrations_catch_up(p_open integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    w integrations%ROWTYPE;
    v_last bigint;
    v_until bigint;
    v_open integer;
    v_total integer := 0;
BEGIN
    PERFORM set_config('dialtrace.client', '', true);
    FOR w IN
        SELECT h.* FROM integrations h JOIN event_sequences s ON s.agency_id = h.agency_id
        WHERE h.state = 'active' AND h.position < s.last_position
        ORDER BY h.agency_id, h.id FOR NO KEY UPDATE OF h SKIP LOCKED
    LOOP
        PERFORM set_config('dialtrace.agency', w.agency_id::text, true);
        SELECT count(*) INTO v_open FROM (
            SELECT FROM integration_deliveries d WHERE d.agency_id = w.agency_id AND d.integration_id = w.id
            AND d.settled_at IS NULL AND NOT d.is_late LIMIT p_open) few;
        CONTINUE WHEN v_open >= p_open;
        SELECT s.last_position INTO v_last FROM event_sequences s WHERE s.agency_id = w.agency_id;
        v_until := least(v_last, w.position + 1000);
        INSERT INTO integration_deliveries (agency_id, id, client_id, integration_id, call_id, type, rank, revision,
                                            occurred_at, state)
        SELECT w.agency_id, dialtrace_new_id(), w.client_id, w.id, e.call_id, e.type, e.rank, e.revision, e.occurred_at,
               CASE WHEN e.place > 1 OR EXISTS (
                        SELECT FROM integration_deliveries d WHERE d.agency_id = w.agency_id AND d.integration_id = w.id
                        AND d.call_id = e.call_id AND d.settled_at IS NULL
                        AND (d.rank, d.revision) < (e.rank, e.revision))
                    THEN 'blocked' ELSE 'due' END
        FROM (SELECT v.*, dialtrace_event_rank(v.type) AS rank,
                     row_number() OVER (PARTITION BY v.call_id ORDER BY dialtrace_event_rank(v.type), v.revision) AS place
              FROM events v
              WHERE v.agency_id = w.agency_id AND v.position > w.position AND v.position <= v_until
                AND v.client_id = w.client_id AND v.call_id IS NOT NULL AND v.type = ANY (w.event_types)) e
        ORDER BY e.position
        ON CONFLICT ON CONSTRAINT uq_integration_deliveries_once DO NOTHING;
        UPDATE integrations h SET position = v_until WHERE h.agency_id = w.agency_id AND h.id = w.id;
        v_total := v_total + (v_until - w.position)::integer;
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
    RETURN v_total;
END $$;

-- As before, and of no system more than p_system at a time, for no agency more than p_agency (half as many more of calls
-- that ring), so that a vendor that is away has its share of the places and no more; of one integration first what is not
-- late. A worker of an earlier release names no bounds.
DROP FUNCTION dialtrace_integrations_claim(integer, integer, integer);
CREATE FUNCTION dialtrace_integrations_claim(p_most integer, p_each integer, p_hold_s integer,
                                             p_system integer DEFAULT 128, p_agency integer DEFAULT 64)
RETURNS TABLE (agency_id uuid, id uuid, claim uuid, integration_id uuid, client_id uuid, system text, settings jsonb,
               sealed bytea, account text, call_id uuid, type text, revision integer, occurred_at timestamptz,
               is_late boolean, tries integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
    v_claim uuid := gen_random_uuid();
    v_from uuid := gen_random_uuid();
    v_left integer := p_most;
    v_free integer;
    v_got integer;
    v_ringing boolean;
    v_systems jsonb;
    v_agencies jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.integrations.claim', 0));
    -- Whoever had these is gone, and nobody knows how far they came.
    UPDATE integration_deliveries d SET state = 'sent', claim = NULL, claimed_until = NULL
    FROM (SELECT o.agency_id, o.id FROM integration_deliveries o
          WHERE o.state = 'sending' AND o.claimed_until < now() FOR UPDATE SKIP LOCKED) late
    WHERE d.agency_id = late.agency_id AND d.id = late.id;
    SELECT coalesce(jsonb_object_agg(b.system, b.sending), '{}') INTO v_systems FROM (
        SELECT h.system, count(*) AS sending FROM integration_deliveries d
        JOIN integrations h ON h.agency_id = d.agency_id AND h.id = d.integration_id WHERE d.state = 'sending' GROUP BY 1) b;
    SELECT coalesce(jsonb_object_agg(b.agency_id, b.sending), '{}') INTO v_agencies FROM (
        SELECT d.agency_id, count(*) AS sending FROM integration_deliveries d WHERE d.state = 'sending' GROUP BY 1) b;
    FOREACH v_ringing IN ARRAY ARRAY[true, false] LOOP
        FOR w IN
            WITH RECURSIVE due AS (
                (SELECT d.agency_id, d.integration_id FROM integration_deliveries d WHERE d.state IN ('due', 'sent')
                 ORDER BY d.agency_id, d.integration_id LIMIT 1)
                UNION ALL
                SELECT n.agency_id, n.integration_id FROM due p CROSS JOIN LATERAL (
                    SELECT d.agency_id, d.integration_id FROM integration_deliveries d
                    WHERE d.state IN ('due', 'sent') AND (d.agency_id, d.integration_id) > (p.agency_id, p.integration_id)
                    ORDER BY d.agency_id, d.integration_id LIMIT 1) n
            )
            SELECT h.agency_id, h.id, h.client_id, h.system, h.settings, h.sealed, h.account, h.failing_since
            FROM due p JOIN integrations h ON h.agency_id = p.agency_id AND h.id = p.integration_id
            WHERE h.state = 'active' ORDER BY h.agency_id < v_from, h.agency_id, h.id
        LOOP
            EXIT WHEN v_left <= 0;
            SELECT CASE WHEN w.failing_since IS NOT NULL THEN 1 WHEN v_ringing THEN 2 * p_each ELSE p_each END - count(*)
            INTO v_free FROM integration_deliveries d
            WHERE d.state = 'sending' AND d.agency_id = w.agency_id AND d.integration_id = w.id;
            v_free := least(
                v_free, v_left,
                p_system + CASE WHEN v_ringing THEN p_system / 2 ELSE 0 END - coalesce((v_systems ->> w.system)::integer, 0),
                p_agency + CASE WHEN v_ringing THEN p_agency / 2 ELSE 0 END
                    - coalesce((v_agencies ->> w.agency_id::text)::integer, 0));
            CONTINUE WHEN v_free <= 0;
            RETURN QUERY
            WITH mine AS (
                SELECT d.agency_id, d.id FROM integration_deliveries d
                WHERE d.agency_id = w.agency_id AND d.integration_id = w.id AND d.state IN ('due', 'sent')
                  AND d.due_at <= now() AND (NOT v_ringing OR d.type = 'call.ringing')
                  AND NOT EXISTS (
                      SELECT FROM integration_deliveries p
                      WHERE p.agency_id = d.agency_id AND p.integration_id = d.integration_id AND p.call_id = d.call_id
                        AND p.settled_at IS NULL AND (p.rank, p.revision) < (d.rank, d.revision))
                ORDER BY d.is_late, d.due_at, d.id LIMIT v_free FOR UPDATE SKIP LOCKED
            ), taken AS (
                UPDATE integration_deliveries d SET state = 'sending', claim = v_claim,
                    claimed_until = now() + make_interval(secs => p_hold_s), tries = d.tries + 1,
                    first_try_at = coalesce(d.first_try_at, now())
                FROM mine m WHERE d.agency_id = m.agency_id AND d.id = m.id
                RETURNING d.*
            )
            SELECT t.agency_id, t.id, t.claim, t.integration_id, w.client_id, w.system, w.settings, w.sealed, w.account,
                   t.call_id, t.type, t.revision, t.occurred_at, t.is_late, t.tries
            FROM taken t;
            GET DIAGNOSTICS v_got = ROW_COUNT;
            v_left := v_left - v_got;
            v_systems := v_systems || jsonb_build_object(w.system, coalesce((v_systems ->> w.system)::integer, 0) + v_got);
            v_agencies := v_agencies
                || jsonb_build_object(w.agency_id, coalesce((v_agencies ->> w.agency_id::text)::integer, 0) + v_got);
        END LOOP;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION dialtrace_integrations_claim(integer, integer, integer, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_integrations_claim(integer, integer, integer, integer, integer) TO dialtrace_app;

-- As before, without `released`, which nobody ever said.
CREATE OR REPLACE FUNCTION dialtrace_integrations_settle(p_results jsonb)
RETURNS TABLE (agency_id uuid, integration_id uuid, system text, reason text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
    v_done jsonb;
BEGIN
    -- Whoever makes deliveries for these meanwhile waits: a follower that it marks as blocked is seen below.
    PERFORM FROM integrations h WHERE (h.agency_id, h.id) IN (
        SELECT r.agency_id, r.integration_id FROM jsonb_to_recordset(p_results) AS r(agency_id uuid, integration_id uuid))
    ORDER BY h.agency_id, h.id FOR NO KEY UPDATE;
    WITH settled AS (
        UPDATE integration_deliveries d SET
            state = CASE WHEN r.outcome IN ('done', 'given_up', 'sent') THEN r.outcome ELSE 'due' END,
            settled_at = CASE WHEN r.outcome IN ('done', 'given_up') THEN now() END,
            due_at = now() + make_interval(secs => coalesce(r.delay_s, 0)),
            tries = d.tries - CASE WHEN r.outcome IN ('later', 'broken') THEN 1 ELSE 0 END,
            reason = r.reason,
            detail = r.detail,
            claim = NULL, claimed_until = NULL,
            attempts = (SELECT coalesce(jsonb_agg(a.value ORDER BY a.place), '[]') FROM (
                SELECT v.value, v.place
                FROM jsonb_array_elements(d.attempts || coalesce(r.attempts, '[]')) WITH ORDINALITY v (value, place)
                ORDER BY v.place DESC LIMIT 40) a)
        FROM jsonb_to_recordset(p_results) AS r(agency_id uuid, id uuid, claim uuid, outcome text, delay_s double precision,
            reason text, detail text, attempts jsonb)
        WHERE d.agency_id = r.agency_id AND d.id = r.id AND d.state = 'sending' AND d.claim = r.claim
        RETURNING d.agency_id, d.integration_id, d.call_id, r.outcome, r.reason, r.detail
    ) SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') INTO v_done FROM settled s;
    -- The next of the same call.
    UPDATE integration_deliveries d SET state = 'due', due_at = now()
    FROM (SELECT DISTINCT ON (n.agency_id, n.integration_id, n.call_id) n.agency_id, n.id, n.state
          FROM (SELECT DISTINCT s.agency_id, s.integration_id, s.call_id
                FROM jsonb_to_recordset(v_done) AS s(agency_id uuid, integration_id uuid, call_id uuid, outcome text)
                WHERE s.outcome IN ('done', 'given_up')) s
          JOIN integration_deliveries n ON n.agency_id = s.agency_id AND n.integration_id = s.integration_id
               AND n.call_id = s.call_id
          WHERE n.settled_at IS NULL
          ORDER BY n.agency_id, n.integration_id, n.call_id, n.rank, n.revision) next
    WHERE d.agency_id = next.agency_id AND d.id = next.id AND next.state = 'blocked';
    FOR w IN
        SELECT h.agency_id, h.id, h.system, h.state, o.* FROM (
            SELECT s.agency_id AS a, s.integration_id AS i, bool_or(s.outcome = 'done' AND s.reason IS NULL) AS worked,
                   bool_or(s.outcome IN ('retry', 'sent', 'broken')) AS failed,
                   max(s.reason) FILTER (WHERE s.outcome IN ('retry', 'sent', 'broken', 'given_up')) AS fault,
                   max(s.reason) FILTER (WHERE s.outcome = 'broken') AS broken,
                   max(s.detail) FILTER (WHERE s.outcome = 'broken') AS detail
            FROM jsonb_to_recordset(v_done) AS s(agency_id uuid, integration_id uuid, outcome text, reason text, detail text)
            WHERE s.outcome <> 'later' GROUP BY 1, 2) o
        JOIN integrations h ON h.agency_id = o.a AND h.id = o.i ORDER BY h.agency_id, h.id
    LOOP
        UPDATE integrations h SET
            last_success_at = CASE WHEN w.worked THEN now() ELSE h.last_success_at END,
            last_failure_at = CASE WHEN w.fault IS NULL THEN h.last_failure_at ELSE now() END,
            last_fault = coalesce(w.fault, h.last_fault),
            failing_since = CASE WHEN w.worked THEN NULL WHEN w.failed THEN coalesce(h.failing_since, now())
                                 ELSE h.failing_since END,
            state = CASE WHEN w.broken IS NOT NULL AND w.state = 'active' THEN 'broken' ELSE h.state END,
            reason = CASE WHEN w.broken IS NOT NULL AND w.state = 'active' THEN w.broken ELSE h.reason END,
            detail = CASE WHEN w.broken IS NOT NULL AND w.state = 'active' THEN w.detail ELSE h.detail END,
            state_at = CASE WHEN w.broken IS NOT NULL AND w.state = 'active' THEN now() ELSE h.state_at END
        WHERE h.agency_id = w.agency_id AND h.id = w.id;
        IF w.broken IS NOT NULL AND w.state = 'active' THEN
            agency_id := w.agency_id;
            integration_id := w.id;
            system := w.system;
            reason := w.broken;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- As before, and what was made for the call in other systems: nobody can be told of it again.
CREATE OR REPLACE FUNCTION dialtrace_purge_calls(p_agency uuid, p_client uuid, p_before timestamptz, p_most integer)
RETURNS TABLE (call_id uuid, started_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_ids uuid[];
    v_starts timestamptz[];
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    SELECT array_agg(due.id), array_agg(due.started_at) INTO v_ids, v_starts FROM (
        SELECT c.id, c.started_at FROM calls c
        WHERE c.agency_id = p_agency AND c.client_id = p_client AND c.started_at < p_before
          AND NOT EXISTS (SELECT FROM recordings r WHERE r.agency_id = p_agency AND r.call_id = c.id
                          AND r.state <> 'absent')
          AND NOT dialtrace_is_held(p_agency, c.client_id, c.id, c.caller, c.caller_key)
        ORDER BY c.started_at LIMIT p_most FOR UPDATE SKIP LOCKED) due;
    IF v_ids IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM legs l WHERE l.agency_id = p_agency AND l.call_id = ANY (v_ids) AND l.call_started_at = ANY (v_starts);
    DELETE FROM recordings r WHERE r.agency_id = p_agency AND r.call_id = ANY (v_ids);
    DELETE FROM consents k WHERE k.agency_id = p_agency AND k.call_id = ANY (v_ids);
    DELETE FROM attributions a WHERE a.agency_id = p_agency AND a.call_id = ANY (v_ids);
    DELETE FROM touches t WHERE t.agency_id = p_agency AND t.call_id = ANY (v_ids);
    DELETE FROM corrections x WHERE x.agency_id = p_agency AND x.call_id = ANY (v_ids);
    DELETE FROM call_assessments s WHERE s.agency_id = p_agency AND s.call_id = ANY (v_ids);
    DELETE FROM attribution_due d WHERE d.agency_id = p_agency AND d.call_id = ANY (v_ids);
    DELETE FROM integration_objects o WHERE o.agency_id = p_agency AND o.call_id = ANY (v_ids);
    RETURN QUERY DELETE FROM calls c WHERE c.agency_id = p_agency AND c.id = ANY (v_ids) AND c.started_at = ANY (v_starts)
        RETURNING c.id, c.started_at;
END $$;

-- What the other side said of a refusal may name a person or an address.
DROP TRIGGER audit ON integrations;
SELECT dialtrace_audit_table('integrations', 'integration', 'id', 'sealed settings detail');
