"""Forgets whose the visits were that a person's calls came from. That there was a visit stays, and its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..db.engine import Database
from ..subjects import Subject, Tally
from . import visit_store


class VisitHolder:
    """Visits of the visitors behind a person's calls, all of them, whether they called or not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, subject: Subject, tally: Tally) -> None:
        with self._database.tenant(subject.agency_id) as connection:
            count = visit_store.forget_visitors(connection, subject.agency_id, subject.request_id, subject.before)
            if count:
                tally.note(connection, "visits", count)

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Where each call came from stands with the calls (attributions, touches)."""
        return iter(())
