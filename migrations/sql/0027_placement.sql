-- Which nodes serve a number, in order, for the edges; and what each pool has seen hour by hour, for its size.

-- Reference: an edge knows no tenant. Written by the pool manager alone, one agency at a time, through dialtrace_place.
CREATE TABLE placements (
    e164 text NOT NULL,
    nodes text[] NOT NULL,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT pk_placements PRIMARY KEY (e164)
);
CREATE INDEX ix_placements_changed_xid ON placements (changed_xid);

CREATE TABLE pool_hours (
    agency_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    client_id uuid NOT NULL,
    visits integer NOT NULL,
    shared integer NOT NULL,
    source integer NOT NULL,
    site integer NOT NULL,
    held_s double precision NOT NULL,
    numbers integer NOT NULL,
    CONSTRAINT pk_pool_hours PRIMARY KEY (agency_id, pool_id, hour),
    CONSTRAINT fk_pool_hours_agency_id_pool_id FOREIGN KEY(agency_id, pool_id) REFERENCES pools (agency_id, id)
);
ALTER TABLE pool_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE pool_hours FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pool_hours
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT, INSERT, UPDATE ON pool_hours TO dialtrace_app;

-- The manager goes from pool to pool of all agencies: which there are, nothing else of them.
CREATE POLICY system_read ON pools FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON pools TO dialtrace_system;

-- Where a number that joins a pool is served; NULL: the manager has not placed it yet.
CREATE FUNCTION dialtrace_first_node(p_e164 text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.nodes[1] FROM placements p WHERE p.e164 = p_e164
$$;

-- Numbers of an agency and their nodes as they stand, in the order of the numbers, from beyond p_after on. Released
-- numbers too: their callers are refused by name.
CREATE FUNCTION dialtrace_placed(p_agency uuid, p_after text, p_most integer) RETURNS TABLE (e164 text, nodes text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    RETURN QUERY
    SELECT d.e164, p.nodes FROM directory d LEFT JOIN placements p ON p.e164 = d.e164
    WHERE d.agency_id = p_agency AND d.e164 > p_after ORDER BY d.e164 LIMIT p_most;
END $$;
CREATE INDEX ix_directory_agency_id_e164 ON directory (agency_id, e164);
DROP INDEX ix_directory_agency_id;

-- Numbers whose entry in the directory has changed since a mark, with the mark to ask with next time: what is to be
-- placed. As dialtrace_routes_changed; p_since NULL: only the mark.
CREATE FUNCTION dialtrace_directory_changed(p_since xid8) RETURNS TABLE (mark xid8, agency_id uuid, e164 text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    SELECT pg_snapshot_xmin(pg_current_snapshot()), d.agency_id, d.e164
    FROM (SELECT) one LEFT JOIN directory d ON p_since IS NOT NULL AND d.changed_xid >= p_since;
END $$;

-- Places numbers of this transaction's agency: p_nodes[i] names the nodes of p_numbers[i] with blanks between. Returns how
-- many have moved. Leases follow in the same transaction.
CREATE FUNCTION dialtrace_place(p_agency uuid, p_numbers text[], p_nodes text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_moved integer;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    WITH wanted AS (
        SELECT w.e164, string_to_array(w.nodes, ' ') AS nodes, d.number_id
        FROM unnest(p_numbers, p_nodes) AS w (e164, nodes)
        JOIN directory d ON d.e164 = w.e164 AND d.agency_id = p_agency
    ), placed AS (
        INSERT INTO placements AS p (e164, nodes, changed_xid)
        SELECT w.e164, w.nodes, pg_current_xact_id() FROM wanted w ORDER BY w.e164
        ON CONFLICT (e164) DO UPDATE SET nodes = excluded.nodes, changed_xid = excluded.changed_xid
        WHERE p.nodes <> excluded.nodes
        RETURNING p.e164
    ), locked AS MATERIALIZED (
        -- In the order in which signs of life lock them.
        SELECT n.number_id, w.nodes FROM wanted w
        JOIN pool_numbers n ON n.agency_id = p_agency AND n.number_id = w.number_id
        WHERE n.first_node <> w.nodes[1] ORDER BY n.number_id FOR UPDATE OF n
    ), moved AS (
        UPDATE pool_numbers n SET first_node = l.nodes[1] FROM locked l
        WHERE n.agency_id = p_agency AND n.number_id = l.number_id
    )
    SELECT count(*) INTO v_moved FROM placed;
    RETURN v_moved;
END $$;

-- For edges: numbers whose nodes have changed since a mark, with the mark to ask with next time; NULL: all of them. As
-- dialtrace_routes_changed: at least one row, and a slow commit is told later, never lost.
CREATE FUNCTION dialtrace_placements_changed(p_since xid8) RETURNS TABLE (mark xid8, e164 text, nodes text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    SELECT pg_snapshot_xmin(pg_current_snapshot()), p.e164, p.nodes
    FROM (SELECT) one LEFT JOIN placements p ON p_since IS NULL OR p.changed_xid >= p_since;
END $$;

REVOKE ALL ON FUNCTION dialtrace_first_node(text), dialtrace_directory_changed(xid8), dialtrace_placed(uuid, text, integer),
    dialtrace_place(uuid, text[], text[]), dialtrace_placements_changed(xid8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_first_node(text), dialtrace_directory_changed(xid8), dialtrace_placed(uuid, text, integer),
    dialtrace_place(uuid, text[], text[]), dialtrace_placements_changed(xid8) TO dialtrace_app;
