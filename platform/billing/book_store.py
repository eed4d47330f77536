"""SQL of price books and their editions. Every function takes a connection whose tenant is set already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, insert, select, update

from ..db.tables import (
    price_books,
    price_editions,
    price_packages,
    price_rates,
)
from ..ids import new_id
from .model import MINUTE, Book, Edition, NewEdition, Package, Rate

_BOOK = tuple(price_books.c[one.name] for one in fields(Book))


def insert_book(connection: Connection, agency_id: UUID, *, side: str, name: str, currency: str) -> Book:
    values = {"agency_id": agency_id, "id": new_id(), "side": side, "name": name, "currency": currency}
    row = connection.execute(insert(price_books).values(values).returning(*_BOOK)).mappings().one()
    return Book(**row)


def find_book(connection: Connection, agency_id: UUID, book_id: UUID) -> Book | None:
    query = select(*_BOOK).where(price_books.c.agency_id == agency_id, price_books.c.id == book_id)
    row = connection.execute(query).mappings().first()
    return Book(**row) if row else None


def find_books(connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Book]:
    """In the order of their ids, which is that of their making."""
    query = select(*_BOOK).where(price_books.c.agency_id == agency_id).order_by(price_books.c.id).limit(limit)
    if after is not None:
        query = query.where(price_books.c.id > after)
    return [Book(**row) for row in connection.execute(query).mappings()]


def rename_book(
    connection: Connection, agency_id: UUID, book_id: UUID, name: str, version: int, now: datetime
) -> Book | None:
    """None: it is at another version."""
    statement = (
        update(price_books)
        .where(price_books.c.agency_id == agency_id, price_books.c.id == book_id, price_books.c.version == version)
        .values(name=name, updated_at=now, version=version + 1)
        .returning(*_BOOK)
    )
    row = connection.execute(statement).mappings().first()
    return Book(**row) if row else None


def insert_edition(connection: Connection, agency_id: UUID, book_id: UUID, new: NewEdition, now: datetime) -> int:
    """The next edition of a book; its number."""
    edition: int = connection.execute(
        update(price_books)
        .where(price_books.c.agency_id == agency_id, price_books.c.id == book_id)
        .values(edition=price_books.c.edition + 1, updated_at=now, version=price_books.c.version + 1)
        .returning(price_books.c.edition)
    ).scalar_one()
    key = {"agency_id": agency_id, "book_id": book_id, "edition": edition}
    connection.execute(
        insert(price_editions).values(
            **key, valid_from=new.valid_from, places=new.places, rounding=new.rounding,
            monthly_minimum=new.monthly_minimum,
        )
    )  # fmt: skip
    minutes = {rate.package for rate in new.rates if rate.meter == MINUTE}
    packages = [
        # Of minutes a package holds seconds, as calls are counted.
        {**key, "name": one.name, "quantity": one.quantity * (60 if one.name in minutes else 1)}
        for one in new.packages
    ]
    if packages:
        connection.execute(insert(price_packages), packages)
    if new.rates:
        connection.execute(insert(price_rates), [{**key, **vars(rate)} for rate in new.rates])
    return edition


def find_edition(connection: Connection, agency_id: UUID, book_id: UUID, edition: int) -> Edition | None:
    """An edition with its rates and packages."""

    def of(table: Any) -> Any:
        return (table.c.agency_id == agency_id) & (table.c.book_id == book_id) & (table.c.edition == edition)

    row = connection.execute(select(price_editions).where(of(price_editions))).mappings().first()
    if row is None:
        return None
    order = (price_rates.c.meter, price_rates.c.direction, price_rates.c.prefix)
    names = tuple(one.name for one in fields(Rate))
    columns = (price_rates.c[name] for name in names)
    rates = [
        Rate(**one) for one in connection.execute(select(*columns).where(of(price_rates)).order_by(*order)).mappings()
    ]
    minutes = {rate.package for rate in rates if rate.meter == MINUTE}
    found = connection.execute(select(price_packages).where(of(price_packages)).order_by(price_packages.c.name))
    packages = [Package(name=one.name, quantity=one.quantity // (60 if one.name in minutes else 1)) for one in found]
    return Edition(
        rates=rates,
        packages=packages,
        **{
            name: row[name]
            for name in ("book_id", "edition", "valid_from", "places", "rounding", "monthly_minimum", "made_at")
        },
    )


def find_editions(connection: Connection, agency_id: UUID, book_id: UUID) -> Sequence[RowMapping]:
    """Number, moment and making of every edition, the first one first."""
    table = price_editions.c
    query = select(table.edition, table.valid_from, table.made_at).where(
        table.agency_id == agency_id, table.book_id == book_id
    )
    return connection.execute(query.order_by(table.edition)).mappings().all()


def edition_at(connection: Connection, agency_id: UUID, book_id: UUID, moment: datetime) -> int | None:
    """The edition that is valid at a moment."""
    table = price_editions.c
    found: int | None = connection.execute(
        select(table.edition)
        .where(table.agency_id == agency_id, table.book_id == book_id, table.valid_from <= moment)
        .order_by(table.valid_from.desc(), table.edition.desc())
        .limit(1)
    ).scalar()
    return found
