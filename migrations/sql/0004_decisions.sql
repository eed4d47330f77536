-- Decisions that a web hook makes for a call, and the secrets that sign the questions.
--
-- Both tables are tenants': the policies bind everybody but the narrow functions below, which work across tenants in the
-- owner's name because who asks (`dialtrace work hooks`) and who wakes the call (a node's monitor) serve all of them.

CREATE TABLE decisions (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    call_id uuid NOT NULL,
    node text NOT NULL,
    step text NOT NULL,
    url text NOT NULL,
    choices text[] NOT NULL,
    body jsonb NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    deadline_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    answer text,
    fault text,
    settled_at timestamptz,
    woken_at timestamptz,
    CONSTRAINT pk_decisions PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_decisions_agency_id_call_id_step UNIQUE (agency_id, call_id, step),
    CONSTRAINT ck_decisions_state CHECK (state IN ('waiting', 'asking', 'answered', 'failed')),
    CONSTRAINT ck_decisions_answered_has_answer CHECK ((state = 'answered') = (answer IS NOT NULL)),
    CONSTRAINT ck_decisions_failed_has_fault CHECK ((state = 'failed') = (fault IS NOT NULL))
);
CREATE INDEX ix_decisions_asked_at ON decisions (asked_at);
CREATE INDEX ix_decisions_open ON decisions (deadline_at) WHERE state IN ('waiting', 'asking');
CREATE INDEX ix_decisions_node ON decisions (node, deadline_at) WHERE woken_at IS NULL;

CREATE TABLE hook_secrets (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    secret bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    CONSTRAINT pk_hook_secrets PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_hook_secrets_agency_id_client_id FOREIGN KEY (agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_hook_secrets_secret CHECK (octet_length(secret) BETWEEN 24 AND 64)
);
-- One secret of a client signs from now on; those before it only until they expire.
CREATE UNIQUE INDEX ix_hook_secrets_current ON hook_secrets (agency_id, client_id) WHERE expires_at IS NULL;

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['decisions', 'hook_secrets'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (agency_id = dialtrace_agency()'
            ' AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))', tenant_table);
    END LOOP;
END $$;
CREATE POLICY functions ON decisions TO dialtrace_owner USING (true) WITH CHECK (true);
CREATE POLICY functions_read ON hook_secrets FOR SELECT TO dialtrace_owner USING (true);

GRANT SELECT ON decisions TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON hook_secrets TO dialtrace_app;

-- A call has come to a step where its client's web hook decides. Asked again while the first question is still open (a
-- worker that was cut off and tries once more), nothing is added; a call that comes back to the step asks anew. Returns
-- the decision's id.
CREATE FUNCTION dialtrace_decision_ask(p_agency uuid, p_client uuid, p_call uuid, p_node text, p_step text, p_url text,
                                       p_choices text[], p_body jsonb, p_timeout_s integer) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_id uuid;
BEGIN
    IF p_timeout_s NOT BETWEEN 1 AND 20 THEN
        RAISE EXCEPTION 'a decision waits between 1 and 20 seconds, not %', p_timeout_s
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO decisions AS d (agency_id, id, client_id, call_id, node, step, url, choices, body, deadline_at)
    VALUES (p_agency, gen_random_uuid(), p_client, p_call, p_node, p_step, p_url, p_choices, p_body,
            now() + make_interval(secs => p_timeout_s))
    ON CONFLICT (agency_id, call_id, step) DO UPDATE SET
        id = excluded.id, client_id = excluded.client_id, node = excluded.node, url = excluded.url,
        choices = excluded.choices, body = excluded.body, asked_at = excluded.asked_at,
        deadline_at = excluded.deadline_at, state = excluded.state, answer = NULL, fault = NULL, settled_at = NULL,
        woken_at = NULL
    WHERE d.state IN ('answered', 'failed') OR d.deadline_at <= now()
    RETURNING d.id INTO v_id;
    IF v_id IS NULL THEN
        SELECT d.id INTO v_id FROM decisions d
        WHERE d.agency_id = p_agency AND d.call_id = p_call AND d.step = p_step;
    END IF;
    RETURN v_id;
END $$;

-- Takes up to p_most questions, of no client more than p_each at a time (its other callers wait, other clients' do not),
-- and marks them as being asked. Two who claim at once never get the same one. `keys`: what signs now, newest first.
CREATE FUNCTION dialtrace_decisions_claim(p_most integer, p_each integer)
RETURNS TABLE (agency_id uuid, id uuid, client_id uuid, call_id uuid, step text, url text, choices text[], body jsonb,
               asked_at timestamptz, waited_ms integer, left_ms integer, keys bytea[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH busy AS (
        SELECT d.agency_id, d.client_id, count(*) AS asking FROM decisions d
        WHERE d.state = 'asking' AND d.deadline_at > now() GROUP BY 1, 2
    ), ranked AS (
        SELECT d.agency_id, d.id, coalesce(b.asking, 0)
               + row_number() OVER (PARTITION BY d.agency_id, d.client_id ORDER BY d.asked_at) AS place
        FROM decisions d LEFT JOIN busy b ON b.agency_id = d.agency_id AND b.client_id = d.client_id
        WHERE d.state = 'waiting' AND d.deadline_at > now()
    ), mine AS (
        SELECT d.agency_id, d.id FROM decisions d
        JOIN ranked r ON r.agency_id = d.agency_id AND r.id = d.id
        WHERE d.state = 'waiting' AND r.place <= p_each
        ORDER BY r.place, d.asked_at LIMIT p_most FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE decisions d SET state = 'asking' FROM mine m WHERE d.agency_id = m.agency_id AND d.id = m.id
    RETURNING d.agency_id, d.id, d.client_id, d.call_id, d.step, d.url, d.choices, d.body, d.asked_at,
        (extract(epoch FROM clock_timestamp() - d.asked_at) * 1000)::integer,
        (extract(epoch FROM d.deadline_at - clock_timestamp()) * 1000)::integer,
        ARRAY(SELECT s.secret FROM hook_secrets s WHERE s.agency_id = d.agency_id AND s.client_id = d.client_id
              AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.made_at DESC, s.id);
END $$;

-- Writes what became of a question: an answer, or why there is none. Returns `answered`, `failed`, `late` (nobody waits
-- any more), or NULL: the question is not this asker's any more. The body, which names the caller, is needed no longer.
CREATE FUNCTION dialtrace_decision_settle(p_agency uuid, p_id uuid, p_answer text, p_fault text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_late boolean;
BEGIN
    UPDATE decisions d SET
        state = CASE WHEN p_answer IS NOT NULL AND d.deadline_at > now() THEN 'answered' ELSE 'failed' END,
        answer = CASE WHEN d.deadline_at > now() THEN p_answer END,
        fault = CASE WHEN p_answer IS NULL THEN coalesce(p_fault, 'unknown') WHEN d.deadline_at <= now() THEN 'late' END,
        settled_at = now(), body = '{}'
    WHERE d.agency_id = p_agency AND d.id = p_id AND d.state = 'asking'
    RETURNING d.deadline_at <= now() INTO v_late;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN CASE WHEN p_answer IS NULL THEN 'failed' WHEN v_late THEN 'late' ELSE 'answered' END;
END $$;

-- Gives a question back that its asker cannot go on with, for another one to ask.
CREATE FUNCTION dialtrace_decision_release(p_agency uuid, p_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE decisions d SET state = 'waiting'
    WHERE d.agency_id = p_agency AND d.id = p_id AND d.state = 'asking' AND d.deadline_at > now();
END $$;

-- A node's decisions that a call still waits for: no row means that nothing is to be waited for. A settled one (`answer`
-- NULL: it failed, the default applies) is for the monitor to wake its call with, which then says so below.
CREATE FUNCTION dialtrace_decisions_of_node(p_node text)
RETURNS TABLE (agency_id uuid, id uuid, call_id uuid, step text, state text, answer text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT d.agency_id, d.id, d.call_id, d.step, d.state, d.answer FROM decisions d
    WHERE d.node = p_node AND d.woken_at IS NULL AND d.deadline_at > now();
END $$;

-- The monitor is about to wake the call with this decision; false: it must not (somebody has, or the time is over).
CREATE FUNCTION dialtrace_decision_wake(p_agency uuid, p_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE decisions d SET woken_at = now()
    WHERE d.agency_id = p_agency AND d.id = p_id AND d.woken_at IS NULL AND d.deadline_at > now()
      AND d.state IN ('answered', 'failed');
    RETURN FOUND;
END $$;

-- Closes questions that nobody has answered in time (`unasked`: nobody had taken it; `unanswered`: who had taken it is
-- gone), and removes those that are older than a day, a bounded number at a time.
CREATE FUNCTION dialtrace_decisions_tidy(p_most integer) RETURNS TABLE (unasked bigint, unanswered bigint, cleared bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    WITH due AS (
        SELECT d.agency_id, d.id, d.state FROM decisions d
        WHERE d.state IN ('waiting', 'asking') AND d.deadline_at <= now() - interval '2 seconds'
        ORDER BY d.deadline_at LIMIT p_most FOR UPDATE SKIP LOCKED
    ), closed AS (
        UPDATE decisions d SET state = 'failed', settled_at = now(), body = '{}',
            fault = CASE due.state WHEN 'waiting' THEN 'unasked' ELSE 'unanswered' END
        FROM due WHERE d.agency_id = due.agency_id AND d.id = due.id RETURNING d.fault
    )
    SELECT count(*) FILTER (WHERE c.fault = 'unasked'), count(*) FILTER (WHERE c.fault = 'unanswered')
    INTO unasked, unanswered FROM closed c;
    WITH old AS (
        SELECT d.agency_id, d.id FROM decisions d WHERE d.asked_at < now() - interval '1 day'
        ORDER BY d.asked_at LIMIT p_most FOR UPDATE SKIP LOCKED
    )
    DELETE FROM decisions d USING old WHERE d.agency_id = old.agency_id AND d.id = old.id;
    GET DIAGNOSTICS cleared = ROW_COUNT;
    RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_decision_ask(uuid, uuid, uuid, text, text, text, text[], jsonb, integer),
    dialtrace_decisions_claim(integer, integer), dialtrace_decision_settle(uuid, uuid, text, text),
    dialtrace_decision_release(uuid, uuid),
    dialtrace_decisions_of_node(text), dialtrace_decision_wake(uuid, uuid), dialtrace_decisions_tidy(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_decision_ask(uuid, uuid, uuid, text, text, text, text[], jsonb, integer),
    dialtrace_decisions_claim(integer, integer), dialtrace_decision_settle(uuid, uuid, text, text),
    dialtrace_decision_release(uuid, uuid),
    dialtrace_decisions_of_node(text), dialtrace_decision_wake(uuid, uuid), dialtrace_decisions_tidy(integer)
TO dialtrace_app;
