-- Where an agency's calls may go by telephone, the operator's trunks, and what callers' habits say of them.

CREATE TABLE destinations (
    agency_id uuid NOT NULL,
    prefix text NOT NULL,
    CONSTRAINT pk_destinations PRIMARY KEY (agency_id, prefix),
    CONSTRAINT fk_destinations_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_destinations_prefix CHECK (prefix ~ '^\+[1-9][0-9]{0,13}$')
);

-- The operator's own: every row is of the operator's agency. No secret stands here (docs/howto/limits-and-trunks.md).
CREATE TABLE trunks (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    port integer,
    authentication text DEFAULT 'address' NOT NULL,
    dial_prefix text DEFAULT '' NOT NULL,
    number_form text DEFAULT 'e164' NOT NULL,
    priority integer DEFAULT 100 NOT NULL,
    max_calls integer,
    currency text DEFAULT 'USD' NOT NULL,
    costs jsonb DEFAULT '{}' NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_trunks PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_trunks_agency_id_name UNIQUE (agency_id, name),
    CONSTRAINT fk_trunks_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_trunks_operators CHECK (agency_id = '00000000-0000-7000-8000-000000000001'),
    CONSTRAINT ck_trunks_name CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
    CONSTRAINT ck_trunks_port CHECK (port BETWEEN 1 AND 65535),
    CONSTRAINT ck_trunks_authentication CHECK (authentication IN ('address', 'digest')),
    CONSTRAINT ck_trunks_number_form CHECK (number_form IN ('e164', 'digits')),
    CONSTRAINT ck_trunks_max_calls CHECK (max_calls BETWEEN 0 AND 100000)
);

-- What is known of a caller over all tenants, under a keyed hash of the number: nobody can read from it who called whom.
-- Counts of this hour and of the one before, and the clients that were called in each as short hashes.
CREATE TABLE caller_patterns (
    caller_key bytea NOT NULL,
    hour_began timestamptz NOT NULL,
    calls integer NOT NULL,
    short_calls integer NOT NULL,
    clients bytea[] NOT NULL,
    calls_before integer NOT NULL,
    short_calls_before integer NOT NULL,
    clients_before bytea[] NOT NULL,
    score integer DEFAULT 0 NOT NULL,
    rules text DEFAULT '' NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_caller_patterns PRIMARY KEY (caller_key),
    CONSTRAINT ck_caller_patterns_score CHECK (score BETWEEN 0 AND 100)
) WITH (fillfactor = 70);
CREATE INDEX ix_caller_patterns_updated_at ON caller_patterns (updated_at);

-- Callers of whom an agency has said that they are no spam.
CREATE TABLE welcome_callers (
    agency_id uuid NOT NULL,
    caller_key bytea NOT NULL,
    call_id uuid NOT NULL,
    said_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_welcome_callers PRIMARY KEY (agency_id, caller_key)
);

-- The key of the hash, made here and read by nobody but the functions below: HMAC-SHA-256 with its two padded keys.
CREATE TABLE caller_secret (
    id integer NOT NULL,
    inner_key bytea NOT NULL,
    outer_key bytea NOT NULL,
    CONSTRAINT pk_caller_secret PRIMARY KEY (id),
    CONSTRAINT ck_caller_secret_only_one CHECK (id = 1)
);
DO $$
DECLARE
    v_key bytea := sha256(decode(string_agg(replace(gen_random_uuid()::text, '-', ''), ''), 'hex'))
        FROM generate_series(1, 8);
    v_inner bytea := v_key || decode(repeat('00', 32), 'hex');
    v_outer bytea := v_inner;
BEGIN
    FOR place IN 0..63 LOOP
        v_inner := set_byte(v_inner, place, get_byte(v_inner, place) # 54);
        v_outer := set_byte(v_outer, place, get_byte(v_outer, place) # 92);
    END LOOP;
    INSERT INTO caller_secret (id, inner_key, outer_key) VALUES (1, v_inner, v_outer);
END $$;

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['destinations', 'trunks', 'welcome_callers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (agency_id = dialtrace_agency())'
                       ' WITH CHECK (agency_id = dialtrace_agency())', tenant_table);
    END LOOP;
END $$;
-- Any tenant's flow may lead to a trunk, but only through the function below.
CREATE POLICY functions ON trunks FOR SELECT TO dialtrace_owner USING (true);
GRANT SELECT, INSERT, DELETE ON destinations TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON trunks TO dialtrace_app;

-- What flows with telephone numbers are published with: every trunk that is in use.
CREATE FUNCTION dialtrace_trunks()
RETURNS TABLE (name text, host text, port integer, authentication text, dial_prefix text, number_form text,
               priority integer, max_calls integer, currency text, costs jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.name, t.host, t.port, t.authentication, t.dial_prefix, t.number_form, t.priority, t.max_calls, t.currency,
           t.costs
    FROM trunks t WHERE t.enabled ORDER BY t.priority, t.name
$$;

CREATE FUNCTION dialtrace_caller_key(p_caller text) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT sha256(s.outer_key || sha256(s.inner_key || convert_to(p_caller, 'UTF8'))) FROM caller_secret s WHERE s.id = 1
$$;

-- Counts calls that were stored for the first time, and returns of each of their callers what is known now: counts of the
-- last hour, the hour before that weighed by what is left of it. Callers come back in the clear only to whoever named them.
CREATE FUNCTION dialtrace_note_callers(p_calls jsonb)
RETURNS TABLE (caller text, calls double precision, short_calls double precision, clients double precision)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_hour timestamptz := date_trunc('hour', now());
    -- What of the hour before still lies within the last sixty minutes.
    v_left double precision := 1 - extract(epoch FROM now() - date_trunc('hour', now())) / 3600;
BEGIN
    RETURN QUERY
    WITH heard AS (
        SELECT c.caller AS number, dialtrace_caller_key(c.caller) AS key, count(*)::integer AS calls,
               (count(*) FILTER (WHERE c.is_short))::integer AS shorts,
               array_agg(DISTINCT substr(sha256(uuid_send(c.client)), 1, 4)) AS clients
        FROM jsonb_to_recordset(p_calls) AS c (caller text, client uuid, is_short boolean)
        WHERE c.caller IS NOT NULL GROUP BY 1
    ), noted AS (
        INSERT INTO caller_patterns AS p (caller_key, hour_began, calls, short_calls, clients, calls_before,
            short_calls_before, clients_before, updated_at)
        SELECT h.key, v_hour, h.calls, h.shorts, h.clients[:64], 0, 0, '{}', now() FROM heard h ORDER BY h.key
        ON CONFLICT (caller_key) DO UPDATE SET
            hour_began = v_hour,
            calls = excluded.calls + CASE WHEN p.hour_began = v_hour THEN p.calls ELSE 0 END,
            short_calls = excluded.short_calls + CASE WHEN p.hour_began = v_hour THEN p.short_calls ELSE 0 END,
            clients = CASE WHEN p.hour_began = v_hour
                THEN (ARRAY(SELECT DISTINCT one FROM unnest(p.clients || excluded.clients) one))[:64]
                ELSE excluded.clients END,
            calls_before = CASE p.hour_began WHEN v_hour THEN p.calls_before
                                             WHEN v_hour - interval '1 hour' THEN p.calls ELSE 0 END,
            short_calls_before = CASE p.hour_began WHEN v_hour THEN p.short_calls_before
                                                   WHEN v_hour - interval '1 hour' THEN p.short_calls ELSE 0 END,
            clients_before = CASE p.hour_began WHEN v_hour THEN p.clients_before
                                               WHEN v_hour - interval '1 hour' THEN p.clients ELSE '{}' END,
            updated_at = now()
        RETURNING p.*
    )
    SELECT h.number, n.calls + v_left * n.calls_before, n.short_calls + v_left * n.short_calls_before,
           cardinality(n.clients) + v_left * (SELECT count(*) FROM unnest(n.clients_before) one
                                              WHERE one <> ALL (n.clients))
    FROM noted n JOIN heard h ON h.key = n.caller_key;
END $$;

-- Keeps what these patterns were found to mean (admission/spam.py), and forgets callers of whom nothing was heard in a
-- week, some at a time.
CREATE FUNCTION dialtrace_score_callers(p_scores jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE caller_patterns p SET score = s.score, rules = s.rules
    FROM (SELECT dialtrace_caller_key(c.caller) AS key, c.score, c.rules
          FROM jsonb_to_recordset(p_scores) AS c (caller text, score integer, rules text) ORDER BY 1) s
    WHERE p.caller_key = s.key;
    DELETE FROM caller_patterns p WHERE p.caller_key IN (
        SELECT old.caller_key FROM caller_patterns old WHERE old.updated_at < now() - interval '7 days'
        ORDER BY old.updated_at LIMIT 100 FOR UPDATE SKIP LOCKED);
END $$;

-- An agency says of a caller of one of its own calls that he is welcome, or takes it back. False: no such call, or one
-- whose caller withheld the number.
CREATE FUNCTION dialtrace_welcome_caller(p_agency uuid, p_call uuid, p_welcome boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_key bytea;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    SELECT dialtrace_caller_key(c.caller) INTO v_key FROM calls c
    WHERE c.agency_id = p_agency AND c.id = p_call AND c.caller IS NOT NULL ORDER BY c.started_at DESC LIMIT 1;
    IF v_key IS NULL THEN
        RETURN false;
    END IF;
    IF p_welcome THEN
        INSERT INTO welcome_callers (agency_id, caller_key, call_id) VALUES (p_agency, v_key, p_call)
        ON CONFLICT (agency_id, caller_key) DO NOTHING;
    ELSE
        DELETE FROM welcome_callers w WHERE w.agency_id = p_agency AND w.caller_key = v_key;
    END IF;
    RETURN true;
END $$;

-- The spam score of a caller and what it is made of, for one agency. It fades within a day of the last call. Who withholds
-- the number has no pattern; that alone weighs something (admission/spam.py, WITHHELD).
CREATE FUNCTION dialtrace_fact_spam(p_agency uuid, p_caller text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE
        WHEN p_caller IS NULL THEN jsonb_build_object('spam', 20, 'spam_rules', 'withheld:20')
        ELSE coalesce((
            SELECT jsonb_build_object('spam', round(p.score * fading.factor)::integer,
                                      'spam_rules', CASE WHEN fading.factor > 0 THEN nullif(p.rules, '') END)
            FROM caller_patterns p CROSS JOIN LATERAL (
                SELECT greatest(0, 1 - extract(epoch FROM now() - p.updated_at) / 86400) AS factor) fading
            WHERE p.caller_key = dialtrace_caller_key(p_caller) AND NOT EXISTS (
                SELECT FROM welcome_callers w WHERE w.agency_id = p_agency AND w.caller_key = p.caller_key)
        ), jsonb_build_object('spam', 0)) END
$$;

-- As before, with the spam score.
CREATE OR REPLACE FUNCTION dialtrace_facts(
    p_agency uuid, p_client uuid, p_flow uuid, p_compiled jsonb, p_caller text, p_call uuid, p_step text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_needs jsonb := coalesce(p_compiled -> 'needs', '[]');
    v_facts jsonb := '{}';
    v_days integer;
BEGIN
    PERFORM set_config('dialtrace.agency', p_agency::text, true);
    IF v_needs ? 'repeat' AND p_caller IS NOT NULL THEN
        v_facts := v_facts || jsonb_build_object(
            'repeat', dialtrace_fact_repeat(p_agency, p_client, p_caller, p_call));
    END IF;
    IF v_needs ? 'sticky' AND p_caller IS NOT NULL THEN
        SELECT max(days::integer) INTO v_days FROM jsonb_path_query(p_compiled, '$.steps.*.sticky_days ? (@ > 0)') days;
        v_facts := v_facts || jsonb_build_object('sticky', dialtrace_fact_sticky(p_agency, p_client, p_caller,
            dialtrace_compiled_targets(p_compiled, '$.steps.* ? (@.sticky_days > 0).targets[*].id'), v_days));
    END IF;
    IF v_needs ? 'idle' THEN
        v_facts := v_facts || jsonb_build_object('idle', dialtrace_fact_idle(p_agency,
            dialtrace_compiled_targets(p_compiled, '$.steps.* ? (@.strategy == "longest_idle").targets[*].id')));
    END IF;
    IF v_needs ? 'rotation' THEN
        v_facts := v_facts || jsonb_build_object('rotation', dialtrace_fact_rotation(p_agency, p_flow, p_step));
    END IF;
    IF v_needs ? 'spam' THEN
        v_facts := v_facts || dialtrace_fact_spam(p_agency, p_caller);
    END IF;
    RETURN jsonb_strip_nulls(v_facts);
END $$;

REVOKE ALL ON FUNCTION
    dialtrace_trunks(), dialtrace_caller_key(text), dialtrace_note_callers(jsonb), dialtrace_score_callers(jsonb),
    dialtrace_welcome_caller(uuid, uuid, boolean), dialtrace_fact_spam(uuid, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_trunks(), dialtrace_note_callers(jsonb), dialtrace_score_callers(jsonb),
    dialtrace_welcome_caller(uuid, uuid, boolean)
TO dialtrace_app;
