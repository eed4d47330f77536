"""Forgets what is known of a caller's habits, under the keyed hash of the number. Blocks that name a number are rows of
their own and go with it (privacy.holdings)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..db.engine import Database
from ..subjects import Subject, Tally


class HabitHolder:
    """Habits of callers, over all agencies, and whom an agency has welcomed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, subject: Subject, tally: Tally) -> None:
        with self._database.tenant(subject.agency_id) as connection:
            found = connection.exec_driver_sql(
                "SELECT dialtrace_forget_caller(%s, %s)", (subject.agency_id, subject.number)
            ).scalar_one()
            if found:
                tally.note(connection, "habits", int(found))

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Counts of the last two hours under a hash say nothing that the calls themselves do not."""
        return iter(())
