-- What the NOC sees: the newest word of each process, and calls minute by minute, of no tenant in particular.

-- Names are of nodes and machines, so that there are few. UNLOGGED: after a crash everybody says it again within seconds.
CREATE UNLOGGED TABLE watch_notes (
    name text NOT NULL,
    told_at timestamp with time zone DEFAULT now() NOT NULL,
    data jsonb NOT NULL,
    CONSTRAINT pk_watch_notes PRIMARY KEY (name)
);

CREATE TABLE node_minutes (
    node text NOT NULL,
    minute timestamp with time zone NOT NULL,
    begun integer DEFAULT 0 NOT NULL,
    ended integer DEFAULT 0 NOT NULL,
    answered integer DEFAULT 0 NOT NULL,
    delivered integer DEFAULT 0 NOT NULL,
    talk_ms bigint DEFAULT 0 NOT NULL,
    CONSTRAINT pk_node_minutes PRIMARY KEY (node, minute)
);
CREATE INDEX ix_node_minutes_minute ON node_minutes (minute);

CREATE FUNCTION dialtrace_watch_note(p_name text, p_data jsonb) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO watch_notes AS w (name, data) VALUES (p_name, p_data)
    ON CONFLICT (name) DO UPDATE SET told_at = now(), data = excluded.data
$$;

CREATE FUNCTION dialtrace_watch_notes() RETURNS TABLE (name text, told_at timestamptz, data jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT w.name, w.told_at, w.data FROM watch_notes w ORDER BY w.name
$$;

CREATE FUNCTION dialtrace_watch_forget(p_name text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM watch_notes w WHERE w.name = p_name
$$;

-- Adds; what is older than eight days goes with it.
CREATE FUNCTION dialtrace_watch_count(p_rows jsonb) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM node_minutes m WHERE m.minute < now() - interval '8 days';
    INSERT INTO node_minutes AS m (node, minute, begun, ended, answered, delivered, talk_ms)
    SELECT r.node, r.minute, r.begun, r.ended, r.answered, r.delivered, r.talk_ms
    FROM jsonb_to_recordset(p_rows) AS r (node text, minute timestamptz, begun integer, ended integer,
                                          answered integer, delivered integer, talk_ms bigint)
    ORDER BY r.node, r.minute
    ON CONFLICT (node, minute) DO UPDATE SET begun = m.begun + excluded.begun, ended = m.ended + excluded.ended,
        answered = m.answered + excluded.answered, delivered = m.delivered + excluded.delivered,
        talk_ms = m.talk_ms + excluded.talk_ms
$$;

CREATE FUNCTION dialtrace_watch_minutes(p_since timestamptz)
RETURNS TABLE (node text, minute timestamptz, begun integer, ended integer, answered integer, delivered integer,
               talk_ms bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.node, m.minute, m.begun, m.ended, m.answered, m.delivered, m.talk_ms FROM node_minutes m
    WHERE m.minute >= date_trunc('minute', p_since) ORDER BY m.minute, m.node
$$;

REVOKE ALL ON FUNCTION
    dialtrace_watch_note(text, jsonb), dialtrace_watch_notes(), dialtrace_watch_forget(text),
    dialtrace_watch_count(jsonb), dialtrace_watch_minutes(timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_watch_note(text, jsonb), dialtrace_watch_notes(), dialtrace_watch_forget(text),
    dialtrace_watch_count(jsonb), dialtrace_watch_minutes(timestamptz)
TO dialtrace_app;
