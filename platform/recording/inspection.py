"""What the ledger says of recordings, and whether the stores still hold what they confirmed.

For people who look after an installation.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..db.engine import Database
from ..objectstore.errors import ObjectStoreError
from ..objectstore.sealing import open_sealed
from ..objectstore.service import ObjectStore, Receipt
from ..secrets_box.errors import SecretsBoxError
from .errors import RecordingError
from .life import OPEN
from .places import Places

PAGE = 500
_LISTED = """
SELECT r.agency_id, r.id, r.client_id, r.call_id, r.call_started_at, r.segment, r.state, r.absence_reason, r.node,
       r.object_name, r.size_bytes, r.sha256, r.duration_ms, r.format, r.attempts, r.last_error, r.created_at,
       r.stored_at, r.store_id, r.object_bytes, r.object_checksum, r.key_id, r.data_key
FROM recordings r WHERE r.agency_id = %(agency)s AND (%(client)s::uuid IS NULL OR r.client_id = %(client)s)
  AND (%(state)s::text IS NULL OR r.state = %(state)s) AND (%(call)s::uuid IS NULL OR r.call_id = %(call)s)
  AND (%(since)s::timestamptz IS NULL OR r.call_started_at >= %(since)s)
  AND (r.call_started_at, r.id) > (%(at)s, %(after)s) ORDER BY r.call_started_at, r.id LIMIT %(limit)s
"""
_UNACCOUNTED = """
SELECT r.agency_id, r.id, r.client_id, r.call_id, r.call_started_at, r.segment, r.state, r.node, r.node_path,
       r.attempts, r.last_error, r.created_at
FROM recordings r WHERE r.state = ANY (%s) AND r.created_at < %s
  AND NOT (r.state IN ('expected', 'writing') AND EXISTS (
    SELECT FROM live_calls l WHERE l.agency_id = r.agency_id AND l.call_id = r.call_id))
ORDER BY r.created_at LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which recordings are looked at."""

    agency_id: uuid.UUID
    client_id: uuid.UUID | None = None
    call_id: uuid.UUID | None = None
    state: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``fault`` None: the store holds what it confirmed."""

    row: dict[str, Any]
    fault: str | None


class RecordingInspector:
    """Reads only."""

    def __init__(self, database: Database, places: Places) -> None:
        self._database = database
        self._places = places

    def list_recordings(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        """By the start of the call; each page in a transaction of its own."""
        values = {
            "agency": wanted.agency_id, "client": wanted.client_id, "state": wanted.state, "call": wanted.call_id,
            "since": wanted.since, "at": "-infinity", "after": uuid.UUID(int=0), "limit": PAGE,
        }  # fmt: skip
        while True:
            with self._database.tenant(wanted.agency_id) as connection:
                rows = [dict(row) for row in connection.exec_driver_sql(_LISTED, values).mappings()]
            yield from rows
            if len(rows) < PAGE:
                return
            values |= {"at": rows[-1]["call_started_at"], "after": rows[-1]["id"]}

    def list_unaccounted(self, before: datetime, *, limit: int = 1_000) -> list[dict[str, Any]]:
        """Of all agencies: recordings whose calls are over and that have been on their way since before that moment."""
        with self._database.system() as connection:
            found = connection.exec_driver_sql(_UNACCOUNTED, (list(OPEN), before, limit))
            return [dict(row) for row in found.mappings()]

    def verify(self, wanted: Wanted, *, read: bool) -> Iterator[Verdict]:
        """Asks the store of every recording that is there; ``read``: the object itself is fetched and hashed."""
        for row in self.list_recordings(wanted):
            if row["state"] not in {"stored", "verified"}:
                continue
            try:
                self._verify(row, read=read)
            except (ObjectStoreError, RecordingError, SecretsBoxError) as error:
                yield Verdict(row, f"{type(error).__name__}: {error}")
            else:
                yield Verdict(row, None)

    def _verify(self, row: dict[str, Any], *, read: bool) -> None:
        kept_in = self._places.store_of(row["agency_id"], row["store_id"])
        if row["object_bytes"] is not None and row["object_checksum"] is not None:
            kept_in.confirm(row["object_name"], Receipt(row["object_bytes"], row["object_checksum"]))
        else:
            kept_in.describe(row["object_name"])
        if read:
            found = self._hash(row, kept_in)
            if found != bytes(row["sha256"]):
                raise ContentsDiffer(f"what the store gives back has SHA-256 {found.hex()}")

    def _hash(self, row: dict[str, Any], kept_in: ObjectStore) -> bytes:
        digest = hashlib.sha256()
        name = row["object_name"]
        if row["key_id"] is None:
            stream = kept_in.open(name)
        else:
            if row["data_key"] is None:
                raise ContentsDiffer("its key was destroyed")
            key = self._places.object_key(row["agency_id"], row["key_id"], bytes(row["data_key"]), name)
            stream = open_sealed(kept_in, name, key=key, plain_bytes=row["size_bytes"])
        with stream:
            for chunk in stream:
                digest.update(chunk)
        return digest.digest()


class ContentsDiffer(RecordingError):
    """The store gives back something else than it was given."""
