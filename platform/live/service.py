"""The calls that stand: a tenant's list of them, and what a stream of several tenants' reads at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..paging import Page
from . import store
from .model import UNKNOWN_AFTER_S, LiveFilters, ShownCall

__all__ = ["LiveFilters", "LiveService", "ShownCall"]


class LiveService:
    """Reads calls that stand. Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_calls(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        filters: LiveFilters,
        *,
        limit: int,
        after: tuple[Any, ...] | None,
    ) -> Page[ShownCall]:
        """The oldest first."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.page_of_calls(connection, agency_id, filters, limit=limit, after=after)

    def unknown_nodes(self, agency_id: UUID, client_id: UUID | None) -> list[str]:
        """Nodes that have calls of the tenant and that nobody can ask at the moment."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.unknown_nodes(connection, agency_id, UNKNOWN_AFTER_S)

    def read_for_streams(self, agencies: Collection[UUID], most: int) -> list[ShownCall]:
        """The calls of several agencies in one exchange. Who reads them must keep them apart."""
        with self._database.system() as connection:
            return store.calls_of(connection, agencies, most)
