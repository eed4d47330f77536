"""SQL of prompts. Each function works inside a transaction that its caller has opened: the owning agency's, or the
system's where it says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Text, and_, cast, delete, func, select, true
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import flows, prompts
from .model import Prompt

_FACTS = [prompts.c[name] for name in Prompt.__slots__ if name != "size_bytes"]


def kept_names(connection: Connection, agency_id: UUID, names: Iterable[str], *, told: bool = False) -> set[str]:
    """Those of the names that the agency has for good; ``told``: or as whispers that may go again."""
    query = select(prompts.c.name).where(
        prompts.c.agency_id == agency_id,
        prompts.c.name.in_(list(names)),
        true() if told else prompts.c.kind != "told",
    )
    return set(connection.execute(query).scalars())


def count_told(connection: Connection, agency_id: UUID) -> int:
    """Whispers for single sources that the agency has."""
    query = select(func.count()).where(prompts.c.agency_id == agency_id, prompts.c.kind == "told")
    found: int = connection.execute(query).scalar_one()
    return found


def put_prompts(connection: Connection, rows: Sequence[Mapping[str, Any]], *, replace: bool = False) -> None:
    """Keeps prompts; one that is there already stays, unless ``replace``. What a flow says stays for good, also where
    it was a whisper for one source before."""
    if not rows:
        return
    statement = insert(prompts).values([dict(row) for row in rows])
    if replace:
        changed = {name: statement.excluded[name] for name in ("wav", "sha256", "duration_ms", "created_at", "label")}
        statement = statement.on_conflict_do_update(index_elements=["agency_id", "name"], set_=changed)
    else:
        statement = statement.on_conflict_do_update(
            index_elements=["agency_id", "name"],
            set_={"kind": statement.excluded.kind},
            where=and_(prompts.c.kind == "told", statement.excluded.kind != "told"),
        )
    connection.execute(statement)


def list_prompts(connection: Connection, agency_id: UUID | None) -> list[Prompt]:
    """What is kept, by name; ``agency_id`` None: everybody's (a system read)."""
    query = select(*_FACTS, func.length(prompts.c.wav).label("size_bytes"))
    query = query.where(true() if agency_id is None else prompts.c.agency_id == agency_id)
    rows = connection.execute(query.order_by(prompts.c.agency_id, prompts.c.name))
    return [Prompt(**row) for row in rows.mappings()]


def find_uploaded(
    connection: Connection, agency_id: UUID, *, limit: int, after: str | None = None, name: str | None = None
) -> list[Prompt]:
    """The agency's uploads by name: from ``after`` on, or the one of this name."""
    query = select(*_FACTS, func.length(prompts.c.wav).label("size_bytes"))
    query = query.where(prompts.c.agency_id == agency_id, prompts.c.kind == "upload")
    if after is not None:
        query = query.where(prompts.c.name > after)
    if name is not None:
        query = query.where(prompts.c.name == name)
    return [Prompt(**row) for row in connection.execute(query.order_by(prompts.c.name).limit(limit)).mappings()]


def delete_uploaded(connection: Connection, agency_id: UUID, name: str) -> None:
    connection.execute(delete(prompts).where(prompts.c.agency_id == agency_id, prompts.c.name == name))


def is_played(connection: Connection, agency_id: UUID, name: str) -> bool:
    """Whether a flow of the agency names the file."""
    query = select(flows.c.id).where(
        flows.c.agency_id == agency_id, cast(flows.c.document, Text).contains(name, autoescape=True)
    )
    return connection.execute(query.limit(1)).first() is not None


def sounds(connection: Connection, names: Iterable[str], agency_ids: Iterable[UUID] | None) -> dict[str, bytes]:
    """WAV files by name, of these agencies or (None) of whoever has them: a rendered text's name is its content, so
    everybody's is the same (a system read)."""
    query = select(prompts.c.name, prompts.c.wav).where(prompts.c.name.in_(list(names)))
    if agency_ids is not None:
        query = query.where(prompts.c.agency_id.in_(list(agency_ids)))
    query = query.distinct(prompts.c.name).order_by(prompts.c.name)
    return {row.name: bytes(row.wav) for row in connection.execute(query)}


def digests(connection: Connection, agency_id: UUID) -> dict[str, bytes]:
    """SHA-256 of every WAV file of an agency, by name (a system read)."""
    query = select(prompts.c.name, prompts.c.sha256).where(prompts.c.agency_id == agency_id)
    return {row.name: bytes(row.sha256) for row in connection.execute(query)}
