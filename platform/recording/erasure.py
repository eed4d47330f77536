"""Deletes recordings: because a person asks for it, or because their time is over.

Of what we have encrypted ourselves the keys go first: from then on nobody hears it, whatever the bucket does. Then the
objects, and then the ledger is told, in one transaction with the tally, so that a crash between is made good by doing
it again. What is on its way home is settled as absent, and whoever brings recordings home deletes the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..objectstore.errors import ObjectMissing
from ..subjects import Subject, Tally
from .errors import KeyDestroyed, RecordingAbsent
from .service import RecordingService

BATCH = 100

Calls = Sequence[tuple[UUID, datetime]]

_LEFT = "(r.state <> 'absent' OR num_nonnulls(r.object_name, r.original_name, r.data_key, r.original_key) > 0)"
_DUE = f"""
SELECT r.state, r.store_id, r.object_name, r.original_name FROM recordings r
WHERE r.agency_id = %s AND r.call_id = ANY (%s::uuid[]) AND {_LEFT}
"""  # noqa: S608 (our own text)
_OF_PERSON = f"""
SELECT DISTINCT r.call_id, r.call_started_at FROM subject_calls s JOIN recordings r
  ON r.agency_id = s.agency_id AND r.call_id = s.call_id
WHERE s.agency_id = %s AND s.request_id = %s AND {_LEFT} ORDER BY r.call_started_at LIMIT %s
"""  # noqa: S608 (our own text)
_STORED_OF_PERSON = """
SELECT r.call_id, r.segment, r.format FROM subject_calls s JOIN recordings r
  ON r.agency_id = s.agency_id AND r.call_id = s.call_id
WHERE s.agency_id = %s AND s.request_id = %s AND r.state IN ('stored', 'verified')
ORDER BY r.call_started_at, r.segment
"""
_DESTROY_KEYS = """
UPDATE recordings SET data_key = NULL, original_key = NULL, peaks = NULL, peak_frames = NULL, updated_at = now()
WHERE agency_id = %s AND call_id = ANY (%s::uuid[]) AND num_nonnulls(data_key, original_key) > 0
"""
_GONE = f"""
UPDATE recordings r SET state = 'absent', absence_reason = %s, object_name = NULL, original_name = NULL,
    node_path = NULL, data_key = NULL, original_key = NULL, peaks = NULL, peak_frames = NULL, sha256 = NULL,
    original_sha256 = NULL,
    object_checksum = NULL, object_bytes = NULL, original_bytes = NULL, size_bytes = NULL, convert_to = NULL,
    last_error = NULL, updated_at = now()
WHERE r.agency_id = %s AND r.call_id = ANY (%s::uuid[]) AND {_LEFT}
"""  # noqa: S608 (our own text)


class RecordingHolder:
    """The recordings of one database, in whatever stores they are."""

    def __init__(self, database: Database, recordings: RecordingService) -> None:
        self._database = database
        self._recordings = recordings

    def erase_calls(self, agency_id: UUID, calls: Calls, *, reason: str, tally: Tally) -> int:
        """Every recording of these calls, wherever it is. Raises the errors of `objectstore.errors`: nothing is told to
        be gone then. Returns how many rows of the ledger changed."""
        ids = [str(call_id) for call_id, _ in calls]
        with self._database.tenant(agency_id) as connection:
            rows = connection.exec_driver_sql(_DUE, (agency_id, ids)).all()
            destroyed = connection.exec_driver_sql(_DESTROY_KEYS, (agency_id, ids)).rowcount
            if destroyed:
                tally.note(connection, "keys_destroyed", destroyed)
        for _, store_id, *names in rows:
            for name in names:
                if name is not None:
                    self._recordings.places.store_of(agency_id, store_id).delete(name)
        with self._database.tenant(agency_id) as connection:
            changed = connection.exec_driver_sql(_GONE, (reason, agency_id, ids)).rowcount
            if changed:
                stored = [row[2] for row in rows if row[0] in {"stored", "verified"} and row[2] is not None]
                tally.note(connection, "recordings", changed, objects=stored)
        return changed

    def erase(self, subject: Subject, tally: Tally) -> None:
        while True:
            with self._database.tenant(subject.agency_id) as connection:
                wanted = (subject.agency_id, subject.request_id, BATCH)
                calls = [(row[0], row[1]) for row in connection.exec_driver_sql(_OF_PERSON, wanted)]
            if not calls:
                return
            self.erase_calls(subject.agency_id, calls, reason="erased", tally=tally)

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """The audio of each segment, as it is heard."""
        with self._database.tenant(subject.agency_id) as connection:
            wanted = (subject.agency_id, subject.request_id)
            rows: list[Any] = list(connection.exec_driver_sql(_STORED_OF_PERSON, wanted))
        for call_id, segment, form in rows:
            try:
                audio = self._recordings.open_recording(subject.agency_id, None, call_id, segment)
                stream = audio.stream()
            except (KeyDestroyed, ObjectMissing, RecordingAbsent):
                continue
            with stream:
                yield f"recordings/{call_id}-{segment}.{form}", stream
