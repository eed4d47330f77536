-- What people and their systems say of calls: beside the record, which it never changes.
CREATE TABLE call_assessments (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    client_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    tags text[] NOT NULL,
    note text,
    score smallint,
    value_amount numeric(16, 4),
    value_currency text,
    sale_amount numeric(16, 4),
    sale_currency text,
    sold_at timestamptz,
    sale_reference text,
    version integer NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_call_assessments PRIMARY KEY (agency_id, call_id),
    CONSTRAINT ck_call_assessments_score CHECK (score BETWEEN 0 AND 100),
    CONSTRAINT ck_call_assessments_value CHECK ((value_amount IS NULL) = (value_currency IS NULL)),
    CONSTRAINT ck_call_assessments_sale CHECK ((sale_amount IS NULL) = (sale_currency IS NULL))
);
ALTER TABLE call_assessments ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_assessments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON call_assessments
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT, INSERT, UPDATE, DELETE ON call_assessments TO dialtrace_app;
SELECT dialtrace_audit_table('call_assessments', 'assessment', 'call_id', 'tags note sale_reference');

-- As before, with what was said of the calls.
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
    RETURN QUERY DELETE FROM calls c WHERE c.agency_id = p_agency AND c.id = ANY (v_ids) AND c.started_at = ANY (v_starts)
        RETURNING c.id, c.started_at;
END $$;
