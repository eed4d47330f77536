-- Puts a job into the queue, inside the transaction that calls it: rolled back, it was never there. p_lock: no two jobs
-- with the same lock run at a time, and they run in the order in which they came. p_once: where such a job waits already,
-- nothing is added and NULL is returned. p_at: not before then.
CREATE FUNCTION dialtrace_defer_job(p_name text, p_queue text, p_args jsonb, p_lock text, p_once text, p_at timestamptz)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO procrastinate_jobs (task_name, queue_name, args, lock, queueing_lock, scheduled_at)
    VALUES (p_name, p_queue, p_args, p_lock, p_once, p_at)
    ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
    RETURNING id;
$$;

-- "Waits already" is about jobs that wait: one that has begun stands in nobody's way, and when it is tried again it must
-- not collide with the one that came after it.
CREATE FUNCTION dialtrace_job_begins() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.queueing_lock := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER dialtrace_job_begins BEFORE UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (NEW.status = 'doing' AND NEW.queueing_lock IS NOT NULL)
    EXECUTE FUNCTION dialtrace_job_begins();

-- Jobs whose worker is gone wait again. The caller names workers that he has seen silent for too long, each with its last
-- sign of life: one that has given another since is not gone. Two callers at the same moment never give out a job twice.
CREATE FUNCTION dialtrace_rescue_jobs(p_workers bigint[], p_last_signs timestamptz[])
RETURNS TABLE (job_id bigint, job_name text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- Its jobs lose their worker by the foreign key.
    DELETE FROM procrastinate_workers w USING unnest(p_workers, p_last_signs) AS gone (id, last_sign)
    WHERE w.id = gone.id AND w.last_heartbeat = gone.last_sign;
    RETURN QUERY
    UPDATE procrastinate_jobs j SET status = 'todo', attempts = j.attempts + 1, scheduled_at = clock_timestamp()
    WHERE j.status = 'doing' AND j.worker_id IS NULL
    RETURNING j.id, j.task_name::text;
END $$;

-- Each job name: how many wait that are due, for how many seconds the oldest, how many run, how many were given up.
CREATE FUNCTION dialtrace_job_backlog()
RETURNS TABLE (job_name text, waiting bigint, oldest_s double precision, running bigint, failed bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT j.task_name::text,
           count(*) FILTER (WHERE j.is_due),
           coalesce(extract(epoch FROM clock_timestamp() - min(j.since) FILTER (WHERE j.is_due)), 0)::double precision,
           count(*) FILTER (WHERE j.status = 'doing'),
           count(*) FILTER (WHERE j.status = 'failed')
    FROM (
        SELECT p.task_name, p.status,
               p.status = 'todo' AND coalesce(p.scheduled_at, '-infinity') <= clock_timestamp() AS is_due,
               coalesce(p.scheduled_at, (SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = p.id)) AS since
        FROM procrastinate_jobs p WHERE p.status IN ('todo', 'doing', 'failed')
    ) j
    GROUP BY j.task_name;
$$;

REVOKE ALL ON FUNCTION
    dialtrace_defer_job(text, text, jsonb, text, text, timestamptz), dialtrace_rescue_jobs(bigint[], timestamptz[]),
    dialtrace_job_backlog()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    dialtrace_defer_job(text, text, jsonb, text, text, timestamptz), dialtrace_rescue_jobs(bigint[], timestamptz[]),
    dialtrace_job_backlog()
TO dialtrace_app;
