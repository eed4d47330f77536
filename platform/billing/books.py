"""Use cases of price books: what things cost, in editions that never change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from ..clock import Clock
from ..db.engine import Database
from ..paging import Page, cut
from ..tenancy.model import check_name
from . import book_store as store
from .errors import BookUnknown, EditionUnknown, VersionMismatch
from .model import Book, Edition, NewEdition, Side, check_currency, check_edition

MAX_PAGE = 500


class PriceBooks:
    """The price books of every agency in one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_book(self, agency_id: UUID, *, side: Side, name: str, currency: str) -> Book:
        """Raises ValueRefused of this room or of tenancy."""
        with self._database.tenant(agency_id) as connection:
            return store.insert_book(
                connection, agency_id, side=side, name=check_name(name), currency=check_currency(currency)
            )

    def get_book(self, agency_id: UUID, book_id: UUID) -> Book:
        """Raises BookUnknown."""
        with self._database.tenant(agency_id) as connection:
            return find_book(connection, agency_id, book_id)

    def list_books(self, agency_id: UUID, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Book]:
        """The agency's price books, the oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id) as connection:
            found = store.find_books(connection, agency_id, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "id")

    def rename_book(self, agency_id: UUID, book_id: UUID, name: str, *, version: int) -> Book:
        """Raises BookUnknown, VersionMismatch."""
        with self._database.tenant(agency_id) as connection:
            find_book(connection, agency_id, book_id)
            changed = store.rename_book(connection, agency_id, book_id, check_name(name), version, self._clock.now())
            if changed is None:
                raise VersionMismatch(find_book(connection, agency_id, book_id).version)
            return changed

    def add_edition(self, agency_id: UUID, book_id: UUID, new: NewEdition) -> Edition:
        """Prices that take the place of those before from ``valid_from`` on. Calls that are rated already keep their
        price until somebody has them rated anew. Raises BookUnknown, ValueRefused."""
        check_edition(new)
        with self._database.tenant(agency_id) as connection:
            find_book(connection, agency_id, book_id)
            edition = store.insert_edition(connection, agency_id, book_id, new, self._clock.now())
            return find_edition(connection, agency_id, book_id, edition)

    def get_edition(self, agency_id: UUID, book_id: UUID, edition: int) -> Edition:
        """Raises BookUnknown, EditionUnknown."""
        with self._database.tenant(agency_id) as connection:
            find_book(connection, agency_id, book_id)
            return find_edition(connection, agency_id, book_id, edition)

    def list_editions(self, agency_id: UUID, book_id: UUID) -> Sequence[RowMapping]:
        """Raises BookUnknown."""
        with self._database.tenant(agency_id) as connection:
            find_book(connection, agency_id, book_id)
            return store.find_editions(connection, agency_id, book_id)


def find_book(connection: Connection, agency_id: UUID, book_id: UUID) -> Book:
    found = store.find_book(connection, agency_id, book_id)
    if found is None:
        raise BookUnknown
    return found


def find_edition(connection: Connection, agency_id: UUID, book_id: UUID, edition: int) -> Edition:
    found = store.find_edition(connection, agency_id, book_id, edition)
    if found is None:
        raise EditionUnknown
    return found
