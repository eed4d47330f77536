"""Use cases of the queue: putting jobs in, taking care of it, looking at what failed. A room defers by name and never
sees the handler, which `services` binds."""

from __future__ import annotations

from sqlalchemy import Connection

from ..db.engine import Database
from . import store
from .errors import JobNotFailed
from .model import Backlog, Done, Failed, Job, Outcome, Request
from .silence import Silence

KEEP_FAILED_DAYS = 30


class JobQueue:
    """The queue as a room sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def defer(self, connection: Connection, request: Request) -> int | None:
        """Puts a job into the queue inside the caller's transaction: rolled back, it was never there. Its id, or None
        where one waits already (``once``)."""
        return store.defer(connection, request)

    def defer_alone(self, request: Request) -> int | None:
        """The same in a transaction of its own. Raises the errors of `db.errors`."""
        with self._database.directory() as connection:
            return self.defer(connection, request)

    def rescue(self, silence: Silence) -> list[tuple[int, str]]:
        """Jobs whose worker is gone wait again; their ids and names. ``silence`` is the caller's own observation."""
        with self._database.directory() as connection:
            return store.rescue(connection, silence.gone(store.signs_of_life(connection)))

    def backlog(self) -> list[Backlog]:
        """What stands in the queue, by name."""
        with self._database.directory() as connection:
            return store.backlog(connection)

    def uncount_try(self, job_id: int) -> None:
        """The run that is about to end counts as no try."""
        with self._database.directory() as connection:
            store.uncount_try(connection, job_id)

    def list_failed(self, most: int = 100) -> list[Failed]:
        """Jobs that were given up, newest first."""
        with self._database.directory() as connection:
            return store.failed(connection, most)

    def try_again(self, job_id: int) -> None:
        """Raises JobNotFailed."""
        with self._database.directory() as connection:
            if not store.try_again(connection, job_id):
                raise JobNotFailed

    def discard(self, job_id: int) -> None:
        """Raises JobNotFailed."""
        with self._database.directory() as connection:
            if not store.discard(connection, job_id):
                raise JobNotFailed

    def tidy(self, _job: Job) -> Outcome:
        """The job ``jobs.tidy``: what was given up long ago goes."""
        with self._database.directory() as connection:
            store.tidy(connection, KEEP_FAILED_DAYS)
        return Done()
