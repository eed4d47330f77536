-- Retention, legal holds, requests of persons, what was erased and the proof of it.

-- A person as one agency knows them: the keyed hash of a number (the installation's key, and the agency, so that the same
-- person has another hash with every agency).
CREATE FUNCTION dialtrace_person_key(p_agency uuid, p_number text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT sha256(s.outer_key || sha256(s.inner_key || uuid_send(p_agency) || convert_to(p_number, 'UTF8')))
    FROM caller_secret s WHERE s.id = 1
$$;

-- What is left of a caller's number once it is anonymised, and since when nothing else is there.
ALTER TABLE calls ADD COLUMN caller_key bytea, ADD COLUMN anonymised_at timestamptz;
CREATE INDEX ix_calls_agency_id_caller_key ON calls (agency_id, caller_key) WHERE caller_key IS NOT NULL;

-- How long what is kept: an agency's default (scope_id is the agency) and its clients' own; NULL: as the level above says.
CREATE TABLE retention_rules (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    client_id uuid,
    cdr_days integer,
    recording_days integer,
    caller_days integer,
    visit_days integer,
    caller_becomes text,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_retention_rules PRIMARY KEY (agency_id, scope_id),
    CONSTRAINT fk_retention_rules_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_retention_rules_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_retention_rules_scope CHECK (scope_id = coalesce(client_id, agency_id)),
    CONSTRAINT ck_retention_rules_days CHECK (least(cdr_days, recording_days, caller_days, visit_days) >= 1
        AND greatest(cdr_days, recording_days, caller_days, visit_days) <= 36500),
    CONSTRAINT ck_retention_rules_caller_becomes CHECK (caller_becomes IN ('key', 'nothing'))
);

-- Within which days an agency may choose. The operator's.
CREATE TABLE retention_bounds (
    agency_id uuid NOT NULL,
    data_class text NOT NULL,
    least_days integer,
    most_days integer,
    CONSTRAINT pk_retention_bounds PRIMARY KEY (agency_id, data_class),
    CONSTRAINT fk_retention_bounds_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_retention_bounds_data_class CHECK (data_class IN ('cdr', 'recording', 'caller', 'visit')),
    CONSTRAINT ck_retention_bounds_days CHECK (least_days >= 1 AND most_days <= 36500 AND least_days <= most_days)
);

-- What nobody may delete as long as it stands: a call, a caller (under the hash), a client.
CREATE TABLE legal_holds (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    kind text NOT NULL,
    call_id uuid,
    person_key bytea,
    hint text DEFAULT '' NOT NULL,
    reason text NOT NULL,
    placed_by text NOT NULL,
    placed_at timestamptz DEFAULT now() NOT NULL,
    lifted_by text,
    lifted_at timestamptz,
    CONSTRAINT pk_legal_holds PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_legal_holds_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_legal_holds_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_legal_holds_kind CHECK (CASE kind WHEN 'call' THEN call_id IS NOT NULL AND person_key IS NULL
        WHEN 'caller' THEN person_key IS NOT NULL AND call_id IS NULL
        WHEN 'client' THEN client_id IS NOT NULL AND call_id IS NULL AND person_key IS NULL ELSE false END),
    CONSTRAINT ck_legal_holds_lifted CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE INDEX ix_legal_holds_standing ON legal_holds (agency_id) WHERE lifted_at IS NULL;

-- What a person has asked for. The number is kept until it is done, and not a moment longer.
CREATE TABLE subject_requests (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    scope_id uuid NOT NULL,
    kind text NOT NULL,
    phone text,
    person_key bytea NOT NULL,
    hint text NOT NULL,
    state text DEFAULT 'waiting' NOT NULL,
    phase text DEFAULT 'find' NOT NULL,
    counts jsonb DEFAULT '{}' NOT NULL,
    waits jsonb DEFAULT '{}' NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz DEFAULT now() NOT NULL,
    before_at timestamptz,
    listed_xid xid8,
    claimed_until timestamptz,
    attempts integer DEFAULT 0 NOT NULL,
    fault text,
    object_id uuid,
    receipt_id uuid,
    finished_at timestamptz,
    CONSTRAINT pk_subject_requests PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_subject_requests_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_subject_requests_agency_id_client_id FOREIGN KEY(agency_id, client_id)
        REFERENCES clients (agency_id, id),
    CONSTRAINT ck_subject_requests_scope CHECK (scope_id = coalesce(client_id, agency_id)),
    CONSTRAINT ck_subject_requests_kind CHECK (kind IN ('export', 'erase')),
    CONSTRAINT ck_subject_requests_state CHECK (state IN ('waiting', 'running', 'held', 'done')),
    CONSTRAINT ck_subject_requests_done CHECK ((state = 'done') = (phone IS NULL) AND (state = 'done') = (finished_at IS NOT NULL))
);
-- The same person asks once at a time.
CREATE UNIQUE INDEX ix_subject_requests_open ON subject_requests (agency_id, scope_id, person_key, kind)
    WHERE state <> 'done';

-- The calls of the person that a request is about: ids alone, kept with the request as what was erased.
CREATE TABLE subject_calls (
    agency_id uuid NOT NULL,
    request_id uuid NOT NULL,
    call_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    client_id uuid NOT NULL,
    CONSTRAINT pk_subject_calls PRIMARY KEY (agency_id, request_id, call_id)
);
CREATE INDEX ix_subject_calls_agency_id_call_id ON subject_calls (agency_id, call_id);

-- The erasure list: what began before that moment and comes later all the same (from a node's disk, from a backup) is
-- stored without the person.
CREATE TABLE erased_people (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    person_key bytea NOT NULL,
    before_at timestamptz NOT NULL,
    listed_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_erased_people PRIMARY KEY (agency_id, id)
);
CREATE INDEX ix_erased_people_agency_id_person_key ON erased_people (agency_id, person_key);

-- Which node has looked through its disk for which entry of the list.
CREATE TABLE erasure_sweeps (
    agency_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    node text NOT NULL,
    swept_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_erasure_sweeps PRIMARY KEY (agency_id, erasure_id, node)
);

-- Proofs of what was deleted: the signed text, byte for byte. It only grows.
CREATE TABLE privacy_receipts (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    kind text NOT NULL,
    request_id uuid,
    document text NOT NULL,
    signature bytea NOT NULL,
    key_id text NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_privacy_receipts PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_privacy_receipts_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_privacy_receipts_kind CHECK (kind IN ('retention', 'erase', 'export'))
);

-- Public keys of receipts, for ever: a receipt outlives its key. The private half is sealed by the master keys.
CREATE TABLE receipt_keys (
    key_id text NOT NULL,
    public_key bytea NOT NULL,
    sealed_private_key bytea NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_receipt_keys PRIMARY KEY (key_id),
    CONSTRAINT ck_receipt_keys_public_key CHECK (octet_length(public_key) = 32)
);

-- What each version of a flow plays to callers before or while it records: steps with their sounds, kept when the next
-- version is published, because a call is proven by the version that it ran.
CREATE TABLE flow_notices (
    agency_id uuid NOT NULL,
    flow_id uuid NOT NULL,
    version integer NOT NULL,
    record boolean NOT NULL,
    steps jsonb NOT NULL,
    CONSTRAINT pk_flow_notices PRIMARY KEY (agency_id, flow_id, version)
);

CREATE FUNCTION dialtrace_note_notices() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO flow_notices (agency_id, flow_id, version, record, steps)
    SELECT NEW.agency_id, NEW.flow_id, NEW.version, coalesce((NEW.compiled ->> 'record')::boolean, false),
           coalesce(jsonb_object_agg(s.key, jsonb_build_object('type', s.value ->> 'type',
                                                               'notice', s.value #> '{prompt,name}'))
                    FILTER (WHERE s.value ->> 'type' IN ('consent', 'announce')), '{}')
    FROM jsonb_each(CASE jsonb_typeof(NEW.compiled -> 'steps') WHEN 'object' THEN NEW.compiled -> 'steps'
                    ELSE '{}' END) AS s
    ON CONFLICT (agency_id, flow_id, version) DO UPDATE SET record = excluded.record, steps = excluded.steps;
    RETURN NULL;
END $$;
CREATE TRIGGER note_notices AFTER INSERT OR UPDATE OF version, compiled ON published_flows
    FOR EACH ROW EXECUTE FUNCTION dialtrace_note_notices();

-- How a call's caller came to be recorded: which notice was played when, and what was answered. It stays as long as any
-- recording of the call does.
CREATE TABLE consents (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    client_id uuid NOT NULL,
    rule text NOT NULL,
    step text,
    notice text,
    notice_sha256 bytea,
    played_at timestamptz,
    answer text NOT NULL,
    answered_at timestamptz,
    flow_id uuid,
    flow_version integer,
    noted_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_consents PRIMARY KEY (agency_id, call_id),
    CONSTRAINT ck_consents_rule CHECK (rule IN ('ask', 'notice', 'none', 'off')),
    CONSTRAINT ck_consents_answer CHECK (answer IN ('given', 'refused', 'not_asked', 'not_answered'))
);

DO $$
DECLARE
    tenant_table text;
    client_column text;
    allowed text;
BEGIN
    FOR tenant_table, client_column IN
        VALUES ('retention_rules', 'client_id'), ('retention_bounds', NULL), ('legal_holds', 'client_id'),
               ('subject_requests', 'client_id'), ('subject_calls', 'client_id'), ('erased_people', 'client_id'),
               ('erasure_sweeps', NULL), ('flow_notices', NULL), ('privacy_receipts', 'client_id'), ('consents', 'client_id')
    LOOP
        allowed := 'agency_id = dialtrace_agency()';
        IF client_column IS NOT NULL THEN
            allowed := format('%s AND (dialtrace_client() IS NULL OR %I = dialtrace_client())', allowed, client_column);
        END IF;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
    -- Agents and jobs serve all tenants, through the functions below.
    FOREACH tenant_table IN ARRAY ARRAY['subject_requests', 'erased_people', 'erasure_sweeps', 'flow_notices'] LOOP
        EXECUTE format('CREATE POLICY functions ON %I TO dialtrace_owner USING (true) WITH CHECK (true)', tenant_table);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON retention_rules, retention_bounds, legal_holds, subject_requests, consents TO dialtrace_app;
GRANT DELETE ON retention_bounds TO dialtrace_app;
GRANT SELECT, INSERT, DELETE ON subject_calls TO dialtrace_app;
GRANT SELECT, INSERT ON erased_people, privacy_receipts TO dialtrace_app;
GRANT SELECT ON erasure_sweeps, flow_notices TO dialtrace_app;
-- What was published before.
UPDATE published_flows SET version = version;

CREATE POLICY functions ON prompts FOR SELECT TO dialtrace_owner USING (true);

-- SHA-256 of a sound as nodes play it: the agency's own, or one of the operator's.
CREATE FUNCTION dialtrace_prompt_digest(p_agency uuid, p_name text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.sha256 FROM prompts p
    WHERE p.name = p_name AND p.agency_id IN (p_agency, '00000000-0000-7000-8000-000000000001')
    ORDER BY p.agency_id <> p_agency LIMIT 1
$$;

CREATE FUNCTION dialtrace_receipt_key_put(p_key_id text, p_public bytea, p_sealed bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO receipt_keys (key_id, public_key, sealed_private_key) VALUES (p_key_id, p_public, p_sealed)
    ON CONFLICT (key_id) DO UPDATE SET sealed_private_key = excluded.sealed_private_key
$$;

-- The newest first.
CREATE FUNCTION dialtrace_receipt_keys()
RETURNS TABLE (key_id text, public_key bytea, sealed_private_key bytea, made_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.key_id, k.public_key, k.sealed_private_key, k.made_at FROM receipt_keys k ORDER BY k.made_at DESC, k.key_id
$$;

-- Whether somebody's hold stands in the way of deleting this call or what is known of it.
CREATE FUNCTION dialtrace_is_held(p_agency uuid, p_client uuid, p_call uuid, p_caller text, p_caller_key bytea)
RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM legal_holds h
        WHERE h.agency_id = p_agency AND h.lifted_at IS NULL AND (h.client_id IS NULL OR h.client_id = p_client)
          AND CASE h.kind WHEN 'client' THEN true WHEN 'call' THEN h.call_id = p_call
              ELSE h.person_key = coalesce(p_caller_key, dialtrace_person_key(p_agency, p_caller)) END)
$$;

-- Requests that are not done and that nobody is working on, of all agencies.
CREATE FUNCTION dialtrace_subject_requests_due(p_most integer) RETURNS TABLE (agency_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.agency_id, r.id FROM subject_requests r
    WHERE r.state <> 'done' AND (r.claimed_until IS NULL OR r.claimed_until < now()) ORDER BY r.requested_at LIMIT p_most
$$;

-- How many requests are open, and how old the oldest is in seconds; for metrics.
CREATE FUNCTION dialtrace_subject_requests_open() RETURNS TABLE (kind text, open bigint, oldest_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.kind, count(r.id), coalesce(extract(epoch FROM now() - min(r.requested_at)), 0)
    FROM (VALUES ('export'), ('erase')) AS k (kind) LEFT JOIN subject_requests r ON r.kind = k.kind AND r.state <> 'done'
    GROUP BY k.kind
$$;

-- Entries of the erasure list for which a node has not looked through its disk yet.
CREATE FUNCTION dialtrace_erasures_of_node(p_node text)
RETURNS TABLE (agency_id uuid, id uuid, client_id uuid, before_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT e.agency_id, e.id, e.client_id, e.before_at FROM erased_people e
    WHERE NOT EXISTS (SELECT FROM erasure_sweeps s
                      WHERE s.agency_id = e.agency_id AND s.erasure_id = e.id AND s.node = p_node)
    ORDER BY e.listed_at LIMIT 1000
$$;

-- Which of these numbers are on the list: only whoever names a number learns of it.
CREATE FUNCTION dialtrace_erased_numbers(p_erasures uuid[], p_numbers text[])
RETURNS TABLE (id uuid, number text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT e.id, n.number FROM erased_people e CROSS JOIN unnest(p_numbers) AS n (number)
    WHERE e.id = ANY (p_erasures) AND e.person_key = dialtrace_person_key(e.agency_id, n.number)
$$;

CREATE FUNCTION dialtrace_erasure_swept(p_node text, p_erasures uuid[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO erasure_sweeps (agency_id, erasure_id, node)
    SELECT e.agency_id, e.id, p_node FROM erased_people e WHERE e.id = ANY (p_erasures) ON CONFLICT DO NOTHING
$$;

-- Forgets a caller's habits and whether an agency welcomed them.
CREATE FUNCTION dialtrace_forget_caller(p_agency uuid, p_number text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_key bytea := dialtrace_caller_key(p_number);
    v_rows bigint;
    v_more bigint;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    DELETE FROM caller_patterns p WHERE p.caller_key = v_key;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    DELETE FROM welcome_callers w WHERE w.agency_id = p_agency AND w.caller_key = v_key;
    GET DIAGNOSTICS v_more = ROW_COUNT;
    RETURN v_rows + v_more;
END $$;

-- Rows of calls that no monitor speaks for any more: a call that stands is the monitor's.
CREATE FUNCTION dialtrace_forget_dead_calls(p_agency uuid, p_calls uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    DELETE FROM live_calls l WHERE l.agency_id = p_agency AND l.call_id = ANY (p_calls)
        AND l.seen_at < now() - interval '10 minutes';
    DELETE FROM queue_entries q WHERE q.agency_id = p_agency AND q.call_id = ANY (p_calls)
        AND NOT EXISTS (SELECT FROM live_calls l WHERE l.agency_id = p_agency AND l.call_id = q.call_id);
END $$;

-- Puts a replacement wherever a text matches, in these columns of one table of the agency, or (NULL) deletes such rows;
-- returns how many. Columns may be text, arrays of it, or JSON; p_moment is the column that p_from and p_until bound, if any.
CREATE FUNCTION dialtrace_erase_mentions(p_agency uuid, p_client uuid, p_table text, p_columns text[], p_pattern text,
    p_replacement text, p_moment text, p_from timestamptz, p_until timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_sets text;
    v_where text;
    v_clause text := 't.agency_id = $1';
    v_rows bigint;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    SELECT string_agg(format('%1$I = regexp_replace(t.%1$I::text, $2, $3, ''g'')::%2$s', a.attname,
                             format_type(a.atttypid, a.atttypmod)), ', '),
           string_agg(format('t.%I::text ~ $2', a.attname), ' OR ')
    INTO v_sets, v_where FROM pg_attribute a
    WHERE a.attrelid = ('public.' || quote_ident(p_table))::regclass AND a.attname = ANY (p_columns) AND NOT a.attisdropped
      AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text[]'::regtype);
    IF v_sets IS NULL THEN
        RETURN 0;
    END IF;
    IF p_client IS NOT NULL THEN
        v_clause := v_clause || ' AND t.client_id = $4';
    END IF;
    IF p_moment IS NOT NULL THEN
        v_clause := v_clause || format(' AND t.%1$I >= $5 AND t.%1$I < $6', p_moment);
    END IF;
    -- What somebody holds is left as it is.
    IF p_table = 'calls' THEN
        v_clause := v_clause || ' AND NOT dialtrace_is_held($1, t.client_id, t.id, t.caller, t.caller_key)';
    ELSIF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ('public.' || quote_ident(p_table))::regclass
                  AND a.attname = 'call_id' AND NOT a.attisdropped) THEN
        v_clause := v_clause || ' AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.agency_id = $1'
            || ' AND h.lifted_at IS NULL AND h.kind = ''call'' AND h.call_id = t.call_id)';
    END IF;
    EXECUTE CASE WHEN p_replacement IS NULL THEN format('DELETE FROM %I t WHERE %s AND (%s)', p_table, v_clause, v_where)
            ELSE format('UPDATE %I t SET %s WHERE %s AND (%s)', p_table, v_sets, v_clause, v_where) END
        USING p_agency, p_pattern, p_replacement, p_client, p_from, p_until;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END $$;

-- What a table holds of the person of a request: the rows of the calls found, or those in which the number stands.
CREATE FUNCTION dialtrace_subject_rows(p_agency uuid, p_client uuid, p_request uuid, p_table text, p_call_column text,
    p_columns text[], p_pattern text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_where text := 'false';
    v_client text := CASE WHEN p_client IS NULL THEN '' ELSE ' AND t.client_id = $4' END;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    IF p_call_column IS NOT NULL THEN
        v_where := format('t.%I IN (SELECT s.call_id FROM subject_calls s WHERE s.agency_id = $1 AND s.request_id = $2)',
                          p_call_column);
    ELSIF cardinality(p_columns) > 0 THEN
        SELECT coalesce(string_agg(format('t.%I::text ~ $3', a.attname), ' OR '), 'false') INTO v_where FROM pg_attribute a
        WHERE a.attrelid = ('public.' || quote_ident(p_table))::regclass AND a.attname = ANY (p_columns)
          AND NOT a.attisdropped
          AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text[]'::regtype);
    END IF;
    RETURN QUERY EXECUTE format('SELECT to_jsonb(t) FROM %I t WHERE t.agency_id = $1 AND (%s)%s', p_table, v_where, v_client)
        USING p_agency, p_request, p_pattern, p_client;
END $$;

-- Deletes records whose time is over, the oldest first, with all that hangs on them; nothing that is held, and none that
-- a recording is left of. Returns the calls that went.
CREATE FUNCTION dialtrace_purge_calls(p_agency uuid, p_client uuid, p_before timestamptz, p_most integer)
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
    RETURN QUERY DELETE FROM calls c WHERE c.agency_id = p_agency AND c.id = ANY (v_ids) AND c.started_at = ANY (v_starts)
        RETURNING c.id, c.started_at;
END $$;

REVOKE ALL ON FUNCTION dialtrace_note_notices(), dialtrace_prompt_digest(uuid, text), dialtrace_person_key(uuid, text), dialtrace_receipt_key_put(text, bytea, bytea),
    dialtrace_receipt_keys(), dialtrace_is_held(uuid, uuid, uuid, text, bytea), dialtrace_subject_requests_due(integer),
    dialtrace_subject_requests_open(), dialtrace_erasures_of_node(text), dialtrace_erased_numbers(uuid[], text[]),
    dialtrace_erasure_swept(text, uuid[]), dialtrace_forget_caller(uuid, text), dialtrace_forget_dead_calls(uuid, uuid[]),
    dialtrace_erase_mentions(uuid, uuid, text, text[], text, text, text, timestamptz, timestamptz),
    dialtrace_subject_rows(uuid, uuid, uuid, text, text, text[], text),
    dialtrace_purge_calls(uuid, uuid, timestamptz, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_prompt_digest(uuid, text), dialtrace_person_key(uuid, text), dialtrace_receipt_key_put(text, bytea, bytea),
    dialtrace_receipt_keys(), dialtrace_is_held(uuid, uuid, uuid, text, bytea), dialtrace_subject_requests_due(integer),
    dialtrace_subject_requests_open(), dialtrace_erasures_of_node(text), dialtrace_erased_numbers(uuid[], text[]),
    dialtrace_erasure_swept(text, uuid[]), dialtrace_forget_caller(uuid, text), dialtrace_forget_dead_calls(uuid, uuid[]),
    dialtrace_erase_mentions(uuid, uuid, text, text[], text, text, text, timestamptz, timestamptz),
    dialtrace_subject_rows(uuid, uuid, uuid, text, text, text[], text),
    dialtrace_purge_calls(uuid, uuid, timestamptz, integer)
TO dialtrace_app;

-- As before; which client's call it is is said here, since the owner may read those of all.
CREATE OR REPLACE FUNCTION dialtrace_welcome_caller(p_agency uuid, p_call uuid, p_welcome boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_key bytea;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    SELECT dialtrace_caller_key(c.caller) INTO v_key FROM calls c
    WHERE c.agency_id = p_agency AND c.id = p_call AND c.caller IS NOT NULL
      AND (dialtrace_client() IS NULL OR c.client_id = dialtrace_client())
    ORDER BY c.started_at DESC LIMIT 1;
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
