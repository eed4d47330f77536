-- Integrations: other systems that are told of a client's calls, each delivery in a ledger, and what was made there.
--
-- An integration has a place in its agency's log (`position`), as a webhook has: nothing is made for one that is paused,
-- and it is sent what it missed when it goes on. `dialtrace work integrations` serves all tenants through the narrow
-- functions below, in the owner's name; it also makes the deliveries, so that the sequencer has nothing to do for them.

CREATE TABLE integrations (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    system text NOT NULL,
    name text NOT NULL,
    settings jsonb NOT NULL,
    sealed bytea NOT NULL,
    account text NOT NULL,
    event_types text[] NOT NULL,
    state text DEFAULT 'active' NOT NULL,
    reason text,
    detail text,
    state_at timestamptz DEFAULT now() NOT NULL,
    position bigint NOT NULL,
    failing_since timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_fault text,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_integrations PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_integrations_agency_id_client_id FOREIGN KEY (agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_integrations_state CHECK (state IN ('active', 'paused', 'broken', 'deleted')),
    CONSTRAINT ck_integrations_broken_has_reason CHECK (state <> 'broken' OR reason IS NOT NULL)
) WITH (fillfactor = 50);

-- One thing that an integration is to be told of one call, or what became of it. `sent`: a request that makes something
-- has left, and nobody knows whether it was carried out; it is looked up before it is repeated. What was sent and answered
-- stands sealed in `attempts`.
CREATE TABLE integration_deliveries (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    call_id uuid NOT NULL,
    type text NOT NULL,
    rank smallint NOT NULL,
    revision integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    is_late boolean DEFAULT false NOT NULL,
    state text NOT NULL,
    reason text,
    detail text,
    tries integer DEFAULT 0 NOT NULL,
    due_at timestamptz DEFAULT now() NOT NULL,
    claim uuid,
    claimed_until timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    first_try_at timestamptz,
    settled_at timestamptz,
    attempts jsonb DEFAULT '[]' NOT NULL,
    CONSTRAINT pk_integration_deliveries PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_integration_deliveries_once UNIQUE (agency_id, integration_id, call_id, type, revision),
    CONSTRAINT fk_integration_deliveries_agency_id_integration_id FOREIGN KEY (agency_id, integration_id)
        REFERENCES integrations (agency_id, id),
    CONSTRAINT ck_integration_deliveries_state
        CHECK (state IN ('due', 'blocked', 'sending', 'sent', 'done', 'given_up')),
    CONSTRAINT ck_integration_deliveries_sending_is_claimed
        CHECK ((state = 'sending') = (claim IS NOT NULL AND claimed_until IS NOT NULL)),
    CONSTRAINT ck_integration_deliveries_settled CHECK ((state IN ('done', 'given_up')) = (settled_at IS NOT NULL)),
    CONSTRAINT ck_integration_deliveries_given_up_has_reason CHECK (state <> 'given_up' OR reason IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX ix_integration_deliveries_due ON integration_deliveries (agency_id, integration_id, due_at)
    WHERE state IN ('due', 'sent');
CREATE INDEX ix_integration_deliveries_sending ON integration_deliveries (claimed_until) WHERE state = 'sending';
CREATE INDEX ix_integration_deliveries_call ON integration_deliveries (agency_id, call_id, integration_id, rank, revision);
CREATE INDEX ix_integration_deliveries_listed ON integration_deliveries (agency_id, integration_id, created_at, id);
CREATE INDEX ix_integration_deliveries_settled ON integration_deliveries (settled_at) WHERE settled_at IS NOT NULL;

-- What was made in the other system for a call: a lead, a task, a notice. A row is written before the request leaves
-- (`sent`) and again when the answer is there (`made`), so whoever takes over knows what to look up.
CREATE TABLE integration_objects (
    agency_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    call_id uuid NOT NULL,
    name text NOT NULL,
    client_id uuid NOT NULL,
    state text NOT NULL,
    remote_id text,
    data jsonb DEFAULT '{}' NOT NULL,
    begun_at timestamptz DEFAULT now() NOT NULL,
    made_at timestamptz,
    CONSTRAINT pk_integration_objects PRIMARY KEY (agency_id, integration_id, call_id, name),
    CONSTRAINT fk_integration_objects_agency_id_integration_id FOREIGN KEY (agency_id, integration_id)
        REFERENCES integrations (agency_id, id),
    CONSTRAINT ck_integration_objects_state CHECK (state IN ('sent', 'made'))
) WITH (fillfactor = 70);
CREATE INDEX ix_integration_objects_remote_id ON integration_objects (agency_id, integration_id, name, remote_id)
    WHERE remote_id IS NOT NULL;

-- How fast each account of a vendor may be asked, by all processes together. `account` is a hash of ours and tells
-- nothing; several clients' integrations may lead to one account, so it belongs to no tenant.
CREATE TABLE vendor_accounts (
    account text NOT NULL,
    next_at timestamptz DEFAULT now() NOT NULL,
    rest_until timestamptz,
    CONSTRAINT pk_vendor_accounts PRIMARY KEY (account)
) WITH (fillfactor = 50);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['integrations', 'integration_deliveries', 'integration_objects'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
        EXECUTE format('CREATE POLICY functions ON %I TO dialtrace_owner USING (true) WITH CHECK (true)', tenant_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO dialtrace_app', tenant_table);
    END LOOP;
END $$;
-- No role but the owner sees the accounts: they are reached through two functions.
SELECT dialtrace_audit_table('integrations', 'integration', 'id', 'sealed settings');

-- Makes the deliveries for active integrations, of what the log holds beyond each one's place. One that has p_open of them
-- on their way already gets no more for now; one that somebody else has in hand is passed by. Of a call only the first
-- that is open waits for its time, the others for it. Returns how many events were passed; ask again while it is not 0.
CREATE FUNCTION dialtrace_integrations_catch_up(p_open integer) RETURNS integer
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
            AND d.settled_at IS NULL LIMIT p_open) few;
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

-- Takes up to p_most deliveries that are due, for p_hold_s seconds: of no integration more than p_each at a time (of one
-- that fails a single one), and as many more of calls that ring at this moment. Of one call only the earliest that is
-- open. Claimers take turns, so the counts are exact; they begin anywhere, so that nobody is always last.
CREATE FUNCTION dialtrace_integrations_claim(p_most integer, p_each integer, p_hold_s integer)
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
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.integrations.claim', 0));
    -- Whoever had these is gone, and nobody knows how far they came.
    UPDATE integration_deliveries d SET state = 'sent', claim = NULL, claimed_until = NULL
    FROM (SELECT o.agency_id, o.id FROM integration_deliveries o
          WHERE o.state = 'sending' AND o.claimed_until < now() FOR UPDATE SKIP LOCKED) late
    WHERE d.agency_id = late.agency_id AND d.id = late.id;
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
            v_free := least(v_free, v_left);
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
                ORDER BY d.due_at, d.id LIMIT v_free FOR UPDATE SKIP LOCKED
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
        END LOOP;
    END LOOP;
END $$;

-- What became of deliveries: [{agency_id, id, claim, integration_id, outcome, delay_s, reason, detail, attempts}], outcome
-- one of `done`, `given_up`, `retry`, `later` (not counted as a try), `sent` (in doubt), `broken` (the connection is; the
-- delivery waits), `released` (nothing was sent). What is not this claim's any more is left as it is. Returns the
-- integrations that stopped by it.
CREATE FUNCTION dialtrace_integrations_settle(p_results jsonb)
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
            tries = d.tries - CASE WHEN r.outcome IN ('released', 'later', 'broken') THEN 1 ELSE 0 END,
            reason = CASE WHEN r.outcome = 'released' THEN d.reason ELSE r.reason END,
            detail = CASE WHEN r.outcome = 'released' THEN d.detail ELSE r.detail END,
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
            WHERE s.outcome NOT IN ('released', 'later') GROUP BY 1, 2) o
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

-- A place in an account's line: how long to wait before the request may leave, or, less than 0, that nothing is free within
-- p_most_wait_s and the account is to be left alone for so long. One request each p_interval_s, p_burst of them at once
-- (the generic cell rate algorithm: `next_at` is when the line would be empty).
CREATE FUNCTION dialtrace_vendor_account_take(p_account text, p_interval_s double precision, p_burst double precision,
                                              p_most_wait_s double precision) RETURNS double precision
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v vendor_accounts%ROWTYPE;
    v_now timestamptz;
    v_wait_s double precision;
BEGIN
    INSERT INTO vendor_accounts (account) VALUES (p_account) ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT v FROM vendor_accounts a WHERE a.account = p_account FOR UPDATE;
    v_now := clock_timestamp();
    IF v.rest_until > v_now THEN
        RETURN -extract(epoch FROM v.rest_until - v_now);
    END IF;
    v_wait_s := greatest(0, extract(epoch FROM v.next_at - v_now) - p_interval_s * (p_burst - 1));
    IF v_wait_s > p_most_wait_s THEN
        RETURN -v_wait_s;
    END IF;
    UPDATE vendor_accounts a SET next_at = greatest(v.next_at, v_now) + make_interval(secs => p_interval_s)
    WHERE a.account = p_account;
    RETURN v_wait_s;
END $$;

-- The account asked for rest: nobody asks it anything for so long.
CREATE FUNCTION dialtrace_vendor_account_rest(p_account text, p_for_s double precision) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO vendor_accounts AS a (account, rest_until)
    VALUES (p_account, clock_timestamp() + make_interval(secs => p_for_s))
    ON CONFLICT (account) DO UPDATE SET rest_until = greatest(a.rest_until, excluded.rest_until)
$$;

-- How much is on its way to integrations that are active, of which age; those that stopped; events not looked at yet.
CREATE FUNCTION dialtrace_integrations_backlog()
RETURNS TABLE (system text, due bigint, sent bigint, sending bigint, oldest_s double precision, broken bigint, paused bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT h.system, coalesce(sum(d.due), 0)::bigint, coalesce(sum(d.sent), 0)::bigint, coalesce(sum(d.sending), 0)::bigint,
           coalesce(extract(epoch FROM now() - min(d.oldest)), 0)::double precision,
           count(*) FILTER (WHERE h.state = 'broken'), count(*) FILTER (WHERE h.state = 'paused')
    FROM integrations h LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE o.state IN ('due', 'blocked')) AS due, count(*) FILTER (WHERE o.state = 'sent') AS sent,
               count(*) FILTER (WHERE o.state = 'sending') AS sending, min(o.created_at) AS oldest
        FROM integration_deliveries o WHERE h.state = 'active' AND o.agency_id = h.agency_id AND o.integration_id = h.id
          AND o.settled_at IS NULL) d ON true
    WHERE h.state <> 'deleted' GROUP BY 1
$$;

-- Removes what is left of integrations that were deleted, what was settled p_kept_s ago, accounts nobody asked for a day;
-- at most p_most of each. What was made in the other system is kept with the integration: it is what keeps a call from
-- being told twice. Ask again while it returns p_most.
CREATE FUNCTION dialtrace_integrations_tidy(p_kept_s double precision, p_most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    w record;
    v_removed integer;
    v_count integer;
BEGIN
    DELETE FROM integration_deliveries d USING (
        SELECT o.agency_id, o.id FROM integration_deliveries o
        WHERE o.settled_at < now() - make_interval(secs => p_kept_s)
        ORDER BY o.settled_at LIMIT p_most FOR UPDATE SKIP LOCKED) old
    WHERE d.agency_id = old.agency_id AND d.id = old.id;
    GET DIAGNOSTICS v_removed = ROW_COUNT;
    FOR w IN SELECT h.agency_id, h.id FROM integrations h WHERE h.state = 'deleted' ORDER BY 1, 2 LIMIT 10 LOOP
        DELETE FROM integration_deliveries d USING (
            SELECT o.agency_id, o.id FROM integration_deliveries o
            WHERE o.agency_id = w.agency_id AND o.integration_id = w.id LIMIT p_most) old
        WHERE d.agency_id = old.agency_id AND d.id = old.id;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_removed := greatest(v_removed, v_count);
        CONTINUE WHEN v_count = p_most;
        DELETE FROM integration_objects o USING (
            SELECT m.agency_id, m.integration_id, m.call_id, m.name FROM integration_objects m
            WHERE m.agency_id = w.agency_id AND m.integration_id = w.id LIMIT p_most) old
        WHERE o.agency_id = old.agency_id AND o.integration_id = old.integration_id AND o.call_id = old.call_id
          AND o.name = old.name;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_removed := greatest(v_removed, v_count);
        IF v_count < p_most THEN
            DELETE FROM integrations h WHERE h.agency_id = w.agency_id AND h.id = w.id;
        END IF;
    END LOOP;
    DELETE FROM vendor_accounts a WHERE a.next_at < now() - interval '1 day'
        AND (a.rest_until IS NULL OR a.rest_until < now());
    RETURN v_removed;
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_integrations_catch_up(integer), dialtrace_integrations_claim(integer, integer, integer),
    dialtrace_integrations_settle(jsonb), dialtrace_integrations_backlog(),
    dialtrace_integrations_tidy(double precision, integer),
    dialtrace_vendor_account_take(text, double precision, double precision, double precision),
    dialtrace_vendor_account_rest(text, double precision)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_integrations_catch_up(integer), dialtrace_integrations_claim(integer, integer, integer),
    dialtrace_integrations_settle(jsonb), dialtrace_integrations_backlog(),
    dialtrace_integrations_tidy(double precision, integer),
    dialtrace_vendor_account_take(text, double precision, double precision, double precision),
    dialtrace_vendor_account_rest(text, double precision)
TO dialtrace_app;
