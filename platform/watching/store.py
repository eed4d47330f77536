"""SQL of what is watched: through narrow functions, and what the system's role may read across tenants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from ..db.engine import Database
from .model import Counts, MinuteRow, Note


def put_note(database: Database, name: str, data: Mapping[str, Any]) -> None:
    """In the place of the last one under this name."""
    database.look_up("SELECT dialtrace_watch_note(%s, %s::jsonb)", (name, json.dumps(data)))


def notes(database: Database) -> list[Note]:
    """All, by name."""
    return [Note(*row) for row in database.look_up("SELECT name, told_at, data FROM dialtrace_watch_notes()", ())]


def add_minutes(database: Database, counted: Mapping[tuple[str, datetime], Counts]) -> None:
    """Adds to what stands there."""
    rows = [
        {"node": node, "minute": minute.isoformat(), **asdict(counts)} for (node, minute), counts in counted.items()
    ]
    database.look_up("SELECT dialtrace_watch_count(%s::jsonb)", (json.dumps(rows),))


def minutes(database: Database, since: datetime) -> list[MinuteRow]:
    """Of all nodes from a moment on, the oldest first."""
    statement = (
        "SELECT node, minute, begun, ended, answered, delivered, talk_ms FROM dialtrace_watch_minutes(%s::timestamptz)"
    )
    return [MinuteRow(*row) for row in database.look_up(statement, (since,))]


_PENDING = text("SELECT count(*) FROM recordings WHERE state = 'pending'")
_STANDING = text("SELECT node, state, count(*) AS calls FROM live_calls GROUP BY node, state")
_QUEUES = text("""
SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'offered') AS offered,
       coalesce(extract(epoch FROM max(now() - joined_at) FILTER (WHERE state <> 'left')), 0)::float8 AS longest_s
FROM queue_entries WHERE state <> 'left'""")
_UNSEQUENCED = text("SELECT count(*) FROM events WHERE position IS NULL")


def standing_calls(connection: Connection) -> list[tuple[str, str, int]]:
    """Node, state, how many. Needs the system role."""
    return [(row.node, row.state, row.calls) for row in connection.execute(_STANDING)]


def queues(connection: Connection) -> tuple[int, int, float]:
    """Callers who wait, who are offered, and how long the first has been there. Needs the system role."""
    row = connection.execute(_QUEUES).one()
    return row.waiting, row.offered, row.longest_s


def unsequenced(connection: Connection) -> int:
    """Events without a position. Needs the system role."""
    found: int = connection.execute(_UNSEQUENCED).scalar_one()
    return found


def figures(connection: Connection, statement: str, agency_id: UUID) -> list[tuple[str, float]]:
    """The rows of one of the agency's figures."""
    return [(str(row[0]), float(row[1])) for row in connection.execute(text(statement), {"agency": agency_id})]


def pending_recordings(connection: Connection) -> int:
    """On their way, of all nodes. Needs the system role."""
    found: int = connection.execute(_PENDING).scalar_one()
    return found
