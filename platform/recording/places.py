"""Where an agency's recordings are kept, under which key, and in which form: asked for every recording, so remembered.

An agency has the platform's store or one of its own, whose secret is sealed. With a key of its own its recordings are
encrypted before they leave us: each object has a key, wrapped under the agency's, which is sealed under the master
keys.
Must not know files, or who calls.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from ..clock import Clock
from ..db.engine import Database
from ..objectstore.service import Access, ObjectStore, S3Store, WatchedStore, parse_encryption
from ..secrets_box.errors import MasterKeyMissing
from ..secrets_box.model import SecretsBox
from . import place_store
from .errors import KeyDestroyed, NoStoreOfItsOwn
from .guard import EndpointGuard
from .place_store import StoreRow

#: A changed setting is followed after this long.
REMEMBERED_S = 10.0
MOST_REMEMBERED = 10_000
KEY_BYTES = 32

#: Opens an agency's own bucket.
OpenStore = Callable[[StoreRow, str], ObjectStore]


@dataclass(frozen=True)
class Place:
    """Where a client's next recording goes. ``key``: the agency's own, None where it has none."""

    store: ObjectStore
    store_id: uuid.UUID | None
    key_id: uuid.UUID | None
    key: bytes | None = field(repr=False)
    form: str = "wav"
    keep_original: bool = False


@dataclass(frozen=True)
class ObjectKey:
    """An object's own key, open and as it is kept."""

    key: bytes = field(repr=False)
    wrapped: bytes


class Places:
    """Places of all agencies. ``box`` None: nobody has an own store or key."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        *,
        box: SecretsBox | None = None,
        clock: Clock,
        open_own: OpenStore | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._box = box
        self._clock = clock
        self._open_own = open_own or open_bucket
        self._places: dict[tuple[uuid.UUID, uuid.UUID], tuple[float, Place]] = {}
        self._stores: dict[tuple[uuid.UUID, bytes], ObjectStore] = {}

    def of(self, agency_id: uuid.UUID, client_id: uuid.UUID) -> Place:
        """Where this client's recordings go now. Raises the errors of `db.errors` and `secrets_box.errors`."""
        now_s = self._clock.monotonic_s()
        known = self._places.get((agency_id, client_id))
        if known is not None and known[0] > now_s:
            return known[1]
        with self._database.tenant(agency_id) as connection:
            row = place_store.find_place(connection, agency_id, client_id)
        own = row.store
        place = Place(
            store=self._opened(own) if own else self._store,
            store_id=own.id if own else None,
            key_id=row.key_id,
            key=self._open_key(agency_id, row.key_id, row.key_sealed) if row.key_id and row.key_sealed else None,
            form=row.form,
            keep_original=row.keep_original,
        )
        if len(self._places) >= MOST_REMEMBERED:
            self._places.clear()
        self._places[(agency_id, client_id)] = (now_s + REMEMBERED_S, place)
        return place

    def forget(self) -> None:
        """A setting was changed here: what comes next follows it."""
        self._places.clear()

    def store_of(self, agency_id: uuid.UUID, store_id: uuid.UUID | None) -> ObjectStore:
        """The store in which something was kept. Raises NoStoreOfItsOwn."""
        if store_id is None:
            return self._store
        with self._database.tenant(agency_id) as connection:
            row = place_store.find_store(connection, agency_id, store_id)
        if row is None:
            raise NoStoreOfItsOwn(f"agency {agency_id} has no store {store_id} any more")
        return self._opened(row)

    def current_store(self, agency_id: uuid.UUID) -> tuple[uuid.UUID, ObjectStore] | None:
        """The agency's own bucket that takes what is new; None: it has none. Raises the errors of `secrets_box`."""
        with self._database.tenant(agency_id) as connection:
            row = place_store.find_current_store(connection, agency_id)
        return None if row is None else (row.id, self._opened(row))

    def opened(self, row: StoreRow) -> ObjectStore:
        """The bucket that a row tells of."""
        return self._opened(row)

    def _opened(self, row: StoreRow) -> ObjectStore:
        mark = row.mark()
        found = self._stores.get((row.id, mark))
        if found is None:
            secret = self._sealer().open(row.secret, purpose=store_purpose(row.agency_id, row.id)).decode()
            if len(self._stores) >= MOST_REMEMBERED:
                self._stores.clear()
            found = self._stores[(row.id, mark)] = self._open_own(row, secret)
        return found

    def seal_secret(self, agency_id: uuid.UUID, store_id: uuid.UUID, secret: str) -> bytes:
        """A store's secret as it is kept."""
        return self._sealer().seal(secret.encode(), purpose=store_purpose(agency_id, store_id))

    def seal_key(self, agency_id: uuid.UUID, key_id: uuid.UUID, key: bytes) -> bytes:
        """An agency's key as it is kept."""
        return self._sealer().seal(key, purpose=key_purpose(agency_id, key_id))

    # --- Keys of objects. ---

    def new_object_key(self, place: Place, name: str) -> ObjectKey | None:
        """A key for one upload of the object of that name; None where objects go as they are."""
        if place.key is None:
            return None
        key = secrets.token_bytes(KEY_BYTES)
        return ObjectKey(key, wrap(place.key, key, name))

    def object_key(self, agency_id: uuid.UUID, key_id: uuid.UUID, wrapped: bytes, name: str) -> bytes:
        """The key of an object that is kept. Raises KeyDestroyed."""
        return unwrap(self.agency_key(agency_id, key_id), wrapped, name)

    def agency_key(self, agency_id: uuid.UUID, key_id: uuid.UUID) -> bytes:
        """A key of an agency. Raises KeyDestroyed."""
        with self._database.tenant(agency_id) as connection:
            sealed = place_store.find_key(connection, agency_id, key_id)
        if sealed is None:
            raise KeyDestroyed(f"key {key_id} of agency {agency_id} was destroyed")
        return self._open_key(agency_id, key_id, sealed)

    def _open_key(self, agency_id: uuid.UUID, key_id: uuid.UUID, sealed: bytes) -> bytes:
        return self._sealer().open(sealed, purpose=key_purpose(agency_id, key_id))

    def _sealer(self) -> SecretsBox:
        if self._box is None:
            raise MasterKeyMissing(
                "this process was given no DIALTRACE_MASTER_KEYS, which agencies' stores and keys need"
            )
        return self._box


def store_purpose(agency_id: uuid.UUID, store_id: uuid.UUID) -> str:
    return f"agency {agency_id} recording store {store_id}"


def key_purpose(agency_id: uuid.UUID, key_id: uuid.UUID) -> str:
    return f"agency {agency_id} recording key {key_id}"


def wrap(agency_key: bytes, key: bytes, name: str) -> bytes:
    """An object's key under an agency's, for the object of this name alone."""
    return SecretsBox([agency_key]).seal(key, purpose=f"object {name}")


def unwrap(agency_key: bytes, wrapped: bytes, name: str) -> bytes:
    """The inverse of :func:`wrap`."""
    return SecretsBox([agency_key]).open(wrapped, purpose=f"object {name}")


def open_bucket(row: StoreRow, secret: str, guard: EndpointGuard | None = None) -> ObjectStore:
    """A bucket with credentials of its own; ``guard`` judges each address before anything is sent there, and each
    connection."""
    store = S3Store(
        row.bucket,
        row.prefix,
        endpoint_url=row.endpoint_url,
        region=row.region,
        access=Access(row.access_key_id, secret),
        encryption=parse_encryption(row.encryption),
        guard=guard.check_request if guard else None,
        judge=guard.check_connection if guard else None,
    )
    return WatchedStore(store)
