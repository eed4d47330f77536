"""Use cases of limits, block lists and destinations.

``client_id`` None means the whole agency: whose limits, whose list. Who may change what is the API's matter; that
nobody reaches another tenant's is the database's. A change holds from the next call on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..paging import Page, cut
from . import store
from .errors import BlockUnknown, CallerUnknown, ValueRefused
from .model import MOST_BLOCKS, Block, Limits, NewBlock, check_blocks, check_destinations, check_limits

MAX_PAGE = 500


class AdmissionService:
    """Limits, blocks and destinations in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_limits(self, agency_id: UUID, client_id: UUID | None = None) -> Limits:
        with self._database.tenant(agency_id, client_id) as connection:
            return store.find_limits(connection, agency_id, client_id)

    def set_limits(self, agency_id: UUID, client_id: UUID | None, limits: Limits) -> Limits:
        """Calls that stand stay. Raises ValueRefused, OwnerUnknown."""
        limits = check_limits(limits)
        with self._database.tenant(agency_id, client_id) as connection:
            store.put_limits(connection, agency_id, client_id, limits)
        return limits

    def add_blocks(self, agency_id: UUID, client_id: UUID | None, entries: Sequence[NewBlock]) -> list[Block]:
        """All or none; what is on the list already is left out of the answer. Raises ValueRefused, OwnerUnknown."""
        entries = check_blocks(entries)
        with self._database.tenant(agency_id, client_id) as connection:
            if store.count_blocks(connection, agency_id, client_id) + len(entries) > MOST_BLOCKS:
                raise ValueRefused("entries", f"would make the list longer than {MOST_BLOCKS} entries")
            return store.add_blocks(connection, agency_id, client_id, entries)

    def list_blocks(
        self, agency_id: UUID, client_id: UUID | None = None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Block]:
        """Oldest first; for a client only its own list."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_blocks(connection, agency_id, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "id")

    def get_block(self, agency_id: UUID, client_id: UUID | None, block_id: UUID) -> Block:
        """Raises BlockUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_block(connection, agency_id, block_id)
        if found is None:
            raise BlockUnknown
        return found

    def remove_block(self, agency_id: UUID, client_id: UUID | None, block_id: UUID) -> None:
        """Raises BlockUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            if not store.remove_block(connection, agency_id, block_id):
                raise BlockUnknown

    def get_destinations(self, agency_id: UUID) -> list[str]:
        with self._database.tenant(agency_id) as connection:
            return store.find_destinations(connection, agency_id)

    def set_destinations(self, agency_id: UUID, prefixes: Iterable[str]) -> list[str]:
        """Raises ValueRefused, OwnerUnknown."""
        found = check_destinations(prefixes)
        with self._database.tenant(agency_id) as connection:
            store.put_destinations(connection, agency_id, found)
        return found

    def welcome_caller(self, agency_id: UUID, client_id: UUID | None, call_id: UUID, *, welcome: bool) -> None:
        """Says of the caller of this call that he is no spam, or takes it back; it holds for the whole agency. Raises
        CallerUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            if not store.welcome_caller(connection, agency_id, call_id, welcome=welcome):
                raise CallerUnknown
