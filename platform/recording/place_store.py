"""SQL of agencies' stores, keys and wishes for recordings."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ..db.tables import recording_keys, recording_settings, recording_stores, recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRow:
    """A bucket of an agency's own. ``secret`` is sealed."""

    agency_id: uuid.UUID
    id: uuid.UUID
    bucket: str
    prefix: str
    region: str
    endpoint_url: str | None
    access_key_id: str
    secret: bytes = field(repr=False)
    encryption: str
    is_current: bool
    created_at: datetime
    updated_at: datetime

    def mark(self) -> bytes:
        """Another one once anything that matters to a connection has changed."""
        said = (self.bucket, self.prefix, self.region, self.endpoint_url, self.access_key_id, self.encryption)
        return hashlib.sha256(repr(said).encode() + self.secret).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key of an agency, without what opens."""

    id: uuid.UUID
    is_current: bool
    made_at: datetime
    destroyed_at: datetime | None
    recordings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """What holds for a client's next recording."""

    store: StoreRow | None
    key_id: uuid.UUID | None
    key_sealed: bytes | None = field(repr=False)
    form: str
    keep_original: bool


def _store(row: Any) -> StoreRow:
    return StoreRow(**{**row, "secret": bytes(row["secret"])})


def find_place(connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID) -> PlaceRow:
    keys, wishes = recording_keys.c, recording_settings.c
    key = connection.execute(select(keys.id, keys.sealed).where(keys.agency_id == agency_id, keys.is_current)).first()
    # The client's own wish before its agency's.
    wish = connection.execute(
        select(wishes.format, wishes.keep_original)
        .where(wishes.agency_id == agency_id, wishes.scope_id.in_([client_id, agency_id]))
        .order_by(wishes.client_id.nulls_last())
        .limit(1)
    ).first()
    return PlaceRow(
        store=find_current_store(connection, agency_id),
        key_id=key.id if key else None,
        key_sealed=bytes(key.sealed) if key else None,
        form=wish.format if wish else "wav",
        keep_original=wish.keep_original if wish else False,
    )


def find_current_store(connection: Connection, agency_id: uuid.UUID) -> StoreRow | None:
    columns = recording_stores.c
    query = select(recording_stores).where(columns.agency_id == agency_id, columns.is_current)
    row = connection.execute(query).mappings().first()
    return _store(row) if row else None


def find_store(connection: Connection, agency_id: uuid.UUID, store_id: uuid.UUID) -> StoreRow | None:
    columns = recording_stores.c
    query = select(recording_stores).where(columns.agency_id == agency_id, columns.id == store_id)
    row = connection.execute(query).mappings().first()
    return _store(row) if row else None


def find_key(connection: Connection, agency_id: uuid.UUID, key_id: uuid.UUID) -> bytes | None:
    columns = recording_keys.c
    found = connection.execute(
        select(columns.sealed).where(columns.agency_id == agency_id, columns.id == key_id)
    ).scalar()
    return bytes(found) if found is not None else None


def retire_stores(connection: Connection, agency_id: uuid.UUID) -> int:
    """None takes new recordings any more; returns whether one did."""
    columns = recording_stores.c
    changed = connection.execute(
        update(recording_stores)
        .where(columns.agency_id == agency_id, columns.is_current)
        .values(is_current=False, updated_at=func.now())
    )
    return changed.rowcount


def insert_store(connection: Connection, values: dict[str, Any]) -> StoreRow:
    row = connection.execute(insert(recording_stores).values(**values).returning(recording_stores)).mappings().one()
    return _store(row)


def update_store(connection: Connection, agency_id: uuid.UUID, store_id: uuid.UUID, values: dict[str, Any]) -> StoreRow:
    columns = recording_stores.c
    statement = (
        update(recording_stores)
        .where(columns.agency_id == agency_id, columns.id == store_id)
        .values(**values, updated_at=func.now())
        .returning(recording_stores)
    )
    return _store(connection.execute(statement).mappings().one())


# --- Keys. ---


def insert_key(connection: Connection, agency_id: uuid.UUID, key_id: uuid.UUID, sealed: bytes) -> None:
    """It is the one that wraps from now on."""
    retire_keys(connection, agency_id)
    connection.execute(insert(recording_keys).values(agency_id=agency_id, id=key_id, sealed=sealed))


def retire_keys(connection: Connection, agency_id: uuid.UUID) -> None:
    columns = recording_keys.c
    connection.execute(
        update(recording_keys).where(columns.agency_id == agency_id, columns.is_current).values(is_current=False)
    )


def destroy_key(connection: Connection, agency_id: uuid.UUID, key_id: uuid.UUID) -> None:
    columns = recording_keys.c
    connection.execute(
        update(recording_keys)
        .where(columns.agency_id == agency_id, columns.id == key_id, columns.sealed.is_not(None))
        .values(sealed=None, is_current=False, destroyed_at=func.now())
    )


def find_keys(connection: Connection, agency_id: uuid.UUID) -> Sequence[KeyRow]:
    keys, rows = recording_keys.c, recordings.c
    count = (
        select(func.count())
        .where(rows.agency_id == agency_id, rows.key_id == keys.id, rows.data_key.is_not(None))
        .scalar_subquery()
    )
    query = select(keys.id, keys.is_current, keys.made_at, keys.destroyed_at, count.label("recordings")).where(
        keys.agency_id == agency_id
    )
    return [KeyRow(**row) for row in connection.execute(query.order_by(keys.id.desc())).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """The objects' keys of a recording."""

    id: uuid.UUID
    key_id: uuid.UUID
    object_name: str
    data_key: bytes
    original_name: str | None
    original_key: bytes | None


def find_wrapped(
    connection: Connection, agency_id: uuid.UUID, *, other_than: uuid.UUID, limit: int
) -> Sequence[Wrapped]:
    """Recordings under another key that is not destroyed; locked."""
    rows = recordings.c
    query = (
        select(rows.id, rows.key_id, rows.object_name, rows.data_key, rows.original_name, rows.original_key)
        .join(recording_keys, (recording_keys.c.agency_id == rows.agency_id) & (recording_keys.c.id == rows.key_id))
        .where(
            rows.agency_id == agency_id, rows.key_id != other_than, rows.data_key.is_not(None),
            rows.state == "verified", recording_keys.c.sealed.is_not(None),
        )
        .limit(limit)
        .with_for_update(of=recordings, skip_locked=True)
    )  # fmt: skip
    return [
        Wrapped(
            id=row.id,
            key_id=row.key_id,
            object_name=row.object_name,
            data_key=bytes(row.data_key),
            original_name=row.original_name,
            original_key=bytes(row.original_key) if row.original_key is not None else None,
        )
        for row in connection.execute(query)
    ]


def rewrap(
    connection: Connection,
    agency_id: uuid.UUID,
    recording_id: uuid.UUID,
    *,
    key_id: uuid.UUID,
    data_key: bytes | None,
    original_key: bytes | None,
) -> None:
    rows = recordings.c
    connection.execute(
        update(recordings)
        .where(rows.agency_id == agency_id, rows.id == recording_id)
        .values(key_id=key_id, data_key=data_key, original_key=original_key)
    )


# --- Wishes. ---


def find_wish(connection: Connection, agency_id: uuid.UUID, scope_id: uuid.UUID) -> tuple[str, bool] | None:
    columns = recording_settings.c
    row = connection.execute(
        select(columns.format, columns.keep_original).where(
            columns.agency_id == agency_id, columns.scope_id == scope_id
        )
    ).first()
    return (row.format, row.keep_original) if row else None


def put_wish(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID | None, *, form: str, keep_original: bool
) -> None:
    values = {"format": form, "keep_original": keep_original}
    statement = upsert(recording_settings).values(
        agency_id=agency_id, scope_id=client_id or agency_id, client_id=client_id, **values
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["agency_id", "scope_id"], set_={**values, "updated_at": func.now()}
        )
    )
