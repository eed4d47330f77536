"""SQL of the recording ledger. Every change is conditional by the table in `life`: a row only moves forward."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, text, tuple_, update

from ..db.prepared import Prepared
from ..db.tables import recordings
from .life import OPEN, sources_of
from .model import Due, Recording

_FIELDS = tuple(Recording.__dataclass_fields__)
_COLUMNS = tuple(recordings.c[name] for name in _FIELDS)


def _recording(row: Mapping[str, Any]) -> Recording:
    return Recording(**{name: row[name] for name in _FIELDS if name != "sha256"}, sha256=_bytes(row["sha256"]))


def find_recordings(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[Recording]:
    """All segments of a call, in order."""
    query = select(*_COLUMNS).where(recordings.c.agency_id == agency_id, recordings.c.call_id == call_id)
    return [_recording(dict(row)) for row in connection.execute(query.order_by(recordings.c.segment)).mappings()]


def find_recording(connection: Connection, agency_id: uuid.UUID, recording_id: uuid.UUID) -> Recording | None:
    query = select(*_COLUMNS).where(recordings.c.agency_id == agency_id, recordings.c.id == recording_id)
    row = connection.execute(query).mappings().first()
    return _recording(dict(row)) if row else None


def find_older(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    *,
    before: datetime,
    limit: int,
    after: tuple[datetime, uuid.UUID] | None,
) -> list[Recording]:
    """A client's recordings that are there, of calls that began before a moment; the oldest first."""
    rows = recordings.c
    query = select(*_COLUMNS).where(
        rows.agency_id == agency_id, rows.client_id == client_id, rows.call_started_at < before,
        rows.state.in_(["stored", "verified"]),
    )  # fmt: skip
    if after is not None:
        query = query.where(tuple_(rows.call_started_at, rows.id) > after)
    query = query.order_by(rows.call_started_at, rows.id).limit(limit)
    return [_recording(dict(row)) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What of a recording is in a store, and how it is opened."""

    store_id: uuid.UUID | None
    object_name: str | None
    object_bytes: int | None
    object_checksum: str | None
    key_id: uuid.UUID | None
    data_key: bytes | None = field(repr=False)
    convert_to: str | None
    original_name: str | None
    original_bytes: int | None
    original_sha256: bytes | None
    original_key: bytes | None = field(repr=False)
    peaks: bytes | None = field(repr=False)
    peak_frames: int | None


_OBJECTS = tuple(recordings.c[name] for name in Objects.__dataclass_fields__)


def find_objects(connection: Connection, agency_id: uuid.UUID, recording_id: uuid.UUID) -> Objects:
    """The recording must be there."""
    query = select(*_OBJECTS).where(recordings.c.agency_id == agency_id, recordings.c.id == recording_id)
    row = connection.execute(query).mappings().one()
    values: dict[str, Any] = {
        name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()
    }
    return Objects(**values)


# Texts of our own for what every recording passes: a statement that SQLAlchemy makes of an insert with a conflict is
# compiled each time.
_RETURNING = ", ".join(f"r.{name}" for name in _FIELDS)
_FACTS = (
    "store_id", "object_name", "size_bytes", "sha256", "duration_ms", "channels", "sample_rate", "key_id", "data_key",
)  # fmt: skip
_BEGIN = f"""
INSERT INTO recordings AS r
    (id, agency_id, client_id, call_id, call_started_at, segment, node, state, {", ".join(_FACTS)})
VALUES (%(id)s, %(agency_id)s, %(client_id)s, %(call_id)s, %(call_started_at)s, %(segment)s, %(node)s, 'uploading',
        {", ".join(f"%({name})s" for name in _FACTS)})
ON CONFLICT (agency_id, call_id, segment) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in ("state", *_FACTS))}, absence_reason = NULL, format = 'wav',
    object_bytes = NULL, object_checksum = NULL, updated_at = now()
WHERE r.state = ANY(%(open)s) AND coalesce(r.absence_reason, '') NOT IN ('erased', 'expired') RETURNING {_RETURNING}
"""  # noqa: S608 (names of our own columns only)


def begin_upload(
    connection: Connection,
    new_row_id: uuid.UUID,
    due: Due,
    node: str,
    facts: Mapping[str, Any],
    *,
    also_stored: bool = False,
) -> Recording | None:
    """`uploading`, with what is known of the file and where it goes. None: nothing may be sent (:func:`find_standing`
    says why). ``also_stored``: what the store has taken was not what it said when it was asked again."""
    key = _key_of(new_row_id, due, node)
    allowed = [state for state in sources_of("uploading") if also_stored or state != "stored"]
    row = connection.exec_driver_sql(_BEGIN, {**dict.fromkeys(_FACTS), **key, **facts, "open": allowed})
    found = row.mappings().first()
    return _recording(dict(found)) if found else None


_RECORD = (
    "id uuid, client_id uuid, call_id uuid, call_started_at timestamptz, segment integer, node text, store_id uuid,"
    " object_name text, size_bytes bigint, sha256 bytea, duration_ms bigint, channels integer, sample_rate integer,"
    " key_id uuid, data_key bytea"
)
_BEGIN_ALL = Prepared(
    "dialtrace_begin_uploads",
    ("uuid", "json", "text[]"),
    f"INSERT INTO recordings AS r (agency_id, id, client_id, call_id, call_started_at, segment, node, state,"  # noqa: S608
    f" {', '.join(_FACTS)}) SELECT $1, w.id, w.client_id, w.call_id, w.call_started_at, w.segment, w.node, 'uploading',"
    f" {', '.join(f'w.{name}' for name in _FACTS)} FROM json_to_recordset($2) AS w ({_RECORD})"
    " ON CONFLICT (agency_id, call_id, segment) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in ('state', *_FACTS))}, absence_reason = NULL, format = 'wav',"
    " object_bytes = NULL, object_checksum = NULL, updated_at = now()"
    " WHERE r.state = ANY ($3) AND coalesce(r.absence_reason, '') NOT IN ('erased', 'expired')"
    f" RETURNING {_RETURNING}",
)


@dataclass(frozen=True, slots=True)
class Beginning:
    """An upload that begins: whose it is, where the file lies, what is known of it."""

    due: Due
    node: str
    facts: Mapping[str, Any]


def begin_uploads(
    connection: Connection, agency_id: uuid.UUID, new_ids: Sequence[uuid.UUID], begun: Sequence[Beginning]
) -> list[Recording | None]:
    """As :func:`begin_upload`, of one agency, by one statement."""
    rows = [
        {**_key_of(new_row_id, one.due, one.node), **{name: _plain(one.facts.get(name)) for name in _FACTS}}
        for new_row_id, one in zip(new_ids, begun, strict=True)
    ]
    allowed = [state for state in sources_of("uploading") if state != "stored"]
    found = _BEGIN_ALL.run(connection, agency_id, _document(rows), allowed).mappings()
    by_segment = {(row["call_id"], row["segment"]): _recording(dict(row)) for row in found}
    return [by_segment.get((one.due.call_id, one.due.segment)) for one in begun]


def _document(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def _plain(value: object) -> object:
    """Bytes as PostgreSQL reads them out of JSON."""
    return "\\x" + bytes(value).hex() if isinstance(value, bytes | memoryview) else value


_TAKEN = """
UPDATE recordings SET state = 'stored', object_bytes = %s, object_checksum = %s, updated_at = now()
WHERE agency_id = %s AND id = %s AND state = 'uploading'
"""
_VERIFY_ALL = Prepared(
    "dialtrace_verify_recordings",
    ("uuid", "json", "text[]"),
    "UPDATE recordings AS r SET state = 'verified', object_bytes = w.bytes, object_checksum = w.checksum,"  # noqa: S608
    " peaks = w.peaks, peak_frames = w.peak_frames, convert_to = w.convert_to, node_path = NULL, last_error = NULL,"
    " stored_at = now(), updated_at = now() FROM json_to_recordset($2)"
    " AS w (id uuid, bytes bigint, checksum text, peaks bytea, peak_frames integer, convert_to text)"
    f" WHERE r.agency_id = $1 AND r.id = w.id AND r.state = ANY ($3) RETURNING {_RETURNING}",
)


def verify_all(
    connection: Connection, agency_id: uuid.UUID, values: Mapping[uuid.UUID, Mapping[str, Any]]
) -> dict[uuid.UUID, Recording]:
    """`verified`, as of now; those that are so already or were erased meanwhile are not among them."""
    rows = [{"id": key, **{name: _plain(value) for name, value in one.items()}} for key, one in values.items()]
    found = _VERIFY_ALL.run(connection, agency_id, _document(rows), sources_of("verified")).mappings()
    return {row["id"]: _recording(dict(row)) for row in found}


def note_taken(
    connection: Connection, agency_id: uuid.UUID, recording_id: uuid.UUID, size_bytes: int, checksum: str
) -> None:
    """`stored`: the store has taken it and is yet to be asked again."""
    connection.exec_driver_sql(_TAKEN, (size_bytes, checksum, agency_id, recording_id))


_ABSENT = f"""
INSERT INTO recordings AS r
    (id, agency_id, client_id, call_id, call_started_at, segment, node, state, absence_reason)
VALUES (%(id)s, %(agency_id)s, %(client_id)s, %(call_id)s, %(call_started_at)s, %(segment)s, %(node)s, 'absent',
        %(reason)s)
ON CONFLICT (agency_id, call_id, segment) DO UPDATE SET
    state = 'absent', absence_reason = excluded.absence_reason, node_path = NULL, object_name = NULL,
    last_error = NULL, updated_at = now()
WHERE r.state = ANY(%(open)s) RETURNING {_RETURNING}
"""  # noqa: S608 (names of our own columns only)


def settle_absent(connection: Connection, new_row_id: uuid.UUID, due: Due, node: str, reason: str) -> Recording | None:
    """There is no file. None if that was known before, or the store has the recording."""
    allowed = [state for state in sources_of("absent") if state not in {"stored", "verified"}]
    values = {**_key_of(new_row_id, due, node), "reason": reason, "open": allowed}
    row = connection.exec_driver_sql(_ABSENT, values).mappings().first()
    return _recording(dict(row)) if row else None


def _key_of(new_row_id: uuid.UUID, due: Due, node: str) -> dict[str, Any]:
    return {
        "id": new_row_id,
        "agency_id": due.agency_id,
        "client_id": due.client_id,
        "call_id": due.call_id,
        "call_started_at": due.started_at,
        "segment": due.segment,
        "node": node,
    }


def find_standing(connection: Connection, due: Due) -> tuple[Recording, Objects] | None:
    """What the ledger says of a segment."""
    rows = recordings.c
    query = select(rows.id).where(
        rows.agency_id == due.agency_id, rows.call_id == due.call_id, rows.segment == due.segment
    )
    recording_id = connection.execute(query).scalar()
    if recording_id is None:
        return None
    found = find_recording(connection, due.agency_id, recording_id)
    assert found is not None
    return found, find_objects(connection, due.agency_id, recording_id)


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
            recordings.c.state.in_(OPEN),
        )
        .values(attempts=recordings.c.attempts + 1, last_error=error[:500], updated_at=func.now())
    )


def replace_object(
    connection: Connection, agency_id: uuid.UUID, recording_id: uuid.UUID, before: str, values: Mapping[str, Any]
) -> bool:
    """Another form takes the place of the object ``before``; false if it is not there any more."""
    rows = recordings.c
    changed = connection.execute(
        update(recordings)
        .where(
            rows.agency_id == agency_id, rows.id == recording_id, rows.state == "verified", rows.object_name == before
        )
        .values(**values, updated_at=func.now())
    )
    return changed.rowcount == 1


def change(connection: Connection, agency_id: uuid.UUID, recording_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Other members of a row than its state."""
    rows = recordings.c
    connection.execute(
        update(recordings)
        .where(rows.agency_id == agency_id, rows.id == recording_id)
        .values(**values, updated_at=func.now())
    )


def erase(connection: Connection, agency_id: uuid.UUID, recording_id: uuid.UUID) -> None:
    """`absent` because it was erased: without its keys, its shape and its checksums. Names stay until the objects are
    gone."""
    gone = dict.fromkeys(
        ("peaks", "peak_frames", "data_key", "original_key", "sha256", "original_sha256", "object_checksum",
         "convert_to", "last_error", "node_path")
    )  # fmt: skip
    change(connection, agency_id, recording_id, {**gone, "state": "absent", "absence_reason": "erased"})


def settle_unspoken(connection: Connection, nodes: Sequence[str]) -> int:
    """What was expected and of which the call's stored record does not speak; returns how many."""
    return int(connection.execute(
        text("SELECT dialtrace_recordings_settle_unspoken(:nodes)"), {"nodes": list(nodes)}
    ).scalar_one())  # fmt: skip


def settle_lost(connection: Connection, node: str) -> int:
    """Everything that was still on a node is lost with it; returns how many."""
    return int(connection.execute(text("SELECT dialtrace_recordings_lost_with(:node)"), {"node": node}).scalar_one())


def count_on_nodes(connection: Connection, nodes: list[str], created_before: datetime) -> int:
    """Recordings of these nodes whose calls are over and that have been waiting to come home since before that moment
    (a system read)."""
    found = connection.execute(
        text(
            "SELECT count(*) FROM recordings r WHERE r.state = ANY(:open) AND r.node = ANY(:nodes)"
            " AND r.created_at < :before AND NOT (r.state IN ('expected', 'writing') AND EXISTS ("
            "SELECT FROM live_calls l WHERE l.agency_id = r.agency_id AND l.call_id = r.call_id))"
        ),
        {"nodes": nodes, "before": created_before, "open": list(OPEN)},
    )
    return int(found.scalar_one())
