"""Forgets what receivers answered to messages of a person's calls: they may have repeated what they were told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..db.engine import Database
from ..subjects import Subject, Tally
from . import store

AT_A_TIME = 500


class AnswerHolder:
    """Answers of receivers, kept sealed with each try. Messages themselves are rendered when they are sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, subject: Subject, tally: Tally) -> None:
        with self._database.tenant(subject.agency_id) as connection:
            calls = store.calls_of_request(connection, subject.agency_id, subject.request_id)
        for start in range(0, len(calls), AT_A_TIME):
            with self._database.tenant(subject.agency_id) as connection:
                part = calls[start : start + AT_A_TIME]
                count = store.erase_answers(connection, subject.agency_id, part)
                if count:
                    tally.note(connection, "webhook_answers", count)

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """What a receiver answered is the receiver's word, not the person's."""
        return iter(())
