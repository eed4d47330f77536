"""Statements that the server plans once for each connection, and their values: one by one, or many of a kind at once.

Must not know any room, nor how a connection is come by.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, CursorResult

#: Where a connection keeps the names of statements that it knows.
KNOWN = "dialtrace_prepared"


@dataclass(frozen=True)
class Prepared:
    """One statement with parameters ``$1``, ``$2``…, that the server plans once for each connection instead of each
    time. With row-level security and monthly partitions, planning an upsert costs the server more than carrying it out
    for a few rows. A pool between us and the server must keep a session to one client."""

    name: str
    types: tuple[str, ...]
    statement: str

    def run(self, connection: Connection, *values: object) -> CursorResult[Any]:
        """Carries it out; in the caller's transaction, under the caller's tenant."""
        known: set[str] = connection.info.setdefault(KNOWN, set())
        if self.name not in known:
            # Not undone by a rollback; a connection that is made anew has an `info` of its own.
            connection.exec_driver_sql(self.preparing)
            known.add(self.name)
        return connection.exec_driver_sql(self.executing, values)

    @property
    def preparing(self) -> str:
        """Makes it known to a connection."""
        return f"PREPARE {self.name} ({', '.join(self.types)}) AS {self.statement}"

    @cached_property
    def executing(self) -> str:
        """Carries it out, once it is known."""
        return f"EXECUTE {self.name} ({', '.join(['%s'] * len(self.types))})"


@dataclass(frozen=True, slots=True)
class Ready:
    """A prepared statement and its values: one room can hand it to another that is to carry it out together with its
    own. Only for what may be carried out twice."""

    prepared: Prepared
    values: tuple[object, ...]
    #: What carries out many of this kind at once, by one parameter (`together`).
    many: Prepared | None = None


def together(ready: Sequence[Ready]) -> Ready | None:
    """Several of one kind as one statement, whose parameter is their values: a JSON list of lists, bytes as PostgreSQL
    writes them. None for none."""
    if len(ready) < 2:
        return ready[0] if ready else None
    (many,) = {one.many for one in ready}
    assert many is not None, f"{ready[0].prepared.name} is carried out one by one"
    return Ready(many, (_encode([one.values for one in ready]),))


def _written(value: Any) -> str:
    """A value as JSON cannot have it, in the server's form."""
    return "\\x" + value.hex() if isinstance(value, bytes) else value.isoformat()


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_written).encode


def as_array(values: Sequence[object]) -> str:
    """A literal of an array, for a parameter of a prepared statement whose type says of what."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    text = value if isinstance(value, str) else value.isoformat() if isinstance(value, datetime) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
