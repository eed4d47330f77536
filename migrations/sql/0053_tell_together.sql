-- Some systems are told of many calls in one request, a file or a list: their integration's deliveries are claimed all at
-- once, so many at most, by one process at a time. Others have 1.
ALTER TABLE integrations ADD COLUMN most_together integer DEFAULT 1 NOT NULL;
ALTER TABLE integrations ADD CONSTRAINT ck_integrations_most_together CHECK (most_together >= 1);

-- As before, but what the other side has and still works on (`processing`) holds nothing up.
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
            AND d.settled_at IS NULL AND NOT d.is_late AND d.reason IS DISTINCT FROM 'processing' LIMIT p_open) few;
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

-- As before; what is told together is taken together, and takes one place of p_most, of its system and of its agency.
CREATE OR REPLACE FUNCTION dialtrace_integrations_claim(p_most integer, p_each integer, p_hold_s integer,
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
    v_places integer;
    v_sending integer;
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
    -- What is told together takes one place.
    SELECT coalesce(jsonb_object_agg(b.system, b.sending), '{}') INTO v_systems FROM (
        SELECT h.system, count(DISTINCT CASE WHEN h.most_together > 1 THEN h.id ELSE d.id END) AS sending
        FROM integration_deliveries d
        JOIN integrations h ON h.agency_id = d.agency_id AND h.id = d.integration_id WHERE d.state = 'sending' GROUP BY 1) b;
    SELECT coalesce(jsonb_object_agg(b.agency_id, b.sending), '{}') INTO v_agencies FROM (
        SELECT d.agency_id, count(DISTINCT CASE WHEN h.most_together > 1 THEN h.id ELSE d.id END) AS sending
        FROM integration_deliveries d
        JOIN integrations h ON h.agency_id = d.agency_id AND h.id = d.integration_id WHERE d.state = 'sending' GROUP BY 1) b;
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
            SELECT h.agency_id, h.id, h.client_id, h.system, h.settings, h.sealed, h.account, h.failing_since, h.most_together
            FROM due p JOIN integrations h ON h.agency_id = p.agency_id AND h.id = p.integration_id
            WHERE h.state = 'active' ORDER BY h.agency_id < v_from, h.agency_id, h.id
        LOOP
            EXIT WHEN v_left <= 0;
            v_places := least(
                v_left,
                p_system + CASE WHEN v_ringing THEN p_system / 2 ELSE 0 END - coalesce((v_systems ->> w.system)::integer, 0),
                p_agency + CASE WHEN v_ringing THEN p_agency / 2 ELSE 0 END
                    - coalesce((v_agencies ->> w.agency_id::text)::integer, 0));
            CONTINUE WHEN v_places <= 0;
            SELECT count(*) INTO v_sending FROM integration_deliveries d
            WHERE d.state = 'sending' AND d.agency_id = w.agency_id AND d.integration_id = w.id;
            IF w.most_together > 1 THEN
                v_free := CASE WHEN v_sending = 0 THEN w.most_together ELSE 0 END;
            ELSE
                v_free := least(v_places, CASE WHEN w.failing_since IS NOT NULL THEN 1 WHEN v_ringing THEN 2 * p_each
                                               ELSE p_each END - v_sending);
            END IF;
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
            v_got := CASE WHEN w.most_together > 1 THEN least(v_got, 1) ELSE v_got END;
            v_left := v_left - v_got;
            v_systems := v_systems || jsonb_build_object(w.system, coalesce((v_systems ->> w.system)::integer, 0) + v_got);
            v_agencies := v_agencies
                || jsonb_build_object(w.agency_id, coalesce((v_agencies ->> w.agency_id::text)::integer, 0) + v_got);
        END LOOP;
    END LOOP;
END $$;

-- As before, but what the other side has and still works on is not late.
CREATE OR REPLACE FUNCTION dialtrace_integrations_backlog()
RETURNS TABLE (system text, due bigint, sent bigint, sending bigint, oldest_s double precision, broken bigint, paused bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT h.system, coalesce(sum(d.due), 0)::bigint, coalesce(sum(d.sent), 0)::bigint, coalesce(sum(d.sending), 0)::bigint,
           coalesce(extract(epoch FROM now() - min(d.oldest)), 0)::double precision,
           count(*) FILTER (WHERE h.state = 'broken'), count(*) FILTER (WHERE h.state = 'paused')
    FROM integrations h LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE o.state IN ('due', 'blocked')) AS due, count(*) FILTER (WHERE o.state = 'sent') AS sent,
               count(*) FILTER (WHERE o.state = 'sending') AS sending,
               min(o.created_at) FILTER (WHERE o.reason IS DISTINCT FROM 'processing') AS oldest
        FROM integration_deliveries o WHERE h.state = 'active' AND o.agency_id = h.agency_id AND o.integration_id = h.id
          AND o.settled_at IS NULL) d ON true
    WHERE h.state <> 'deleted' GROUP BY 1
$$;
