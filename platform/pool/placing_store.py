"""SQL of placement. Every function takes an open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text

from ..db.tables import agencies
from .plan import NodeWeight, effective

#: A node that is away for so long gives its numbers to others until it is back.
GONE_S = 60

_NODES = text(f"""
SELECT name, weight, drain_asked_at IS NOT NULL OR state IN ('draining', 'drained') AS drains,
       coalesce(last_seen_at, created_at) < now() - interval '{GONE_S} s' AS gone
FROM nodes ORDER BY name""")  # noqa: S608 (a constant)


def read_nodes(connection: Connection) -> list[NodeWeight]:
    """As placement sees them. With all of them gone it is their monitors that are, and nothing moves."""
    rows = connection.execute(_NODES).all()
    all_gone = all(row.gone for row in rows)
    return [
        NodeWeight(row.name, effective(row.weight, drains=row.drains, gone=row.gone and not all_gone)) for row in rows
    ]


def agencies_of(connection: Connection) -> list[UUID]:
    """Needs the system role."""
    return list(connection.execute(select(agencies.c.agency_id).order_by(agencies.c.agency_id)).scalars())


def changed_numbers(connection: Connection, mark: str | None) -> tuple[str, dict[UUID, list[str]]]:
    """The next mark, and what has changed since this one, by agency."""
    rows = connection.execute(
        text("SELECT mark::text AS mark, agency_id, e164 FROM dialtrace_directory_changed(CAST(:mark AS xid8))"),
        {"mark": mark},
    ).all()
    changed: dict[UUID, list[str]] = {}
    for row in rows:
        if row.e164 is not None:
            changed.setdefault(row.agency_id, []).append(row.e164)
    return rows[0].mark, changed


def placed(connection: Connection, agency_id: UUID, after: str, most: int) -> Sequence[tuple[str, Any]]:
    """Numbers beyond ``after`` with their lists; None: none yet."""
    rows = connection.execute(
        text("SELECT e164, nodes FROM dialtrace_placed(:agency, :after, :most)"),
        {"agency": agency_id, "after": after, "most": most},
    )
    return [(row.e164, row.nodes) for row in rows]


def place(connection: Connection, agency_id: UUID, lists: Sequence[str]) -> int:
    """``lists``: a number and its nodes, with blanks between. Returns how many were not so already."""
    numbers, nodes = zip(*(line.split(" ", 1) for line in lists), strict=True)
    statement = text("SELECT dialtrace_place(:agency, CAST(:numbers AS text[]), CAST(:nodes AS text[]))")
    values = {"agency": agency_id, "numbers": list(numbers), "nodes": list(nodes)}
    return int(connection.execute(statement, values).scalar_one())
