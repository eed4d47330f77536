"""Agencies' own stores and wishes: what they are set to, whether they would work, and how recordings are kept.

Changing the bucket begins another store: what was kept in the one before stays readable there, with its credentials.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..ids import new_id
from ..objectstore.errors import NotConfirmed, ObjectStoreError
from ..objectstore.service import FileSource, ObjectStore, parse_encryption
from . import place_store
from .errors import NoStoreOfItsOwn, StoreSettingsFaulty
from .place_store import StoreRow
from .places import Places

#: The steps of a test, in order; each is only tried when the one before went well.
STEPS = ("reach", "write", "confirm", "read", "delete")
_PROBE_BYTES = 1_000
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*|")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ACCESS_KEY = re.compile(r"[!-~]{3,128}")

#: Raises StoreSettingsFaulty for an address that requests must not go to.
CheckEndpoint = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class StoreValues:
    """A bucket of an agency's own. ``encryption``: what the store itself is asked to do (none, s3, kms, kms:<key>).
    ``secret`` None: as it was."""

    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    endpoint_url: str | None = None
    access_key_id: str
    secret: str | None = field(default=None, repr=False)
    encryption: str = "none"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """In which form recordings are kept. ``is_own`` False: nobody has said so, or only for the whole agency."""

    form: str
    keep_original: bool
    is_own: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a test: ``detail`` says what is wrong, in the store's words where it has any."""

    name: str
    went_well: bool
    detail: str = ""


class RecordingStores:
    """Stores and wishes of every agency in one database."""

    def __init__(self, database: Database, places: Places, *, check_endpoint: CheckEndpoint) -> None:
        self._database = database
        self._places = places
        self._check_endpoint = check_endpoint

    # --- Stores. ---

    def get_store(self, agency_id: UUID) -> StoreRow:
        """Raises NoStoreOfItsOwn."""
        with self._database.tenant(agency_id) as connection:
            found = place_store.find_current_store(connection, agency_id)
        if found is None:
            raise NoStoreOfItsOwn(NoStoreOfItsOwn.__doc__ or "")
        return found

    def set_store(self, agency_id: UUID, values: StoreValues) -> StoreRow:
        """Recordings that come go there from now on. Raises StoreSettingsFaulty."""
        self._check(values)
        with self._database.tenant(agency_id) as connection:
            before = place_store.find_current_store(connection, agency_id)
            columns: dict[str, Any] = {
                "region": values.region, "access_key_id": values.access_key_id, "encryption": values.encryption,
            }  # fmt: skip
            is_same = before is not None and _place_of(before) == (values.bucket, values.prefix, values.endpoint_url)
            if before is not None and is_same:
                if values.secret is not None:
                    columns["secret"] = self._places.seal_secret(agency_id, before.id, values.secret)
                row = place_store.update_store(connection, agency_id, before.id, columns)
            else:
                if values.secret is None:
                    raise StoreSettingsFaulty("secret_access_key", "is required for another bucket")
                store_id = new_id()
                place_store.retire_stores(connection, agency_id)
                row = place_store.insert_store(
                    connection,
                    {
                        **columns,
                        "agency_id": agency_id,
                        "id": store_id,
                        "bucket": values.bucket,
                        "prefix": values.prefix,
                        "endpoint_url": values.endpoint_url,
                        "secret": self._places.seal_secret(agency_id, store_id, values.secret),
                    },
                )
        self._places.forget()
        return row

    def drop_store(self, agency_id: UUID) -> None:
        """Recordings that come go to the platform's store again. Raises NoStoreOfItsOwn."""
        with self._database.tenant(agency_id) as connection:
            if not place_store.retire_stores(connection, agency_id):
                raise NoStoreOfItsOwn(NoStoreOfItsOwn.__doc__ or "")
        self._places.forget()

    def test_store(self, agency_id: UUID) -> list[Step]:
        """Tries the agency's store with an object of its own; says at which step it fails, and why. Raises
        NoStoreOfItsOwn."""
        return probe(self._places.opened(self.get_store(agency_id)))

    def _check(self, values: StoreValues) -> None:
        if not _BUCKET.fullmatch(values.bucket) or ".." in values.bucket:
            raise StoreSettingsFaulty("bucket", "must have 3 to 63 small letters, digits, dots and hyphens")
        if len(values.prefix) > 200 or not _PREFIX.fullmatch(values.prefix):
            raise StoreSettingsFaulty("prefix", "must be names of letters, digits, `.`, `_` and `-` with `/` between")
        if not _REGION.fullmatch(values.region):
            raise StoreSettingsFaulty("region", "must be a region's name such as eu-central-1")
        if not _ACCESS_KEY.fullmatch(values.access_key_id):
            raise StoreSettingsFaulty("access_key_id", "must have 3 to 128 visible characters")
        try:
            parse_encryption(values.encryption)
        except ValueError as error:
            raise StoreSettingsFaulty("encryption", str(error)) from error
        if values.endpoint_url is not None:
            self._check_endpoint(values.endpoint_url)

    # --- Wishes. ---

    def get_wish(self, agency_id: UUID, client_id: UUID | None) -> Wish:
        """In which form recordings of a client are kept; ``client_id`` None: of clients that have no wish."""
        with self._database.tenant(agency_id) as connection:
            found = place_store.find_wish(connection, agency_id, client_id or agency_id)
            if found is None and client_id is not None:
                usual = place_store.find_wish(connection, agency_id, agency_id) or ("wav", False)
                return Wish(form=usual[0], keep_original=usual[1], is_own=False)
        form, keep_original = found or ("wav", False)
        return Wish(form=form, keep_original=keep_original, is_own=found is not None)

    def set_wish(self, agency_id: UUID, client_id: UUID | None, *, form: str, keep_original: bool) -> Wish:
        """For recordings that come."""
        with self._database.tenant(agency_id) as connection:
            place_store.put_wish(connection, agency_id, client_id, form=form, keep_original=keep_original)
        self._places.forget()
        return self.get_wish(agency_id, client_id)


def _place_of(row: StoreRow) -> tuple[str, str, str | None]:
    return row.bucket, row.prefix, row.endpoint_url


def probe(store: ObjectStore) -> list[Step]:
    """Puts an object of a thousand bytes there, asks for it, reads it and removes it; the last step told is the one
    that failed, where one did."""
    name, steps = f"dialtrace-test/{new_id()}", []
    body = os.urandom(_PROBE_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe"
        path.write_bytes(body)

        def confirm() -> None:
            store.confirm(name, store.put(name, FileSource(path)))

        def read() -> None:
            with store.open(name, first=10, last=19) as stream:
                if stream.read() != body[10:20]:
                    raise NotConfirmed("what comes back is not what was written")

        tries: tuple[Callable[[], object], ...] = (
            store.check,
            lambda: store.put(name, FileSource(path)),
            confirm,
            read,
            lambda: store.delete(name),
        )
        for step, attempt in zip(STEPS, tries, strict=True):
            try:
                attempt()
            except ObjectStoreError as error:
                steps.append(Step(name=step, went_well=False, detail=str(error)[:500]))
                break
            steps.append(Step(name=step, went_well=True))
    return steps
