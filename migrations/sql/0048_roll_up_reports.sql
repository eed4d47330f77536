-- Sums of days that reports read instead of the records (platform/reports/rollup_store.py), and notes of days that late
-- facts have changed. What is fresh costs nothing: the triggers' conditions hold only for rows of more than an hour ago,
-- and no sum covers the last hour and a half.

-- Until when a client's days are summed up, and by what: where the zone, the settings or the edition are others now, no sum
-- of this client is read.
CREATE TABLE report_coverage (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    edition integer NOT NULL,
    time_zone text NOT NULL,
    settings_version integer NOT NULL,
    covered_until timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_report_coverage PRIMARY KEY (agency_id, client_id),
    CONSTRAINT fk_report_coverage_agency_id_client_id FOREIGN KEY(agency_id, client_id)
        REFERENCES clients (agency_id, id)
);

-- A span in which something has changed since it was summed up. Rows are added without looking at others, so that nobody
-- who writes a record waits for another.
CREATE TABLE report_changes (
    agency_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    client_id uuid NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    noted_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_report_changes PRIMARY KEY (agency_id, id)
);
CREATE INDEX ix_report_changes_agency_id_client_id ON report_changes (agency_id, client_id);

-- One row a day, cut and group. A cut is a choice of dimensions; those of other cuts are null.
CREATE TABLE report_sums (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    cut text NOT NULL,
    day date NOT NULL,
    family text NOT NULL,
    place integer NOT NULL,
    hour smallint,
    channel text,
    source text,
    medium text,
    campaign text,
    content text,
    keyword text,
    number text,
    flow text,
    target text,
    outcome text,
    sale_currency text,
    calls bigint NOT NULL,
    first_calls bigint NOT NULL,
    repeat_calls bigint NOT NULL,
    answered bigint NOT NULL,
    missed bigint NOT NULL,
    blocked bigint NOT NULL,
    answer_ms bigint NOT NULL,
    slow_answers bigint NOT NULL,
    talk_ms bigint NOT NULL,
    target_calls bigint NOT NULL,
    leads bigint NOT NULL,
    sales bigint NOT NULL,
    revenue numeric NOT NULL,
    spam_calls bigint NOT NULL,
    confident_calls bigint NOT NULL,
    visits bigint NOT NULL,
    CONSTRAINT pk_report_sums PRIMARY KEY (agency_id, client_id, cut, day, family, place)
);

-- How many callers of a day, within a cut, had last called on which day. Who is new within any span of days follows from
-- it exactly: those whose last call before lies before the span.
CREATE TABLE report_callers (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    cut text NOT NULL,
    day date NOT NULL,
    place integer NOT NULL,
    channel text,
    source text,
    previous_day date,
    callers bigint NOT NULL,
    CONSTRAINT pk_report_callers PRIMARY KEY (agency_id, client_id, cut, day, place)
);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['report_coverage', 'report_changes', 'report_sums', 'report_callers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO dialtrace_app', tenant_table);
    END LOOP;
END $$;
CREATE POLICY functions ON report_changes TO dialtrace_owner USING (true) WITH CHECK (true);

-- One span a day, of the moment itself and of every later call of the same caller: whether these are first calls, and
-- which day the caller was heard of before, may be otherwise now.
CREATE FUNCTION dialtrace_note_change(p_agency uuid, p_client uuid, p_at timestamptz, p_caller text, p_key bytea)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO report_changes (agency_id, client_id, from_at, until_at)
    SELECT p_agency, p_client, min(found.at), max(found.at) FROM (
        SELECT p_at AS at
        UNION ALL
        SELECT c.started_at FROM calls c
        WHERE c.agency_id = p_agency AND c.client_id = p_client AND c.caller = p_caller AND c.started_at > p_at
        UNION ALL
        SELECT c.started_at FROM calls c
        WHERE c.agency_id = p_agency AND c.client_id = p_client AND c.caller_key = p_key AND c.started_at > p_at) found
    GROUP BY date_trunc('day', found.at, 'UTC');
END $$;

CREATE FUNCTION dialtrace_note_call() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.client_id, OLD.started_at, OLD.is_test) = (NEW.client_id, NEW.started_at, NEW.is_test)
       AND (OLD.caller, OLD.caller_key) IS NOT DISTINCT FROM (NEW.caller, NEW.caller_key) THEN
        PERFORM dialtrace_note_change(NEW.agency_id, NEW.client_id, NEW.started_at, NULL, NULL);
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM dialtrace_note_change(OLD.agency_id, OLD.client_id, OLD.started_at, OLD.caller, OLD.caller_key);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM dialtrace_note_change(NEW.agency_id, NEW.client_id, NEW.started_at, NEW.caller, NEW.caller_key);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_added AFTER INSERT ON calls FOR EACH ROW
    WHEN (NEW.started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_call();
CREATE TRIGGER note_changed AFTER UPDATE ON calls FOR EACH ROW
    WHEN (OLD.started_at < now() - interval '1 hour'
          AND (OLD.client_id, OLD.started_at, OLD.is_test, OLD.outcome, OLD.caller, OLD.caller_key, OLD.connected_at,
               OLD.talk_ms, OLD.spam_score, OLD.facts -> 'tags', OLD.number, OLD.flow_id, OLD.target_id)
              IS DISTINCT FROM
              (NEW.client_id, NEW.started_at, NEW.is_test, NEW.outcome, NEW.caller, NEW.caller_key, NEW.connected_at,
               NEW.talk_ms, NEW.spam_score, NEW.facts -> 'tags', NEW.number, NEW.flow_id, NEW.target_id))
    EXECUTE FUNCTION dialtrace_note_call();
CREATE TRIGGER note_removed AFTER DELETE ON calls FOR EACH ROW
    WHEN (OLD.started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_call();

-- By its source a caller is counted within channels: his later calls may be the first there.
CREATE FUNCTION dialtrace_note_attribution() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_of attributions := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    v_call record;
BEGIN
    SELECT c.caller, c.caller_key INTO v_call FROM calls c
    WHERE c.agency_id = v_of.agency_id AND c.id = v_of.call_id AND c.started_at = v_of.call_started_at;
    PERFORM dialtrace_note_change(v_of.agency_id, v_of.client_id, v_of.call_started_at, v_call.caller, v_call.caller_key);
    RETURN NULL;
END $$;
CREATE TRIGGER note_added AFTER INSERT ON attributions FOR EACH ROW
    WHEN (NEW.call_started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_attribution();
CREATE TRIGGER note_changed AFTER UPDATE ON attributions FOR EACH ROW
    WHEN (OLD.call_started_at < now() - interval '1 hour'
          AND (OLD.channel, OLD.source, OLD.medium, OLD.campaign, OLD.content, OLD.keyword, OLD.source_probability)
              IS DISTINCT FROM
              (NEW.channel, NEW.source, NEW.medium, NEW.campaign, NEW.content, NEW.keyword, NEW.source_probability))
    EXECUTE FUNCTION dialtrace_note_attribution();
CREATE TRIGGER note_removed AFTER DELETE ON attributions FOR EACH ROW
    WHEN (OLD.call_started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_attribution();

-- What people say of a call changes its own day only.
CREATE FUNCTION dialtrace_note_assessment() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_of call_assessments := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    PERFORM dialtrace_note_change(v_of.agency_id, v_of.client_id, v_of.call_started_at, NULL, NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER note_said AFTER INSERT OR UPDATE ON call_assessments FOR EACH ROW
    WHEN (NEW.call_started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_assessment();
CREATE TRIGGER note_removed AFTER DELETE ON call_assessments FOR EACH ROW
    WHEN (OLD.call_started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_assessment();

CREATE FUNCTION dialtrace_note_visit() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_of visits := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    PERFORM dialtrace_note_change(v_of.agency_id, v_of.client_id, v_of.started_at, NULL, NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER note_added AFTER INSERT ON visits FOR EACH ROW
    WHEN (NEW.started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_visit();
CREATE TRIGGER note_changed AFTER UPDATE ON visits FOR EACH ROW
    WHEN (OLD.started_at < now() - interval '1 hour'
          AND (OLD.is_bot, OLD.is_preview, OLD.channel, OLD.source, OLD.medium, OLD.campaign, OLD.content, OLD.keyword)
              IS DISTINCT FROM
              (NEW.is_bot, NEW.is_preview, NEW.channel, NEW.source, NEW.medium, NEW.campaign, NEW.content, NEW.keyword))
    EXECUTE FUNCTION dialtrace_note_visit();
CREATE TRIGGER note_removed AFTER DELETE ON visits FOR EACH ROW
    WHEN (OLD.started_at < now() - interval '1 hour') EXECUTE FUNCTION dialtrace_note_visit();

REVOKE ALL ON FUNCTION dialtrace_note_change(uuid, uuid, timestamptz, text, bytea), dialtrace_note_call(),
    dialtrace_note_attribution(), dialtrace_note_assessment(), dialtrace_note_visit() FROM PUBLIC;
