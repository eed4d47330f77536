"""The SQL of the queue. Its tables are procrastinate's (`db.job_schema`); a job is put there through a function of our
own, so that SQL alone can do it too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from .model import Backlog, Failed, Request

_DEFER = text("SELECT dialtrace_defer_job(:name, :queue, :args, :lock, :once, :at)").bindparams(
    bindparam("args", type_=JSONB)
)
_RESCUE = text("SELECT * FROM dialtrace_rescue_jobs(CAST(:workers AS bigint[]), CAST(:signs AS timestamptz[]))")
_FAILED = text("""
    SELECT j.id, j.task_name, j.args, j.attempts,
           (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'failed')
    FROM procrastinate_jobs j WHERE j.status = 'failed' ORDER BY j.id DESC LIMIT :most
""")
_AGAIN = text("""
    UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL
    WHERE id = :id AND status = 'failed' RETURNING id
""")
_DISCARD = text("DELETE FROM procrastinate_jobs WHERE id = :id AND status = 'failed' RETURNING id")
_TIDY = text("""
    DELETE FROM procrastinate_jobs j WHERE j.status IN ('failed', 'cancelled', 'aborted', 'succeeded') AND NOT EXISTS (
        SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at > now() - make_interval(days => :days))
""")


def defer(connection: Connection, request: Request) -> int | None:
    """Puts a job into the queue with this transaction; its id, or None where one waits already (``once``)."""
    row: int | None = connection.execute(
        _DEFER,
        {
            "name": request.name,
            "queue": request.lane,
            "args": dict(request.args),
            "lock": request.lock,
            "once": request.once,
            "at": request.at,
        },
    ).scalar_one()
    return row


def signs_of_life(connection: Connection) -> dict[int, datetime]:
    """The workers that are known, each with its last sign of life."""
    rows = connection.execute(text("SELECT id, last_heartbeat FROM procrastinate_workers"))
    return {row.id: row.last_heartbeat for row in rows}


def rescue(connection: Connection, gone: Mapping[int, datetime]) -> list[tuple[int, str]]:
    """Jobs of workers that are gone wait again; which. A worker that has given a sign since is let be."""
    values = {"workers": list(gone), "signs": list(gone.values())}
    rows = connection.execute(_RESCUE, values)
    return [(row.job_id, row.job_name) for row in rows]


def backlog(connection: Connection) -> list[Backlog]:
    """What stands in the queue, by name."""
    return [Backlog(*row) for row in connection.execute(text("SELECT * FROM dialtrace_job_backlog()"))]


def uncount_try(connection: Connection, job_id: int) -> None:
    """The run that is about to end counts as no try."""
    connection.execute(text("UPDATE procrastinate_jobs SET attempts = attempts - 1 WHERE id = :id"), {"id": job_id})


def failed(connection: Connection, most: int) -> list[Failed]:
    """Jobs that were given up, newest first."""
    return [Failed(*row) for row in connection.execute(_FAILED, {"most": most})]


def try_again(connection: Connection, job_id: int) -> bool:
    """A job that was given up waits again, with all its tries. False: there is none."""
    return connection.execute(_AGAIN, {"id": job_id}).first() is not None


def discard(connection: Connection, job_id: int) -> bool:
    """Removes a job that was given up. False: there is none."""
    return connection.execute(_DISCARD, {"id": job_id}).first() is not None


def tidy(connection: Connection, days: int) -> int:
    """Removes what ended so long ago; how many."""
    return connection.execute(_TIDY, {"days": days}).rowcount
