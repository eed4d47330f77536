"""Use cases of trunks. They are the operator's alone; the API asks for such a key.

A change holds from the next call on: routes name their trunks when they are read.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..db.tables import OPERATOR_AGENCY
from ..ids import new_id
from ..paging import Page, cut
from ..secrets_box.model import SecretsBox
from . import store
from .errors import TrunkUnknown, ValueRefused, VersionMismatch
from .gateways import Gateway
from .model import Trunk, TrunkValues, check_password, check_trunk, purpose_of

MAX_PAGE = 500


class GatewayDirectory:
    """The trunks that know us by a password, opened: for the processes that keep them on a node."""

    def __init__(self, database: Database, box: SecretsBox) -> None:
        self._database = database
        self._box = box

    def gateways(self) -> list[Gateway]:
        """By name. Raises the errors of `db.errors` and of the box."""
        rows = self._database.look_up("SELECT * FROM dialtrace_gateways()", ())
        return [
            Gateway(row.name, row.host, row.port, row.username, self._opened(row.trunk_id, row.sealed_password))
            for row in rows
        ]

    def _opened(self, trunk_id: UUID, sealed: bytes) -> str:
        return self._box.open(bytes(sealed), purpose=purpose_of(trunk_id)).decode()


class TrunkService:
    """Trunks in one database."""

    def __init__(self, database: Database, clock: Clock, box: SecretsBox) -> None:
        self._database = database
        self._clock = clock
        self._box = box

    def create_trunk(self, values: TrunkValues, *, password: str | None = None) -> Trunk:
        """``password``: for digest authentication. Raises ValueRefused, TrunkNameTaken."""
        check_trunk(values)
        trunk_id = new_id()
        sealed = self._sealed(values, trunk_id, password, has_one=False)
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            _check_currency(connection, values, but=None)
            return store.insert_trunk(connection, trunk_id, {**asdict(values), **sealed})

    def get_trunk(self, trunk_id: UUID) -> Trunk:
        """Raises TrunkUnknown."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            return _found(store.find_trunk(connection, trunk_id))

    def list_trunks(self, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Trunk]:
        """Oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            found = store.find_trunks(connection, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "id")

    def change_trunk(
        self, trunk_id: UUID, *, expected_version: int, changes: dict[str, Any], password: str | None = None
    ) -> Trunk:
        """``password`` None: as it was. Without digest authentication user name and password go. Raises TrunkUnknown,
        ValueRefused, TrunkNameTaken, and VersionMismatch unless it is at that version."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            before = _found(store.find_trunk(connection, trunk_id, lock=True))
            if before.version != expected_version:
                raise VersionMismatch(before.version)
            if changes.get("authentication") == "address":
                changes = {"username": "", **changes}
            after = replace(before, **changes)
            check_trunk(after)
            sealed = self._sealed(after, trunk_id, password, has_one=before.has_password)
            _check_currency(connection, after, but=trunk_id)
            return store.change_trunk(connection, trunk_id, {**changes, **sealed, "updated_at": self._clock.now()})

    def delete_trunk(self, trunk_id: UUID) -> None:
        """Calls that stand go on. Raises TrunkUnknown."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            if not store.delete_trunk(connection, trunk_id):
                raise TrunkUnknown

    def reseal_passwords(self) -> int:
        """Seals what is not yet under the newest master key; returns how many were not. Raises the box's errors, and
        then none is changed."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            anew = [
                (trunk_id, self._box.reseal(sealed, purpose=purpose_of(trunk_id)))
                for trunk_id, sealed in store.sealed_passwords(connection)
            ]
            changed = [(trunk_id, sealed) for trunk_id, sealed in anew if sealed is not None]
            for trunk_id, sealed in changed:
                store.put_sealed_password(connection, trunk_id, sealed)
        return len(changed)

    def _sealed(
        self, values: TrunkValues, trunk_id: UUID, password: str | None, *, has_one: bool
    ) -> dict[str, bytes | None]:
        """The column to write, none where the password stays as it is. Raises ValueRefused."""
        if values.authentication != "digest":
            if password is not None:
                raise ValueRefused("password", "must be left out: the trunk knows us by our address")
            return {"sealed_password": None}
        if password is None:
            if not has_one:
                raise ValueRefused("password", "must be given: digest needs one")
            return {}
        return {"sealed_password": self._box.seal(check_password(password).encode(), purpose=purpose_of(trunk_id))}


def _check_currency(connection: Connection, values: TrunkValues, *, but: UUID | None) -> None:
    """The cheapest can only be told among prices of one currency."""
    others = store.currencies(connection, but=but) - {values.currency}
    if others:
        raise ValueRefused("currency", f"must be that of the other trunks, {', '.join(sorted(others))}")


def _found(trunk: Trunk | None) -> Trunk:
    if trunk is None:
        raise TrunkUnknown
    return trunk
