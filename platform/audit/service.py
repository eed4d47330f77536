"""Use cases of the audit log: add an entry, and read them.

What must not happen unnoticed is recorded before it happens, in the transaction that does it where there is one
(:func:`record`), by itself otherwise (:meth:`AuditService.record`): an audit log that cannot be written stops the deed.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from ..db.engine import Database
from ..ids import new_id
from ..paging import Page, cut
from . import store
from .model import Actor, ActorKind, Entry, EntryFilters, NewEntry

__all__ = ["Actor", "ActorKind", "AuditService", "Entry", "EntryFilters", "NewEntry", "record"]

MAX_PAGE = 500


def record(connection: Connection, agency_id: UUID, entry: NewEntry) -> UUID:
    """Adds an entry inside the transaction of ``agency_id`` that does what the entry tells; returns its id."""
    entry_id = new_id()
    store.insert_entry(connection, agency_id, entry_id, entry)
    return entry_id


class AuditService:
    """The audit log of every agency in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, agency_id: UUID, entry: NewEntry) -> UUID:
        """Adds an entry in a transaction of its own; it is kept when this returns. Raises the errors of `db.errors`."""
        with self._database.tenant(agency_id) as connection:
            return record(connection, agency_id, entry)

    def list_entries(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        filters: EntryFilters,
        *,
        limit: int = 50,
        after: tuple[datetime, UUID] | None = None,
    ) -> Page[Entry]:
        """Entries of an agency (or of what is one client's), the latest first. ``after``: the ``next`` of the page
        before."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_entries(connection, agency_id, client_id, filters, limit=limit + 1, before=after)
        return cut(found, limit, "at", "id")
