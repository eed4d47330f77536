-- To which visit a call belongs, revision by revision; the touches that came before it; what people have said of it;
-- promo codes; impressions that were imported; what was learnt. Rows are added and never changed.

CREATE TABLE attributions (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    revision integer NOT NULL,
    client_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    method text NOT NULL,
    rung text,
    visit_id uuid,
    visit_started_at timestamptz,
    visitor_id text,
    probability double precision,
    nobody double precision,
    channel text,
    source text,
    medium text,
    campaign text,
    content text,
    keyword text,
    source_probability double precision,
    candidates jsonb DEFAULT '[]' NOT NULL,
    curve_id uuid,
    digest bytea NOT NULL,
    CONSTRAINT pk_attributions PRIMARY KEY (agency_id, call_id, revision),
    CONSTRAINT ck_attributions_method CHECK (
        method IN ('manual', 'promo_code', 'visit', 'number', 'self_reported', 'unknown')),
    CONSTRAINT ck_attributions_revision CHECK (revision >= 1),
    CONSTRAINT ck_attributions_visit CHECK ((visit_id IS NULL) = (visit_started_at IS NULL))
);
CREATE INDEX ix_attributions_agency_id_client_id_call_started_at ON attributions (agency_id, client_id, call_started_at, call_id);
CREATE INDEX ix_attributions_agency_id_visit_id ON attributions (agency_id, visit_id) WHERE visit_id IS NOT NULL;

-- The touches before a call, as one revision of its attribution found them: one path for each visitor who may have called.
CREATE TABLE touches (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    revision integer NOT NULL,
    path smallint NOT NULL,
    place smallint NOT NULL,
    client_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    probability double precision NOT NULL,
    kind text NOT NULL,
    touched_at timestamptz NOT NULL,
    is_lead boolean DEFAULT false NOT NULL,
    visit_id uuid,
    visitor_id text,
    channel text,
    source text,
    medium text,
    campaign text,
    content text,
    keyword text,
    CONSTRAINT pk_touches PRIMARY KEY (agency_id, call_id, revision, path, place),
    CONSTRAINT ck_touches_kind CHECK (kind IN ('visit', 'impression'))
);
CREATE INDEX ix_touches_agency_id_visitor_id ON touches (agency_id, visitor_id, call_started_at) WHERE visitor_id IS NOT NULL;

-- What was said of a call: by somebody who knows, or by the caller. The note is free text.
CREATE TABLE corrections (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    call_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    kind text NOT NULL,
    said_at timestamptz DEFAULT now() NOT NULL,
    said_by uuid,
    visit_id uuid,
    visit_started_at timestamptz,
    code text,
    channel text,
    source text,
    medium text,
    campaign text,
    content text,
    keyword text,
    note text,
    CONSTRAINT pk_corrections PRIMARY KEY (agency_id, id),
    CONSTRAINT ck_corrections_kind CHECK (kind IN ('manual', 'withdrawn', 'promo_code', 'self_reported')),
    CONSTRAINT ck_corrections_visit CHECK ((visit_id IS NULL) = (visit_started_at IS NULL))
);
CREATE INDEX ix_corrections_agency_id_call_id ON corrections (agency_id, call_id, said_at);

-- Short numbers that visitors see; one that has expired may be given again.
CREATE TABLE promo_codes (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    code text NOT NULL,
    visit_id uuid NOT NULL,
    visit_started_at timestamptz NOT NULL,
    given_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_promo_codes PRIMARY KEY (agency_id, client_id, code)
);
CREATE INDEX ix_promo_codes_agency_id_visit_id ON promo_codes (agency_id, visit_id);

-- Advertisements that a visitor was shown, as an advertising system tells it.
CREATE TABLE impressions (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    reference text NOT NULL,
    visitor_id text NOT NULL,
    shown_at timestamptz NOT NULL,
    imported_at timestamptz DEFAULT now() NOT NULL,
    channel text,
    source text,
    medium text,
    campaign text,
    content text,
    keyword text,
    CONSTRAINT pk_impressions PRIMARY KEY (agency_id, client_id, reference)
);
CREATE INDEX ix_impressions_agency_id_visitor_id_shown_at ON impressions (agency_id, visitor_id, shown_at);

-- What was learnt of a site (how soon its visitors call) or of a client (what its channels are worth), version by version.
CREATE TABLE attribution_fits (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    site_id uuid,
    kind text NOT NULL,
    fitted_at timestamptz DEFAULT now() NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    calls integer NOT NULL,
    parameters jsonb NOT NULL,
    CONSTRAINT pk_attribution_fits PRIMARY KEY (agency_id, id),
    CONSTRAINT ck_attribution_fits_kind CHECK (kind IN ('recency', 'channels')),
    CONSTRAINT fk_attribution_fits_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id)
);
CREATE INDEX ix_attribution_fits_agency_id_client_id_kind_fitted_at ON attribution_fits (agency_id, client_id, kind, fitted_at);

-- What is still to be done for a call: match it (when it could not be done with its record), or gather its touches.
CREATE TABLE attribution_due (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    what text NOT NULL,
    client_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    due_since timestamptz DEFAULT now() NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    CONSTRAINT pk_attribution_due PRIMARY KEY (agency_id, call_id, what),
    CONSTRAINT ck_attribution_due_what CHECK (what IN ('match', 'touches'))
);
CREATE INDEX ix_attribution_due_due_since ON attribution_due (due_since);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'attributions', 'touches', 'corrections', 'promo_codes', 'impressions', 'attribution_fits', 'attribution_due'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;
-- What is said is said: nobody may change it. Erasure goes through its own functions.
GRANT SELECT, INSERT ON attributions, touches, corrections, attribution_fits TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON promo_codes, impressions TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON attribution_due TO dialtrace_app;

-- Which agencies have something to do: ids and times, nothing else of them.
CREATE POLICY system_read ON attribution_due FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON attribution_due TO dialtrace_system;

-- As before, with what was found of the calls.
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
    DELETE FROM attribution_due d WHERE d.agency_id = p_agency AND d.call_id = ANY (v_ids);
    RETURN QUERY DELETE FROM calls c WHERE c.agency_id = p_agency AND c.id = ANY (v_ids) AND c.started_at = ANY (v_starts)
        RETURNING c.id, c.started_at;
END $$;
