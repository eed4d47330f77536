-- Reading the log from outside, and sequencing all agencies in one exchange.

-- The place of a type of event within a call (platform/events/model.py, RANKS): what monitor and agent saw of one call is
-- told in this order, whichever of them was first at the database. 0: of no call.
CREATE FUNCTION dialtrace_event_rank(p_type text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE p_type WHEN 'call.started' THEN 1 WHEN 'call.ringing' THEN 2 WHEN 'call.answered' THEN 3
        WHEN 'call.ended' THEN 4 WHEN 'call.revised' THEN 5 WHEN 'recording.ready' THEN 6
        WHEN 'attribution.revised' THEN 7 ELSE 0 END::smallint
$$;

-- Where the log ends: whoever reads it asks first, so that nothing below is still to come.
GRANT SELECT ON event_sequences TO dialtrace_app;

-- The sequencer looks for agencies that wait; of them it sees that they do.
CREATE POLICY functions_unsequenced ON events FOR SELECT TO dialtrace_owner USING (position IS NULL);

-- Gives positions to the committed events of every agency that waits, at most p_limit each; returns how many got one. An
-- agency that somebody else has in hand is passed by: it is done, and the rest is found by the next look.
CREATE FUNCTION dialtrace_sequence_waiting(p_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_agency uuid;
    v_given integer := 0;
    v_agency_before text := coalesce(current_setting('dialtrace.agency', true), '');
    v_client_before text := coalesce(current_setting('dialtrace.client', true), '');
BEGIN
    PERFORM set_config('dialtrace.agency', '', true), set_config('dialtrace.client', '', true);
    FOR v_agency IN
        -- From one agency to the next by the index, however much one of them has waiting.
        WITH RECURSIVE waiting AS (
            (SELECT e.agency_id FROM events e WHERE e.position IS NULL ORDER BY e.agency_id LIMIT 1)
            UNION ALL
            SELECT (SELECT e.agency_id FROM events e WHERE e.position IS NULL AND e.agency_id > w.agency_id
                    ORDER BY e.agency_id LIMIT 1)
            FROM waiting w WHERE w.agency_id IS NOT NULL
        ) SELECT w.agency_id FROM waiting w WHERE w.agency_id IS NOT NULL
    LOOP
        PERFORM set_config('dialtrace.agency', v_agency::text, true);
        -- Not by ON CONFLICT alone: that would wait for whoever is just moving the count.
        IF NOT EXISTS (SELECT FROM event_sequences s WHERE s.agency_id = v_agency) THEN
            INSERT INTO event_sequences (agency_id) VALUES (v_agency) ON CONFLICT DO NOTHING;
        END IF;
        PERFORM FROM event_sequences s WHERE s.agency_id = v_agency FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            v_given := v_given + dialtrace_sequence_events(v_agency, p_limit);
        END IF;
    END LOOP;
    PERFORM set_config('dialtrace.agency', v_agency_before, true), set_config('dialtrace.client', v_client_before, true);
    RETURN v_given;
END $$;

REVOKE ALL ON FUNCTION dialtrace_sequence_waiting(integer), dialtrace_event_rank(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_sequence_waiting(integer), dialtrace_event_rank(text) TO dialtrace_app;
