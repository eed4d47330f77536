-- Monthly partitions: every partitioned table of the catalogue has its months made ahead, and a month whose time is over
-- goes: its rows stand in the object store by then (platform/archive), and nothing of it goes before that.

-- Which months went, or are on their way: the operator's own record. No row of a tenant.
CREATE TABLE retired_months (
    parent text NOT NULL,
    month date NOT NULL,
    part integer NOT NULL,
    row_count bigint,
    begun_at timestamptz DEFAULT now() NOT NULL,
    retired_at timestamptz,
    CONSTRAINT pk_retired_months PRIMARY KEY (parent, month, part),
    CONSTRAINT ck_retired_months_month CHECK (date_trunc('month', month) = month)
);

-- Tables that are partitioned by month, each with the column that says which.
CREATE FUNCTION dialtrace_partitioned() RETURNS TABLE (parent text, moment text)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.relname::text, a.attname::text
    FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
    WHERE c.relnamespace = 'public'::regnamespace AND p.partstrat = 'r' AND p.partnatts = 1
      AND a.atttypid = 'timestamptz'::regtype AND to_regclass('public.' || quote_ident(c.relname || '_default')) IS NOT NULL
    ORDER BY c.relname
$$;

-- As before, for every table that is partitioned so.
CREATE OR REPLACE FUNCTION dialtrace_make_partitions(p_from date, p_months integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
-- Who waits for a table holds up everybody behind him: better to come again later.
SET lock_timeout = '2s' AS $$
DECLARE
    v_parent text;
    v_column text;
    v_name text;
    v_month timestamptz;
    v_next timestamptz;
    v_strays boolean;
    v_made integer := 0;
BEGIN
    IF p_months NOT BETWEEN 1 AND 120 THEN
        RAISE EXCEPTION 'between 1 and 120 months at a time, not %', p_months USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Two makers wait for each other instead of failing on the same name.
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.partitions', 0));
    FOR v_parent, v_column IN SELECT parent, moment FROM dialtrace_partitioned() LOOP
        FOR v_step IN 0 .. p_months - 1 LOOP
            v_month := date_trunc('month', p_from::timestamptz) + make_interval(months => v_step);
            v_next := v_month + interval '1 month';
            v_name := v_parent || to_char(v_month, '_YYYY_MM');
            CONTINUE WHEN to_regclass('public.' || v_name) IS NOT NULL;
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', v_name, v_parent);
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE %I >= $1 AND %I < $2)',
                           v_parent || '_default', v_column, v_column) INTO v_strays USING v_month, v_next;
            IF v_strays THEN
                EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', v_parent || '_default');
                EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE %I >= $1 AND %I < $2 RETURNING *)'
                               ' INSERT INTO public.%I SELECT * FROM moved',
                               v_parent || '_default', v_column, v_column, v_name) USING v_month, v_next;
            END IF;
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                           v_parent, v_name, v_month, v_next);
            v_made := v_made + 1;
        END LOOP;
    END LOOP;
    RETURN v_made;
END $$;

-- What there is: each partition with its month (NULL: the default one, which takes what has no month), its rows as the
-- server last counted them, and its bytes with indexes.
CREATE FUNCTION dialtrace_partitions()
RETURNS TABLE (parent text, month date, row_estimate bigint, size_bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.parent, to_date(substring(c.relname FROM '_([0-9]{4}_[0-9]{2})$'), 'YYYY_MM'),
           greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
    FROM dialtrace_partitioned() p
    JOIN pg_inherits i ON i.inhparent = to_regclass('public.' || quote_ident(p.parent)) JOIN pg_class c ON c.oid = i.inhrelid
    ORDER BY p.parent, 2 NULLS LAST
$$;

-- Months of which rows stand in default partitions: records that came after their month went, or before it was made.
CREATE FUNCTION dialtrace_stray_months() RETURNS TABLE (parent text, month date, row_count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_parent text;
    v_column text;
BEGIN
    FOR v_parent, v_column IN SELECT p.parent, p.moment FROM dialtrace_partitioned() p LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L, date_trunc(''month'', %I)::date, count(*) FROM public.%I GROUP BY 2', v_parent, v_column,
            v_parent || '_default');
    END LOOP;
END $$;

-- How many rows each partition of a month has, and a mark that changes with any row of it that comes, goes or changes.
CREATE FUNCTION dialtrace_month_marks(p_month date) RETURNS TABLE (parent text, row_count bigint, mark bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_parent text;
    v_name text;
BEGIN
    FOR v_parent IN SELECT p.parent FROM dialtrace_partitioned() p LOOP
        v_name := v_parent || to_char(p_month, '_YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || quote_ident(v_name)) IS NULL;
        RETURN QUERY EXECUTE format(
            'SELECT %L, count(*), coalesce(bit_xor(hashtextextended(ctid::text || xmin::text, 0)), 0) FROM public.%I',
            v_parent, v_name);
    END LOOP;
END $$;

-- Whose rows stand in a month.
CREATE FUNCTION dialtrace_month_agencies(p_month date) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_parent text;
    v_name text;
    v_query text := '';
BEGIN
    FOR v_parent IN SELECT p.parent FROM dialtrace_partitioned() p LOOP
        v_name := v_parent || to_char(p_month, '_YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || quote_ident(v_name)) IS NULL;
        v_query := v_query || CASE WHEN v_query = '' THEN '' ELSE ' UNION ' END
            || format('SELECT DISTINCT agency_id FROM public.%I', v_name);
    END LOOP;
    IF v_query <> '' THEN
        RETURN QUERY EXECUTE v_query;
    END IF;
END $$;

-- What stands in the way of a month's going, each with how often: records that somebody holds, recordings that are still
-- there or on their way (without its record nobody could hold, hear or erase one), a person's erasure that is under way
-- (it may have looked through the files already and not through the records, or the other way round).
CREATE FUNCTION dialtrace_month_obstacles(p_month date) RETURNS TABLE (what text, how_many bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    v_from timestamptz := p_month::timestamptz;
    v_until timestamptz := p_month::timestamptz + interval '1 month';
BEGIN
    RETURN QUERY SELECT 'young', 1::bigint WHERE v_until > now() - interval '31 days';
    RETURN QUERY SELECT 'recordings', count(*) FROM recordings r
        WHERE r.call_started_at >= v_from AND r.call_started_at < v_until AND r.state <> 'absent' HAVING count(*) > 0;
    RETURN QUERY SELECT 'erasures', count(*) FROM subject_requests s
        WHERE s.kind = 'erase' AND s.state <> 'done' HAVING count(*) > 0;
    IF to_regclass('public.calls' || to_char(p_month, '_YYYY_MM')) IS NOT NULL THEN
        RETURN QUERY EXECUTE format(
            'SELECT ''holds'', count(*) FROM public.%I c WHERE EXISTS (SELECT FROM legal_holds h'
            ' WHERE h.agency_id = c.agency_id AND h.lifted_at IS NULL)'
            ' AND dialtrace_is_held(c.agency_id, c.client_id, c.id, c.caller, c.caller_key) HAVING count(*) > 0',
            'calls' || to_char(p_month, '_YYYY_MM'));
    END IF;
END $$;

-- Which months have gone or are on their way.
CREATE FUNCTION dialtrace_retired_months()
RETURNS TABLE (parent text, month date, part integer, row_count bigint, retired_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.parent, r.month, r.part, r.row_count, r.retired_at FROM retired_months r ORDER BY r.month, r.parent, r.part
$$;

-- The part that a run writes: the one that a run before it began and did not finish, else the next.
CREATE FUNCTION dialtrace_begin_part(p_month date) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_part integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.partitions', 0));
    SELECT coalesce(max(r.part) FILTER (WHERE r.retired_at IS NULL), coalesce(max(r.part), 0) + 1) INTO v_part
    FROM retired_months r WHERE r.month = p_month;
    INSERT INTO retired_months (parent, month, part)
    SELECT p.parent, p_month, v_part FROM dialtrace_partitioned() p
    WHERE to_regclass('public.' || quote_ident(p.parent || to_char(p_month, '_YYYY_MM'))) IS NOT NULL
    ON CONFLICT DO NOTHING;
    RETURN v_part;
END $$;

-- A month goes, all its tables at once: only where it is still as it was when it was exported (p_marks: table -> mark),
-- every row of it is listed in the object store, and nothing stands in the way. In one transaction: after a crash it is
-- wholly here or wholly gone. Writers of the month wait while it is looked at; everybody only for the moment in which it
-- goes, and if that moment does not come at once, it is not waited for.
CREATE FUNCTION dialtrace_retire_month(p_month date, p_part integer, p_marks jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
SET lock_timeout = '300ms' AS $$
DECLARE
    v_parent text;
    v_name text;
    v_rows bigint;
    v_mark bigint;
    v_listed bigint;
    v_agency uuid;
    v_total bigint := 0;
    v_faults text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialtrace.partitions', 0));
    FOR v_parent IN SELECT p.parent FROM dialtrace_partitioned() p LOOP
        v_name := v_parent || to_char(p_month, '_YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || quote_ident(v_name)) IS NULL;
        EXECUTE format('LOCK TABLE public.%I IN SHARE MODE', v_name);
    END LOOP;
    SELECT string_agg(o.what || ': ' || o.how_many, ', ') INTO v_faults FROM dialtrace_month_obstacles(p_month) o;
    IF v_faults IS NOT NULL THEN
        RAISE EXCEPTION 'the month cannot go: %', v_faults USING ERRCODE = 'object_in_use';
    END IF;
    FOR v_parent, v_rows, v_mark IN SELECT m.parent, m.row_count, m.mark FROM dialtrace_month_marks(p_month) m LOOP
        IF (p_marks ->> v_parent) IS DISTINCT FROM v_mark::text THEN
            RAISE EXCEPTION '% has changed since it was exported', v_parent USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        v_listed := 0;
        FOR v_agency IN SELECT a FROM dialtrace_month_agencies(p_month) a LOOP
            PERFORM set_config('dialtrace.agency', v_agency::text, true), set_config('dialtrace.client', '', true);
            SELECT v_listed + coalesce(sum(o.row_count), 0) INTO v_listed FROM export_objects o
            WHERE o.agency_id = v_agency AND o.kind = 'partition' AND o.state = 'stored'
              AND o.object_name = v_agency || to_char(p_month, '/"archive"/YYYY-MM/') || p_part || '/' || v_parent || '.parquet';
        END LOOP;
        PERFORM set_config('dialtrace.agency', '', true);
        IF v_listed <> v_rows THEN
            RAISE EXCEPTION '% has % rows, % stand in the store', v_parent, v_rows, v_listed
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        UPDATE retired_months r SET row_count = v_rows, retired_at = now()
        WHERE r.parent = v_parent AND r.month = p_month AND r.part = p_part;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'nobody has begun part % of %', p_part, v_parent
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        v_total := v_total + v_rows;
    END LOOP;
    -- From here on everybody waits for us: nothing is read any more.
    FOR v_parent IN SELECT p.parent FROM dialtrace_partitioned() p LOOP
        v_name := v_parent || to_char(p_month, '_YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || quote_ident(v_name)) IS NULL;
        EXECUTE format('ALTER TABLE public.%I DETACH PARTITION public.%I', v_parent, v_name);
        EXECUTE format('DROP TABLE public.%I', v_name);
    END LOOP;
    RETURN v_total;
END $$;

CREATE POLICY functions_read ON legal_holds FOR SELECT TO dialtrace_owner USING (true);

-- The operator's list of what stands in the store instead of months.
CREATE POLICY system_read ON export_objects FOR SELECT TO dialtrace_system USING (kind = 'partition');
GRANT SELECT ON export_objects TO dialtrace_system;

REVOKE ALL ON FUNCTION dialtrace_partitioned(), dialtrace_partitions(), dialtrace_stray_months(), dialtrace_month_marks(date),
    dialtrace_month_agencies(date), dialtrace_month_obstacles(date), dialtrace_retired_months(), dialtrace_begin_part(date),
    dialtrace_retire_month(date, integer, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_partitioned(), dialtrace_partitions(), dialtrace_stray_months(),
    dialtrace_month_marks(date), dialtrace_month_agencies(date), dialtrace_month_obstacles(date),
    dialtrace_retired_months(), dialtrace_begin_part(date), dialtrace_retire_month(date, integer, jsonb)
TO dialtrace_app;
