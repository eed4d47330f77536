"""Forgets what was said with other systems of a person's calls. What stands in those systems is theirs to erase: the
ledger, which stays, says who was told of which call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..db.engine import Database
from ..subjects import Subject, Tally

_ERASE = """
UPDATE integration_deliveries d SET attempts = (
    SELECT coalesce(jsonb_agg(a.value || jsonb_build_object('said', NULL) ORDER BY a.place), '[]')
    FROM jsonb_array_elements(d.attempts) WITH ORDINALITY a (value, place)), detail = NULL
WHERE d.agency_id = %(agency)s AND d.call_id IN (
        SELECT s.call_id FROM subject_calls s WHERE s.agency_id = %(agency)s AND s.request_id = %(request)s)
  AND (jsonb_path_exists(d.attempts, '$[*].said ? (@ != null)') OR d.detail IS NOT NULL)
"""


class ExchangeHolder:
    """What was sent and answered, kept sealed with each delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, subject: Subject, tally: Tally) -> None:
        with self._database.tenant(subject.agency_id) as connection:
            values = {"agency": subject.agency_id, "request": subject.request_id}
            count = connection.exec_driver_sql(_ERASE, values).rowcount
            if count:
                tally.note(connection, "integration_exchanges", count)

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """What was told is the call's own facts, which the call's export tells."""
        return iter(())
