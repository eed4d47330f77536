"""The installation's signing key: made once, sealed by the master keys, its public half kept for ever.

Every process that signs opens the same key. Where the master keys were lost a new one is made, and older receipts stay
verifiable by the public keys that are published.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from ..db.engine import Database
from ..ids import new_id
from . import store
from .model import Receipt
from .receipts import VERSION, SigningKey, canonical


class Box(Protocol):
    """What seals secrets (secrets_box)."""

    def seal(self, plain: bytes, *, purpose: str) -> bytes: ...

    def open(self, sealed: bytes, *, purpose: str) -> bytes: ...

    def reseal(self, sealed: bytes, *, purpose: str) -> bytes | None: ...


class Signer:
    """Writes signed receipts."""

    def __init__(self, database: Database, box: Box, *, unopenable: tuple[type[Exception], ...] = ()) -> None:
        self._database = database
        self._box = box
        self._unopenable = unopenable
        self._key: SigningKey | None = None

    def write(
        self,
        connection: Connection,
        *,
        agency_id: UUID,
        client_id: UUID | None,
        kind: str,
        made_at: datetime,
        facts: Mapping[str, Any],
        request_id: UUID | None = None,
    ) -> Receipt:
        """Signs the facts and keeps the receipt, in the caller's transaction."""
        key, receipt_id = self.key(), new_id()
        document = canonical(
            {
                **facts,
                "receipt": receipt_id,
                "version": VERSION,
                "kind": kind,
                "agency": agency_id,
                "client": client_id,
                "request": request_id,
                "made_at": made_at,
                "key": key.key_id,
            }
        )
        return store.insert_receipt(
            connection,
            {
                "agency_id": agency_id,
                "id": receipt_id,
                "client_id": client_id,
                "kind": kind,
                "request_id": request_id,
                "document": document,
                "signature": key.sign(document),
                "key_id": key.key_id,
                "made_at": made_at,
            },
        )

    def key(self) -> SigningKey:
        """The newest key that can be opened; made if there is none."""
        if self._key is None:
            with self._database.directory() as connection:
                self._key = self._opened(connection) or self._made(connection)
        return self._key

    def reseal(self) -> int:
        """Seals every key anew that is not under the newest master key; returns how many. Raises the box's errors:
        a key that cannot be opened signs nothing any more, but what it signed is checked by its public half."""
        with self._database.directory() as connection:
            count = 0
            for row in store.receipt_keys(connection):
                anew = self._box.reseal(bytes(row["sealed_private_key"]), purpose=_purpose(row["key_id"]))
                if anew is not None:
                    store.put_receipt_key(connection, row["key_id"], bytes(row["public_key"]), anew)
                    count += 1
        return count

    def _opened(self, connection: Connection) -> SigningKey | None:
        for row in store.receipt_keys(connection):
            try:
                private = self._box.open(bytes(row["sealed_private_key"]), purpose=_purpose(row["key_id"]))
            except self._unopenable:
                continue
            return SigningKey.from_bytes(private)
        return None

    def _made(self, connection: Connection) -> SigningKey:
        key = SigningKey.generate()
        sealed = self._box.seal(key.private_bytes(), purpose=_purpose(key.key_id))
        store.put_receipt_key(connection, key.key_id, key.public_bytes, sealed)
        return key


def _purpose(key_id: str) -> str:
    return f"receipt key {key_id}"
