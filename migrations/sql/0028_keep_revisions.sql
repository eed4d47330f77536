-- What a record said before it was revised: of each revision the members that another took the place of.

CREATE TABLE call_revisions (
    agency_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    call_started_at timestamptz NOT NULL,
    call_id uuid NOT NULL,
    client_id uuid NOT NULL,
    leg_id uuid,
    revision integer NOT NULL,
    replaced_at timestamptz DEFAULT now() NOT NULL,
    before jsonb NOT NULL,
    CONSTRAINT pk_call_revisions PRIMARY KEY (agency_id, id, call_started_at)
) PARTITION BY RANGE (call_started_at);
CREATE INDEX ix_call_revisions_agency_id_call_id ON call_revisions (agency_id, call_id);
CREATE TABLE call_revisions_default PARTITION OF call_revisions DEFAULT;
SELECT dialtrace_make_partitions((date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date, 5);

ALTER TABLE call_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_revisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON call_revisions
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
CREATE POLICY functions ON call_revisions TO dialtrace_owner USING (true) WITH CHECK (true);
GRANT SELECT ON call_revisions TO dialtrace_app;

-- Runs in the transaction that revises: no revision without it. An insert costs nothing.
CREATE FUNCTION dialtrace_keep_revision() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_old jsonb := to_jsonb(OLD) - ARRAY['digest', 'updated_at', 'created_at', 'revision', 'caller_key'];
    v_before jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') INTO v_before
    FROM jsonb_each(v_old) o WHERE o.value IS DISTINCT FROM to_jsonb(NEW) -> o.key;
    INSERT INTO call_revisions (agency_id, call_started_at, call_id, client_id, leg_id, revision, before)
    VALUES (OLD.agency_id, CASE TG_ARGV[0] WHEN 'call' THEN (v_old ->> 'started_at')::timestamptz
                           ELSE (v_old ->> 'call_started_at')::timestamptz END,
            CASE TG_ARGV[0] WHEN 'call' THEN OLD.id ELSE (v_old ->> 'call_id')::uuid END,
            OLD.client_id, CASE TG_ARGV[0] WHEN 'leg' THEN OLD.id END, OLD.revision, v_before);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_revision AFTER UPDATE ON calls FOR EACH ROW WHEN (NEW.revision > OLD.revision)
    EXECUTE FUNCTION dialtrace_keep_revision('call');
CREATE TRIGGER keep_revision AFTER UPDATE ON legs FOR EACH ROW WHEN (NEW.revision > OLD.revision)
    EXECUTE FUNCTION dialtrace_keep_revision('leg');

-- A person who is taken out of a record is taken out of what it said before; a record that goes takes that along.
CREATE FUNCTION dialtrace_forget_revisions() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM call_revisions r
        WHERE r.agency_id = OLD.agency_id AND r.call_id = OLD.id AND r.call_started_at = OLD.started_at;
    ELSE
        UPDATE call_revisions r SET before = r.before - ARRAY['caller', 'caller_raw', 'caller_name', 'sip_call_id',
            'diversion', 'diverted_from', 'address', 'facts']
        WHERE r.agency_id = OLD.agency_id AND r.call_id = OLD.id AND r.call_started_at = OLD.started_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_revisions_anonymised AFTER UPDATE OF anonymised_at ON calls FOR EACH ROW
    WHEN (NEW.anonymised_at IS DISTINCT FROM OLD.anonymised_at) EXECUTE FUNCTION dialtrace_forget_revisions();
CREATE TRIGGER forget_revisions_deleted AFTER DELETE ON calls FOR EACH ROW EXECUTE FUNCTION dialtrace_forget_revisions();

REVOKE ALL ON FUNCTION dialtrace_keep_revision(), dialtrace_forget_revisions() FROM PUBLIC;
