"""SQL of the recording ledger. Every change is conditional: what is stored stays stored."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import recordings
from .model import Due, Recording

_FIELDS = tuple(Recording.__dataclass_fields__)


def _recording(row: Mapping[str, Any]) -> Recording:
    return Recording(**{name: row[name] for name in _FIELDS})


def find_recordings(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[Recording]:
    """All segments of a call, in order."""
    query = select(recordings).where(recordings.c.agency_id == agency_id, recordings.c.call_id == call_id)
    return [_recording(dict(row)) for row in connection.execute(query.order_by(recordings.c.segment)).mappings()]


def settle(
    connection: Connection, new_row_id: uuid.UUID, due: Due, node: str, values: Mapping[str, Any]
) -> Recording | None:
    """Writes a segment's end state: `stored` with its facts, or `absent` with its reason. None if it was settled
    before; only a file that was found after all changes `absent`."""
    key = {
        "agency_id": due.agency_id,
        "client_id": due.client_id,
        "call_id": due.call_id,
        "call_started_at": due.started_at,
        "segment": due.segment,
        "node": node,
    }
    statement = insert(recordings).values(id=new_row_id, **key, **values)
    statement = statement.on_conflict_do_update(
        index_elements=["agency_id", "call_id", "segment"],
        set_={**values, "last_error": None, "updated_at": func.now()},
        where=recordings.c.state.in_(["on_node", "absent"] if values["state"] == "stored" else ["on_node"]),
    )
    row = connection.execute(statement.returning(*recordings.c)).mappings().first()
    return _recording(dict(row)) if row else None


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
