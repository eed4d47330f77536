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
from ..paging import Page
from . import store
from .errors import TrunkUnknown, ValueRefused, VersionMismatch
from .model import Trunk, TrunkValues, check_trunk

MAX_PAGE = 500


class TrunkService:
    """Trunks in one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_trunk(self, values: TrunkValues) -> Trunk:
        """Raises ValueRefused, TrunkNameTaken."""
        check_trunk(values)
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            _check_currency(connection, values, but=None)
            return store.insert_trunk(connection, new_id(), asdict(values))

    def get_trunk(self, trunk_id: UUID) -> Trunk:
        """Raises TrunkUnknown."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            return _found(store.find_trunk(connection, trunk_id))

    def list_trunks(self, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Trunk]:
        """Oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            found = store.find_trunks(connection, limit=limit + 1, after=after[0] if after else None)
        items = found[:limit]
        return Page(items=items, next=(items[-1].id,) if len(found) > limit else None)

    def change_trunk(self, trunk_id: UUID, *, expected_version: int, changes: dict[str, Any]) -> Trunk:
        """Raises TrunkUnknown, ValueRefused, TrunkNameTaken, and VersionMismatch unless it is at that version."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            before = _found(store.find_trunk(connection, trunk_id, lock=True))
            if before.version != expected_version:
                raise VersionMismatch(before.version)
            after = replace(before, **changes)
            check_trunk(after)
            _check_currency(connection, after, but=trunk_id)
            return store.change_trunk(connection, trunk_id, {**changes, "updated_at": self._clock.now()})

    def delete_trunk(self, trunk_id: UUID) -> None:
        """Calls that stand go on. Raises TrunkUnknown."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            if not store.delete_trunk(connection, trunk_id):
                raise TrunkUnknown


def _check_currency(connection: Connection, values: TrunkValues, *, but: UUID | None) -> None:
    """The cheapest can only be told among prices of one currency."""
    others = store.currencies(connection, but=but) - {values.currency}
    if others:
        raise ValueRefused("currency", f"must be that of the other trunks, {', '.join(sorted(others))}")


def _found(trunk: Trunk | None) -> Trunk:
    if trunk is None:
        raise TrunkUnknown
    return trunk
