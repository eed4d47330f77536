-- Webhooks: endpoints of agencies and clients, and every message on its way to one.
--
-- An endpoint has a place in its agency's log (`position`), up to which messages for it were made. So nothing is made for
-- one that is paused, and it is sent what it missed when it goes on; and a receiver that is away for days keeps at most so
-- many rows, the rest stays where it is, in the log.
--
-- `dialtrace work webhooks` serves all tenants through the narrow functions below, in the owner's name.

CREATE TABLE webhooks (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    url text NOT NULL,
    host text NOT NULL,
    description text DEFAULT '' NOT NULL,
    event_types text[] DEFAULT '{}' NOT NULL,
    client_ids uuid[] DEFAULT '{}' NOT NULL,
    state text DEFAULT 'active' NOT NULL,
    reason text,
    state_at timestamptz DEFAULT now() NOT NULL,
    position bigint NOT NULL,
    failing_since timestamptz,
    rest_until timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_fault text,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_webhooks_agency_id FOREIGN KEY (agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_webhooks_agency_id_client_id FOREIGN KEY (agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_webhooks_state CHECK (state IN ('active', 'paused', 'disabled', 'deleted')),
    CONSTRAINT ck_webhooks_reason CHECK (reason IN ('asked', 'failing', 'gone')),
    CONSTRAINT ck_webhooks_stopped_has_reason CHECK (state IN ('active', 'deleted') OR reason IS NOT NULL)
) WITH (fillfactor = 50);

-- What signs an endpoint's messages, sealed (platform/secrets_box). One is current; the one before it signs too until it
-- expires.
CREATE TABLE webhook_secrets (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    webhook_id uuid NOT NULL,
    sealed bytea NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz,
    CONSTRAINT pk_webhook_secrets PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_webhook_secrets_agency_id_webhook_id FOREIGN KEY (agency_id, webhook_id) REFERENCES webhooks (agency_id, id)
);
CREATE UNIQUE INDEX ix_webhook_secrets_current ON webhook_secrets (agency_id, webhook_id) WHERE expires_at IS NULL;

-- A message on its way to an endpoint, or what became of it. It holds ids: the body is rendered when it is sent. Of the
-- answers the first kilobyte is kept, sealed, in `attempts`.
CREATE TABLE webhook_deliveries (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    webhook_id uuid NOT NULL,
    message_id uuid NOT NULL,
    type text NOT NULL,
    call_id uuid,
    rank smallint NOT NULL,
    revision integer NOT NULL,
    position bigint,
    occurred_at timestamptz NOT NULL,
    state text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    is_pulled boolean DEFAULT false NOT NULL,
    due_at timestamptz DEFAULT now() NOT NULL,
    claim uuid,
    claimed_until timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    first_try_at timestamptz,
    settled_at timestamptz,
    replays integer DEFAULT 0 NOT NULL,
    attempts jsonb DEFAULT '[]' NOT NULL,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_webhook_deliveries_agency_id_webhook_id_message_id UNIQUE (agency_id, webhook_id, message_id),
    CONSTRAINT fk_webhook_deliveries_agency_id_webhook_id FOREIGN KEY (agency_id, webhook_id)
        REFERENCES webhooks (agency_id, id),
    CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('waiting', 'blocked', 'sending', 'delivered', 'failed')),
    CONSTRAINT ck_webhook_deliveries_sending_is_claimed
        CHECK ((state = 'sending') = (claim IS NOT NULL AND claimed_until IS NOT NULL)),
    CONSTRAINT ck_webhook_deliveries_settled CHECK ((state IN ('delivered', 'failed')) = (settled_at IS NOT NULL))
) WITH (fillfactor = 70);
-- What is due, endpoint by endpoint; a message that waits for an earlier one of its call is not among it.
CREATE INDEX ix_webhook_deliveries_waiting ON webhook_deliveries (agency_id, webhook_id, due_at) WHERE state = 'waiting';
CREATE INDEX ix_webhook_deliveries_sending ON webhook_deliveries (claimed_until) WHERE state = 'sending';
CREATE INDEX ix_webhook_deliveries_open ON webhook_deliveries (agency_id, webhook_id, call_id, rank, revision)
    WHERE state IN ('waiting', 'blocked', 'sending');
CREATE INDEX ix_webhook_deliveries_listed ON webhook_deliveries (agency_id, webhook_id, created_at, id);
CREATE INDEX ix_webhook_deliveries_settled ON webhook_deliveries (settled_at) WHERE settled_at IS NOT NULL;

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['webhooks', 'webhook_secrets', 'webhook_deliveries'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
        EXECUTE format('CREATE POLICY functions ON %I TO dialtrace_owner USING (true) WITH CHECK (true)', tenant_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO dialtrace_app', tenant_table);
    END LOOP;
END $$;
CREATE POLICY functions_read ON event_sequences FOR SELECT TO dialtrace_owner USING (true);
CREATE POLICY functions_append_webhooks ON events FOR INSERT TO dialtrace_owner
    WITH CHECK (type IN ('webhook.paused', 'webhook.disabled') AND position IS NULL);

-- A UUIDv7, as the application makes them (platform/ids.py).
CREATE FUNCTION dialtrace_new_id() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
        substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1),
        'hex')::uuid
$$;

-- Makes the messages for one agency's active endpoints, of what the log holds beyond each one's place; the tenant of the
-- transaction is that agency. Of a call only the first message that is open waits for its time, the others for it. An
-- endpoint that has p_open messages on their way already gets no more of them for now. Returns how many were made.
CREATE FUNCTION dialtrace_webhooks_fan_out(p_agency uuid, p_open integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    w webhooks%ROWTYPE;
    v_last bigint;
    v_until bigint;
    v_open integer;
    v_made integer;
    v_total integer := 0;
BEGIN
    SELECT s.last_position INTO v_last FROM event_sequences s WHERE s.agency_id = p_agency;
    FOR w IN
        SELECT * FROM webhooks h WHERE h.agency_id = p_agency AND h.state = 'active' AND h.position < v_last
        ORDER BY h.id FOR NO KEY UPDATE
    LOOP
        SELECT count(*) INTO v_open FROM (
            SELECT FROM webhook_deliveries d WHERE d.agency_id = p_agency AND d.webhook_id = w.id
            AND d.state IN ('waiting', 'blocked', 'sending') LIMIT p_open) few;
        CONTINUE WHEN v_open >= p_open;
        v_until := least(v_last, w.position + 1000);
        INSERT INTO webhook_deliveries (agency_id, id, client_id, webhook_id, message_id, type, call_id, rank, revision,
                                        position, occurred_at, state)
        SELECT p_agency, dialtrace_new_id(), w.client_id, w.id, e.id, e.type, e.call_id, e.rank, e.revision, e.position,
               e.occurred_at,
               CASE WHEN e.call_id IS NOT NULL AND (e.place > 1 OR EXISTS (
                        SELECT FROM webhook_deliveries d WHERE d.agency_id = p_agency AND d.webhook_id = w.id
                        AND d.call_id = e.call_id AND d.state IN ('waiting', 'blocked', 'sending')
                        AND (d.rank, d.revision) < (e.rank, e.revision)))
                    THEN 'blocked' ELSE 'waiting' END
        FROM (SELECT v.*, dialtrace_event_rank(v.type) AS rank,
                     row_number() OVER (PARTITION BY v.call_id ORDER BY dialtrace_event_rank(v.type), v.revision) AS place
              FROM events v
              WHERE v.agency_id = p_agency AND v.position > w.position AND v.position <= v_until
                AND (w.client_id IS NULL OR v.client_id = w.client_id)
                AND (cardinality(w.client_ids) = 0 OR v.client_id = ANY (w.client_ids))
                AND (cardinality(w.event_types) = 0 OR v.type = ANY (w.event_types)
                     OR split_part(v.type, '.', 1) || '.*' = ANY (w.event_types))) e
        ORDER BY e.position
        ON CONFLICT (agency_id, webhook_id, message_id) DO NOTHING;
        GET DIAGNOSTICS v_made = ROW_COUNT;
        v_total := v_total + v_made;
        UPDATE webhooks h SET position = v_until WHERE h.agency_id = p_agency AND h.id = w.id;
    END LOOP;
    RETURN v_total;
END $$;

-- As before; and what has a position now is on its way to the agency's endpoints within the same transaction.
CREATE OR REPLACE FUNCTION dialtrace_sequence_events(p_agency uuid, p_limit integer) RETURNS integer
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
    IF v_given > 0 THEN
        UPDATE event_sequences s SET last_position = v_last + v_given WHERE s.agency_id = p_agency;
        PERFORM dialtrace_webhooks_fan_out(p_agency, 5000);
    END IF;
    RETURN v_given;
END $$;

-- Endpoints whose place is behind their log: new ones, those that go on, those that had too much on its way. Returns how
-- many messages were made; ask again while it is not 0.
CREATE FUNCTION dialtrace_webhooks_catch_up(p_open integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_agency uuid;
    v_made integer := 0;
BEGIN
    PERFORM set_config('dialtrace.client', '', true);
    FOR v_agency IN
        SELECT DISTINCT h.agency_id FROM webhooks h JOIN event_sequences s ON s.agency_id = h.agency_id
        WHERE h.state = 'active' AND h.position < s.last_position ORDER BY 1
    LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        v_made := v_made + dialtrace_webhooks_fan_out(v_agency, p_open);
    END LOOP;
    PERFORM set_config('dialtrace.agency', '', true);
    RETURN v_made;
END $$;

-- Takes up to p_most messages that are due, for p_hold_s seconds: of no endpoint more than p_each at a time (of one that
-- fails a single one), to no host more than p_host, for no agency more than p_agency. Of one call to one endpoint only the
-- earliest that is open. Claimers take turns, so the counts are exact; they begin anywhere, so that nobody is always last.
-- A stopped endpoint gets its test messages only.
CREATE FUNCTION dialtrace_webhooks_claim(p_most integer, p_each integer, p_host integer, p_agency integer, p_hold_s integer)
RETURNS TABLE (agency_id uuid, id uuid, claim uuid, webhook_id uuid, owner_id uuid, url text, message_id uuid, type text,
               call_id uuid, client_id uuid, revision integer, "position" bigint, occurred_at timestamptz, data jsonb,
               tries integer, sealed bytea[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
    v_claim uuid := gen_random_uuid();
    v_from uuid := gen_random_uuid();
    v_left integer := p_most;
    v_free integer;
    v_got integer;
    v_hosts jsonb;
    v_agencies jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.webhooks.claim', 0));
    -- Whoever had these is gone: they are sent again, under the same id.
    UPDATE webhook_deliveries d SET state = 'waiting', claim = NULL, claimed_until = NULL
    FROM (SELECT o.agency_id, o.id FROM webhook_deliveries o
          WHERE o.state = 'sending' AND o.claimed_until < now() FOR UPDATE SKIP LOCKED) late
    WHERE d.agency_id = late.agency_id AND d.id = late.id;
    SELECT coalesce(jsonb_object_agg(b.host, b.sending), '{}') INTO v_hosts FROM (
        SELECT h.host, count(*) AS sending FROM webhook_deliveries d
        JOIN webhooks h ON h.agency_id = d.agency_id AND h.id = d.webhook_id WHERE d.state = 'sending' GROUP BY 1) b;
    SELECT coalesce(jsonb_object_agg(b.agency_id, b.sending), '{}') INTO v_agencies FROM (
        SELECT d.agency_id, count(*) AS sending FROM webhook_deliveries d WHERE d.state = 'sending' GROUP BY 1) b;
    FOR w IN
        WITH RECURSIVE due AS (
            (SELECT d.agency_id, d.webhook_id FROM webhook_deliveries d WHERE d.state = 'waiting'
             ORDER BY d.agency_id, d.webhook_id LIMIT 1)
            UNION ALL
            SELECT n.agency_id, n.webhook_id FROM due p CROSS JOIN LATERAL (
                SELECT d.agency_id, d.webhook_id FROM webhook_deliveries d
                WHERE d.state = 'waiting' AND (d.agency_id, d.webhook_id) > (p.agency_id, p.webhook_id)
                ORDER BY d.agency_id, d.webhook_id LIMIT 1) n
        )
        SELECT h.agency_id, h.id, h.client_id, h.url, h.host, h.failing_since,
               h.state = 'active' AND (h.rest_until IS NULL OR h.rest_until <= now()) AS is_open
        FROM due p JOIN webhooks h ON h.agency_id = p.agency_id AND h.id = p.webhook_id
        WHERE h.state <> 'deleted'
        ORDER BY h.agency_id < v_from, h.agency_id, h.id
    LOOP
        EXIT WHEN v_left <= 0;
        SELECT CASE WHEN w.failing_since IS NULL THEN p_each ELSE 1 END - count(*) INTO v_free FROM webhook_deliveries d
        WHERE d.state = 'sending' AND d.agency_id = w.agency_id AND d.webhook_id = w.id;
        v_free := least(v_free, v_left, p_host - coalesce((v_hosts ->> w.host)::integer, 0),
                        p_agency - coalesce((v_agencies ->> w.agency_id::text)::integer, 0));
        CONTINUE WHEN v_free <= 0;
        RETURN QUERY
        WITH mine AS (
            SELECT d.agency_id, d.id FROM webhook_deliveries d
            WHERE d.agency_id = w.agency_id AND d.webhook_id = w.id AND d.state = 'waiting' AND d.due_at <= now()
              AND (w.is_open OR d.type = 'webhook.test')
              AND (d.call_id IS NULL OR NOT EXISTS (
                  SELECT FROM webhook_deliveries p
                  WHERE p.agency_id = d.agency_id AND p.webhook_id = d.webhook_id AND p.call_id = d.call_id
                    AND p.state IN ('waiting', 'blocked', 'sending') AND (p.rank, p.revision) < (d.rank, d.revision)))
            ORDER BY d.due_at, d.position LIMIT v_free FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE webhook_deliveries d SET state = 'sending', claim = v_claim, is_pulled = false,
                claimed_until = now() + make_interval(secs => p_hold_s),
                tries = d.tries + CASE WHEN d.is_pulled AND d.tries > 0 THEN 0 ELSE 1 END,
                first_try_at = coalesce(d.first_try_at, now())
            FROM mine m WHERE d.agency_id = m.agency_id AND d.id = m.id
            RETURNING d.*
        )
        SELECT t.agency_id, t.id, t.claim, t.webhook_id, w.client_id, w.url, t.message_id, t.type, t.call_id, e.client_id,
               t.revision, t.position, t.occurred_at, e.data, t.tries,
               ARRAY(SELECT s.sealed FROM webhook_secrets s WHERE s.agency_id = t.agency_id AND s.webhook_id = t.webhook_id
                     AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.made_at DESC, s.id)
        FROM taken t LEFT JOIN dialtrace_webhooks_event(t.agency_id, t.message_id) e ON true;
        GET DIAGNOSTICS v_got = ROW_COUNT;
        v_left := v_left - v_got;
        v_hosts := v_hosts || jsonb_build_object(w.host, coalesce((v_hosts ->> w.host)::integer, 0) + v_got);
        v_agencies := v_agencies
            || jsonb_build_object(w.agency_id, coalesce((v_agencies ->> w.agency_id::text)::integer, 0) + v_got);
    END LOOP;
END $$;

-- One event of one agency, read in the owner's name.
CREATE FUNCTION dialtrace_webhooks_event(p_agency uuid, p_event uuid) RETURNS TABLE (client_id uuid, data jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('dialtrace.agency', p_agency::text, true), set_config('dialtrace.client', '', true);
    RETURN QUERY SELECT e.client_id, e.data FROM events e WHERE e.agency_id = p_agency AND e.id = p_event;
END $$;

-- What became of messages: [{agency_id, id, claim, webhook_id, outcome, delay_s, rest_s, fault, attempt}], outcome one of
-- `delivered`, `retry`, `failed` (given up), `gone` (410), `released` (not sent). What is not this claim's any more is left
-- as it is. Endpoints that fail for p_pause_after_s are paused; one that was away for p_away_s and is back is sent at once
-- what waits for it, without counting that as a try. Returns the endpoints that stopped.
CREATE FUNCTION dialtrace_webhooks_settle(p_results jsonb, p_pause_after_s double precision, p_away_s double precision)
RETURNS TABLE (agency_id uuid, webhook_id uuid, state text, reason text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
    v_done jsonb;
    v_reason text;
BEGIN
    -- Whoever makes messages for these endpoints meanwhile waits: a follower that it marks as blocked is seen below.
    PERFORM FROM webhooks h WHERE (h.agency_id, h.id) IN (
        SELECT r.agency_id, r.webhook_id FROM jsonb_to_recordset(p_results) AS r(agency_id uuid, webhook_id uuid))
    ORDER BY h.agency_id, h.id FOR NO KEY UPDATE;
    WITH settled AS (
        UPDATE webhook_deliveries d SET
            state = CASE WHEN r.outcome IN ('delivered', 'failed') THEN r.outcome ELSE 'waiting' END,
            settled_at = CASE WHEN r.outcome IN ('delivered', 'failed') THEN now() END,
            due_at = now() + make_interval(secs => coalesce(r.delay_s, 0)),
            tries = d.tries - CASE WHEN r.outcome = 'released' THEN 1 ELSE 0 END,
            claim = NULL, claimed_until = NULL,
            attempts = CASE WHEN r.attempt IS NULL THEN d.attempts
                            WHEN jsonb_array_length(d.attempts) >= 24 THEN (d.attempts - 0) || jsonb_build_array(r.attempt)
                            ELSE d.attempts || jsonb_build_array(r.attempt) END
        FROM jsonb_to_recordset(p_results) AS r(agency_id uuid, id uuid, claim uuid, outcome text, delay_s double precision,
            rest_s double precision, fault text, attempt jsonb)
        WHERE d.agency_id = r.agency_id AND d.id = r.id AND d.state = 'sending' AND d.claim = r.claim
        RETURNING d.agency_id, d.webhook_id, d.call_id, d.type, r.outcome, r.rest_s, r.fault
    ) SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') INTO v_done FROM settled s;
    -- The next of the same call.
    UPDATE webhook_deliveries d SET state = 'waiting', due_at = now()
    FROM (SELECT DISTINCT ON (n.agency_id, n.webhook_id, n.call_id) n.agency_id, n.id, n.state
          FROM (SELECT DISTINCT s.agency_id, s.webhook_id, s.call_id
                FROM jsonb_to_recordset(v_done) AS s(agency_id uuid, webhook_id uuid, call_id uuid, outcome text)
                WHERE s.outcome IN ('delivered', 'failed') AND s.call_id IS NOT NULL) s
          JOIN webhook_deliveries n ON n.agency_id = s.agency_id AND n.webhook_id = s.webhook_id AND n.call_id = s.call_id
          WHERE n.state IN ('waiting', 'blocked', 'sending')
          ORDER BY n.agency_id, n.webhook_id, n.call_id, n.rank, n.revision) next
    WHERE d.agency_id = next.agency_id AND d.id = next.id AND next.state = 'blocked';
    FOR w IN
        SELECT h.*, o.delivered, o.gone, o.failed, o.rest_s, o.fault
        FROM (SELECT s.agency_id, s.webhook_id, bool_or(s.outcome = 'delivered') AS delivered,
                     bool_or(s.outcome = 'gone') AS gone, bool_or(s.outcome IN ('retry', 'failed', 'gone')) AS failed,
                     max(s.rest_s) AS rest_s, max(s.fault) AS fault
              FROM jsonb_to_recordset(v_done) AS s(agency_id uuid, webhook_id uuid, type text, outcome text,
                  rest_s double precision, fault text)
              WHERE s.type <> 'webhook.test' AND s.outcome <> 'released' GROUP BY 1, 2) o
        JOIN webhooks h ON h.agency_id = o.agency_id AND h.id = o.webhook_id
        ORDER BY h.agency_id, h.id
    LOOP
        IF w.delivered AND w.failing_since < now() - make_interval(secs => p_away_s) THEN
            UPDATE webhook_deliveries d SET due_at = now() + random() * interval '1 second', is_pulled = true
            WHERE d.agency_id = w.agency_id AND d.webhook_id = w.id AND d.state = 'waiting'
              AND d.due_at > now() + interval '1 second';
        END IF;
        v_reason := CASE WHEN w.state <> 'active' THEN NULL WHEN w.gone THEN 'gone'
            WHEN NOT w.delivered AND w.failing_since < now() - make_interval(secs => p_pause_after_s) THEN 'failing' END;
        UPDATE webhooks h SET
            last_success_at = CASE WHEN w.delivered THEN now() ELSE h.last_success_at END,
            last_failure_at = CASE WHEN w.failed THEN now() ELSE h.last_failure_at END,
            last_fault = CASE WHEN w.failed THEN w.fault ELSE h.last_fault END,
            failing_since = CASE WHEN w.delivered THEN NULL ELSE coalesce(h.failing_since, now()) END,
            rest_until = CASE WHEN w.rest_s IS NULL THEN CASE WHEN w.delivered THEN NULL ELSE h.rest_until END
                              ELSE greatest(h.rest_until, now() + make_interval(secs => w.rest_s)) END,
            state = CASE v_reason WHEN 'gone' THEN 'disabled' WHEN 'failing' THEN 'paused' ELSE h.state END,
            reason = coalesce(v_reason, h.reason),
            state_at = CASE WHEN v_reason IS NULL THEN h.state_at ELSE now() END
        WHERE h.agency_id = w.agency_id AND h.id = w.id;
        IF v_reason IS NOT NULL THEN
            INSERT INTO events (agency_id, id, client_id, type, occurred_at, data)
            VALUES (w.agency_id, dialtrace_new_id(), w.client_id,
                    CASE v_reason WHEN 'gone' THEN 'webhook.disabled' ELSE 'webhook.paused' END, now(),
                    jsonb_build_object('webhook_id', w.id, 'reason', v_reason,
                                       'failing_since', to_jsonb(coalesce(w.failing_since, now()))));
            agency_id := w.agency_id;
            webhook_id := w.id;
            state := CASE v_reason WHEN 'gone' THEN 'disabled' ELSE 'paused' END;
            reason := v_reason;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- How much is on its way, and of which age; endpoints that stopped; events that no message was made of yet.
CREATE FUNCTION dialtrace_webhooks_backlog()
RETURNS TABLE (waiting bigint, blocked bigint, sending bigint, oldest_s double precision, paused bigint, disabled bigint,
               behind bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.waiting, d.blocked, d.sending, d.oldest_s, w.paused, w.disabled, w.behind FROM
        (SELECT count(*) FILTER (WHERE o.state = 'waiting') AS waiting,
                count(*) FILTER (WHERE o.state = 'blocked') AS blocked,
                count(*) FILTER (WHERE o.state = 'sending') AS sending,
                coalesce(extract(epoch FROM now() - min(o.created_at)), 0)::double precision AS oldest_s
         FROM webhook_deliveries o JOIN webhooks h ON h.agency_id = o.agency_id AND h.id = o.webhook_id AND h.state = 'active'
         WHERE o.state IN ('waiting', 'blocked', 'sending')) d,
        (SELECT count(*) FILTER (WHERE h.state = 'paused') AS paused, count(*) FILTER (WHERE h.state = 'disabled') AS disabled,
                coalesce(sum(s.last_position - h.position) FILTER (WHERE h.state = 'active'), 0)::bigint AS behind
         FROM webhooks h LEFT JOIN event_sequences s ON s.agency_id = h.agency_id) w
$$;

-- Removes what is old, and what is left of endpoints that were deleted, at most p_most messages of each; and wakes
-- followers that nothing stands before (there are none: `freed` says so). Ask again while `removed` is p_most.
CREATE FUNCTION dialtrace_webhooks_tidy(p_delivered_s double precision, p_failed_s double precision, p_most integer)
RETURNS TABLE (removed integer, freed integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
    v_count integer;
BEGIN
    DELETE FROM webhook_deliveries d USING (
        SELECT o.agency_id, o.id FROM webhook_deliveries o
        WHERE o.settled_at < now() - make_interval(secs => least(p_delivered_s, p_failed_s))
          AND (o.state = 'delivered' AND o.settled_at < now() - make_interval(secs => p_delivered_s)
               OR o.state = 'failed' AND o.settled_at < now() - make_interval(secs => p_failed_s))
        ORDER BY o.settled_at LIMIT p_most FOR UPDATE SKIP LOCKED) old
    WHERE d.agency_id = old.agency_id AND d.id = old.id;
    GET DIAGNOSTICS removed = ROW_COUNT;
    FOR w IN SELECT h.agency_id, h.id FROM webhooks h WHERE h.state = 'deleted' ORDER BY 1, 2 LIMIT 10 LOOP
        DELETE FROM webhook_deliveries d USING (
            SELECT o.agency_id, o.id FROM webhook_deliveries o WHERE o.agency_id = w.agency_id AND o.webhook_id = w.id
            LIMIT p_most) old
        WHERE d.agency_id = old.agency_id AND d.id = old.id;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        removed := greatest(removed, v_count);
        IF v_count < p_most THEN
            DELETE FROM webhook_secrets s WHERE s.agency_id = w.agency_id AND s.webhook_id = w.id;
            DELETE FROM webhooks h WHERE h.agency_id = w.agency_id AND h.id = w.id;
        END IF;
    END LOOP;
    UPDATE webhook_deliveries d SET state = 'waiting', due_at = now()
    WHERE d.state = 'blocked' AND d.created_at < now() - interval '1 minute' AND NOT EXISTS (
        SELECT FROM webhook_deliveries p WHERE p.agency_id = d.agency_id AND p.webhook_id = d.webhook_id
          AND p.call_id = d.call_id AND p.state IN ('waiting', 'blocked', 'sending')
          AND (p.rank, p.revision) < (d.rank, d.revision));
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_new_id(), dialtrace_webhooks_fan_out(uuid, integer), dialtrace_webhooks_catch_up(integer),
    dialtrace_webhooks_claim(integer, integer, integer, integer, integer), dialtrace_webhooks_event(uuid, uuid),
    dialtrace_webhooks_settle(jsonb, double precision, double precision), dialtrace_webhooks_backlog(),
    dialtrace_webhooks_tidy(double precision, double precision, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_new_id(), dialtrace_webhooks_catch_up(integer),
    dialtrace_webhooks_claim(integer, integer, integer, integer, integer),
    dialtrace_webhooks_settle(jsonb, double precision, double precision), dialtrace_webhooks_backlog(),
    dialtrace_webhooks_tidy(double precision, double precision, integer)
TO dialtrace_app;
