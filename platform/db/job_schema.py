"""The job queue's own tables and functions, as the installed procrastinate brings them; a migration calls this.

Its SQL stays in its package, none of it is copied here. Which version a database has stands in a comment on its table
of jobs, so that a later migration, after the library was raised, applies what has come since and nothing twice. The
application works on these tables directly: they hold names and ids, no tenant's values, so row-level security has
nothing to guard there. Must not know any job.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files

from sqlalchemy import Connection

TABLES = ("procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers", "procrastinate_workers")
SEQUENCES = ("procrastinate_jobs_id_seq", "procrastinate_events_id_seq", "procrastinate_periodic_defers_id_seq")


def bring_job_schema_up(connection: Connection) -> None:
    """Makes the queue's tables, or brings them to the form that the installed library wants; then the grants."""
    installed = version("procrastinate")
    if connection.exec_driver_sql("SELECT to_regclass('public.procrastinate_jobs')").scalar_one() is None:
        _run(connection, files("procrastinate.sql").joinpath("schema.sql").read_text(encoding="utf-8"))
    else:
        for text in newer_than(_present_version(connection)):
            _run(connection, text)
    _run(connection, f"COMMENT ON TABLE procrastinate_jobs IS 'procrastinate {installed}'")
    _run(connection, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO dialtrace_app")
    _run(connection, f"GRANT USAGE ON SEQUENCE {', '.join(SEQUENCES)} TO dialtrace_app")


def _present_version(connection: Connection) -> tuple[int, ...]:
    comment = connection.exec_driver_sql("SELECT obj_description('public.procrastinate_jobs'::regclass)").scalar_one()
    return numbers_of(str(comment).removeprefix("procrastinate "))


def newer_than(present: tuple[int, ...]) -> list[str]:
    """The library's own steps after a version, oldest first; their files are called ``03.04.00_01_pre_<what>.sql``."""
    steps = [
        (entry.name, entry)
        for entry in files("procrastinate.sql").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql") and numbers_of(entry.name.split("_")[0]) > present
    ]
    return [entry.read_text(encoding="utf-8") for _, entry in sorted(steps, key=lambda step: step[0])]


def numbers_of(text: str) -> tuple[int, ...]:
    """``3.10.0`` as numbers that compare."""
    return tuple(int(part) for part in text.split("."))


def _run(connection: Connection, text: str) -> None:
    # No parameter is bound, so no character needs escaping.
    connection.exec_driver_sql(text, execution_options={"no_parameters": True})
