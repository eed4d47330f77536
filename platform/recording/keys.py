"""Agencies' keys of recordings: made, rotated, and destroyed.

A new key wraps the keys of the recordings that come; those that are there are wrapped anew by and by
(:meth:`RecordingKeys.rewrap_some`), without touching their objects. A key that is destroyed takes with it whatever is
still under it: for ever, but for backups of the database that are older.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from uuid import UUID

import structlog

from ..audit.service import NewEntry, record
from ..db.engine import Database
from ..ids import new_id
from . import place_store
from .errors import KeyInUse, KeyUnknown, StoreSettingsFaulty
from .place_store import KeyRow
from .places import KEY_BYTES, Places, unwrap, wrap

log = structlog.get_logger("recording")


class RecordingKeys:
    """Keys of every agency in one database."""

    def __init__(self, database: Database, places: Places) -> None:
        self._database = database
        self._places = places

    def rotate(self, agency_id: UUID, key: bytes | None = None) -> UUID:
        """A new key, made here or given by the agency (32 bytes), is the current one from now on; returns its id.
        Raises StoreSettingsFaulty."""
        if key is not None and len(key) != KEY_BYTES:
            raise StoreSettingsFaulty("key", f"must have {KEY_BYTES} bytes")
        key_id = new_id()
        sealed = self._places.seal_key(agency_id, key_id, key or secrets.token_bytes(KEY_BYTES))
        with self._database.tenant(agency_id) as connection:
            place_store.insert_key(connection, agency_id, key_id, sealed)
        self._places.forget()
        return key_id

    def retire(self, agency_id: UUID) -> None:
        """Recordings that come are not encrypted by us any more; what is there stays as it is."""
        with self._database.tenant(agency_id) as connection:
            place_store.retire_keys(connection, agency_id)
        self._places.forget()

    def list(self, agency_id: UUID) -> Sequence[KeyRow]:
        """Every key, the newest first, and how many recordings are under it."""
        with self._database.tenant(agency_id) as connection:
            return place_store.find_keys(connection, agency_id)

    def destroy(
        self, agency_id: UUID, key_id: UUID, *, with_recordings: bool = False, entry: NewEntry | None = None
    ) -> None:
        """The key is gone, and ``entry`` is in the audit log. Raises KeyUnknown, and KeyInUse while it is
        the current one or recordings are under it, unless ``with_recordings`` says that nobody is to hear them any
        more."""
        with self._database.tenant(agency_id) as connection:
            found = [key for key in place_store.find_keys(connection, agency_id) if key.id == key_id]
            if not found:
                raise KeyUnknown(f"agency {agency_id} has no key {key_id}")
            if (found[0].is_current or found[0].recordings) and not with_recordings:
                raise KeyInUse(f"{found[0].recordings} recordings are under key {key_id}")
            place_store.destroy_key(connection, agency_id, key_id)
            if entry is not None:
                record(connection, agency_id, entry)
        self._places.forget()

    def rewrap_some(self, agency_id: UUID, *, limit: int = 500) -> int:
        """Wraps keys of recordings that are under older keys anew under the current one; returns how many. Harmless
        when stopped at any point."""
        with self._database.tenant(agency_id) as connection:
            current = next((key for key in place_store.find_keys(connection, agency_id) if key.is_current), None)
        if current is None:
            return 0
        new = self._places.agency_key(agency_id, current.id)
        old: dict[UUID, bytes] = {}
        with self._database.tenant(agency_id) as connection:
            found = place_store.find_wrapped(connection, agency_id, other_than=current.id, limit=limit)
            for one in found:
                if one.key_id not in old:
                    old[one.key_id] = self._places.agency_key(agency_id, one.key_id)
                place_store.rewrap(
                    connection,
                    agency_id,
                    one.id,
                    key_id=current.id,
                    data_key=_anew(old[one.key_id], new, one.data_key, one.object_name),
                    original_key=_anew(old[one.key_id], new, one.original_key, one.original_name),
                )
        return len(found)


def _anew(old: bytes, new: bytes, wrapped: bytes | None, name: str | None) -> bytes | None:
    return None if wrapped is None or name is None else wrap(new, unwrap(old, wrapped, name), name)
