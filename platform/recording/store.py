"""SQL of the recording ledger. Every change is conditional: what is stored stays stored."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from ..db.tables import recordings
from .model import Due, Recording

_FIELDS = tuple(Recording.__dataclass_fields__)


def _recording(row: Mapping[str, Any]) -> Recording:
    return Recording(**{name: row[name] for name in _FIELDS})


def find_recordings(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[Recording]:
    """All segments of a call, in order."""
    query = select(recordings).where(recordings.c.agency_id == agency_id, recordings.c.call_id == call_id)
    return [_recording(dict(row)) for row in connection.execute(query.order_by(recordings.c.segment)).mappings()]


_ENDS = ("state", "absence_reason", "node_path", "object_name", "size_bytes", "sha256", "duration_ms", "channels")
# One text for every recording: a statement that SQLAlchemy makes of an insert with a conflict is compiled each time.
_SETTLE = f"""
INSERT INTO recordings AS r
    (id, agency_id, client_id, call_id, call_started_at, segment, node, {", ".join(_ENDS)}, stored_at)
VALUES (%(id)s, %(agency_id)s, %(client_id)s, %(call_id)s, %(call_started_at)s, %(segment)s, %(node)s,
        {", ".join(f"%({name})s" for name in _ENDS)}, CASE WHEN %(state)s = 'stored' THEN now() END)
ON CONFLICT (agency_id, call_id, segment) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in (*_ENDS, "stored_at"))}, last_error = NULL, updated_at = now()
WHERE r.state = ANY(%(open)s) RETURNING {", ".join(f"r.{name}" for name in _FIELDS)}
"""  # noqa: S608 (names of our own columns only)


def settle(
    connection: Connection, new_row_id: uuid.UUID, due: Due, node: str, values: Mapping[str, Any]
) -> Recording | None:
    """Writes a segment's end state: `stored` with its facts, as of now, or `absent` with its reason. None if it was
    settled before; only a file that was found after all changes `absent`."""
    key = {
        "id": new_row_id,
        "agency_id": due.agency_id,
        "client_id": due.client_id,
        "call_id": due.call_id,
        "call_started_at": due.started_at,
        "segment": due.segment,
        "node": node,
        "open": ["on_node", "absent"] if values["state"] == "stored" else ["on_node"],
    }
    row = connection.exec_driver_sql(_SETTLE, {**dict.fromkeys(_ENDS), **key, **values}).mappings().first()
    return _recording({**row, "sha256": _bytes(row["sha256"])}) if row else None


def find_stored(connection: Connection, due: Due) -> tuple[bytes, str] | None:
    """SHA-256 and object name of a segment that is stored already."""
    row = connection.exec_driver_sql(_FIND_STORED, (due.agency_id, due.call_id, due.segment)).first()
    return (bytes(row[0]), row[1]) if row else None


_FIND_STORED = (
    "SELECT sha256, object_name FROM recordings"
    " WHERE agency_id = %s AND call_id = %s AND segment = %s AND state = 'stored'"
)


def _bytes(value: Any) -> bytes | None:
    """The driver gives a view."""
    return None if value is None else bytes(value)


def note_failure(connection: Connection, due: Due, error: str) -> None:
    """Counts a failed attempt and keeps its reason."""
    connection.execute(
        update(recordings)
        .where(
            recordings.c.agency_id == due.agency_id,
            recordings.c.call_id == due.call_id,
            recordings.c.segment == due.segment,
            recordings.c.state == "on_node",
        )
        .values(attempts=recordings.c.attempts + 1, last_error=error[:500], updated_at=func.now())
    )


def count_on_nodes(connection: Connection, nodes: list[str], created_before: datetime) -> int:
    """Recordings of these nodes that have been waiting to come home since before that moment (a system read)."""
    found = connection.execute(
        text("SELECT count(*) FROM recordings WHERE state = 'on_node' AND node = ANY(:nodes) AND created_at < :before"),
        {"nodes": nodes, "before": created_before},
    )
    return int(found.scalar_one())
