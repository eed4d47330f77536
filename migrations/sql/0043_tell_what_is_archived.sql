-- Whoever asks for calls is told when some of them may have gone to the archive.

-- The first moment after the last month of the tenant's calls that had gone by p_by (NULL: by now) and lies in the span
-- from p_from to p_until (NULL: open); NULL: none has. A client is told of its agency's months: whose calls stood in them
-- only the files say.
CREATE FUNCTION dialtrace_archived_until(p_from timestamptz, p_until timestamptz, p_by timestamptz) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_agency uuid := dialtrace_agency();
    v_client_before text := coalesce(current_setting('dialtrace.client', true), '');
    v_month date;
BEGIN
    PERFORM set_config('dialtrace.client', '', true);
    SELECT max(r.month) INTO v_month FROM retired_months r JOIN export_objects o
        ON o.agency_id = v_agency AND o.kind = 'partition' AND o.state = 'stored' AND o.content = 'calls'
        AND o.object_name = v_agency::text || '/archive/' || to_char(r.month, 'YYYY-MM') || '/' || r.part || '/calls.parquet'
    WHERE r.parent = 'calls' AND r.retired_at IS NOT NULL AND (p_by IS NULL OR r.retired_at <= p_by)
      AND (p_until IS NULL OR r.month::timestamptz < p_until)
      AND (p_from IS NULL OR (r.month + interval '1 month')::timestamptz > p_from);
    PERFORM set_config('dialtrace.client', v_client_before, true);
    RETURN (v_month + interval '1 month')::timestamptz;
END $$;

REVOKE ALL ON FUNCTION dialtrace_archived_until(timestamptz, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_archived_until(timestamptz, timestamptz, timestamptz) TO dialtrace_app;
