"""The operator's nodes: listed, drained, put back. Whoever asks writes what is wanted; the node's monitor carries it
out and writes how far it is. A node is drained when it holds nothing any more that would be missed. Must not know
switches or disks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..paging import Page
from .errors import NodeUnknown

#: What a node that drains can wait for, in the order in which a call passes it.
WAITS = {
    "switch": "the switch cannot be asked",
    "calls": "calls stand",
    "journal": "calls whose record is not stored yet",
    "cdr_files": "call records on the node's disk",
    "cdr_files_set_aside": "call records set aside: somebody must look at them",
    "recordings_due": "calls whose recordings are on their way",
    "recordings": "recordings on the node's disk",
    "ledger": "recordings that the ledger says are on the node",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A node's row. ``waits``: what it still holds, by the words of `WAITS`; None until its monitor has counted."""

    name: str
    kind: str
    sip_address: str
    state: str
    core_uuid: UUID | None
    switch_version: str | None
    sessions: int | None
    max_sessions: int | None
    weight: int
    last_seen_at: datetime | None
    drain_asked_at: datetime | None
    waits: Mapping[str, int] | None

    @property
    def is_drained(self) -> bool:
        """Nothing is lost if it goes away now: also true of one that went away while it drained and left nothing."""
        return self.drain_asked_at is not None and (
            self.state == "drained" or (self.state == "down" and self.waits == {})
        )


def say_waits(waits: Mapping[str, int] | None) -> str:
    """In words."""
    if waits is None:
        return "its monitor has not counted yet"
    return ", ".join(f"{WAITS.get(what, what)}: {count}" for what, count in waits.items())


_COLUMNS = (
    "name, kind, sip_address, state, core_uuid, switch_version, sessions, max_sessions, weight, last_seen_at, "
    "drain_asked_at, waits"
)


class NodeDirectory:
    """The rows of `nodes`. Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_nodes(self, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Node]:
        """By name."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM nodes WHERE name > %s ORDER BY name LIMIT %s",  # noqa: S608
            after[0] if after else "",
            limit + 1,
        )
        return Page(rows[:limit], (rows[limit - 1].name,) if len(rows) > limit else None)

    def get_node(self, name: str) -> Node:
        """Raises NodeUnknown."""
        return _one(self._rows(f"SELECT {_COLUMNS} FROM nodes WHERE name = %s", name), name)  # noqa: S608

    def drain(self, name: str) -> Node:
        """Wants it to take no new call. Again: nothing changes. Raises NodeUnknown."""
        return _one(
            self._rows(
                "UPDATE nodes SET drain_asked_at = coalesce(drain_asked_at, now()),"  # noqa: S608
                " waits = CASE WHEN drain_asked_at IS NULL THEN NULL ELSE waits END,"
                f" state = CASE WHEN state = 'up' THEN 'draining' ELSE state END WHERE name = %s RETURNING {_COLUMNS}",
                name,
            ),
            name,
        )

    def undrain(self, name: str) -> Node:
        """Wants it to take calls again; until its monitor has told the switch it goes on draining. Raises
        NodeUnknown."""
        return _one(
            self._rows(
                f"UPDATE nodes SET drain_asked_at = NULL, waits = NULL WHERE name = %s RETURNING {_COLUMNS}",  # noqa: S608
                name,
            ),
            name,
        )

    # --- for monitors ---

    def is_drain_wanted(self, name: str) -> bool:
        """What was asked last; a node that has no row yet is to serve."""
        with self._database.directory() as connection:
            row = connection.exec_driver_sql("SELECT drain_asked_at FROM nodes WHERE name = %s", (name,)).first()
        return row is not None and row[0] is not None

    def tell_waits(self, name: str, waits: Mapping[str, int]) -> None:
        """What a node that drains still holds; with nothing left it is drained."""
        state = "draining" if waits else "drained"
        with self._database.directory() as connection:
            connection.exec_driver_sql(
                "UPDATE nodes SET waits = %s::jsonb,"
                " state = CASE WHEN state IN ('up', 'draining', 'drained') THEN %s ELSE state END"
                " WHERE name = %s AND drain_asked_at IS NOT NULL",
                (json.dumps(dict(waits)), state, name),
            )

    def tell_serving(self, name: str) -> None:
        """Its switch takes calls again."""
        with self._database.directory() as connection:
            connection.exec_driver_sql(
                "UPDATE nodes SET state = 'up' WHERE name = %s AND drain_asked_at IS NULL"
                " AND state IN ('draining', 'drained')",
                (name,),
            )

    def _rows(self, statement: str, *values: object) -> list[Node]:
        with self._database.directory() as connection:
            return [Node(*row) for row in connection.exec_driver_sql(statement, values)]


def _one(rows: list[Node], name: str) -> Node:
    if not rows:
        raise NodeUnknown(f"there is no node named {name!r}; its monitor makes its row when it starts")
    return rows[0]
