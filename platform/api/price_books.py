"""`/v1/price-books`: what things cost. A book's prices stand in editions, which never change."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, StrictInt

from ..billing.model import Book, Edition, NewEdition, Package, Rate
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import AgencyId, Answer, Body, Id, Moment, MomentIn, Name, Version, absent
from .money import Amount
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found

blueprint = APIBlueprint("price_books", __name__, tag="Billing")

SideOf = Annotated[
    Literal["client", "agency"],
    Field(
        description="client: what a client pays its agency. agency: what the agency pays the operator; only the "
        "operator's keys make and change such a book.",
        examples=["client"],
    ),
]
CurrencyOf = Annotated[str, Field(max_length=3, description="ISO 4217.", examples=["GBP"])]


class NewBook(Body):
    """A price book to be made; its prices are added as an edition."""

    model_config = ConfigDict(json_schema_extra={"example": {"side": "client", "name": "Standard", "currency": "GBP"}})

    agency_id: AgencyId
    side: SideOf
    name: Name
    currency: CurrencyOf


class BookChange(Body):
    """A merge patch of a price book."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Standard 2027"}})

    name: Annotated[Name, Field(default_factory=absent)]


class BookAnswer(Answer):
    """A price book."""

    id: Id
    agency_id: Id
    side: SideOf
    name: Name
    currency: CurrencyOf
    edition: Annotated[int, Field(description="The last one; 0: it has no prices yet.", examples=[1])]
    created_at: Moment
    updated_at: Moment
    version: Version


class BookList(Listed[BookAnswer]):
    """A page of price books."""


class RateBody(Body):
    """The price of one meter."""

    meter: Annotated[
        str,
        Field(
            max_length=64,
            description="`minute` and `spam_check` are charged with each call; `number_month`, `recording_gb_month` "
            "and `seat_month` by the days on which they were there; `webhook_delivery`, `transcription_minute` and "
            "whatever name you report usage under by the piece.",
            examples=["minute"],
        ),
    ]
    direction: Annotated[
        Literal["", "inbound", "outbound"],
        Field(
            default="", description="Of minutes: calls to a number, or from it on to a telephone.", examples=["inbound"]
        ),
    ]
    prefix: Annotated[
        str,
        Field(default="", max_length=15, description="Of the number; the longest that fits counts. Empty: any.",
              examples=["+44"]),
    ]  # fmt: skip
    amount: Annotated[Amount, Field(description="Of a minute, a month, a piece.", examples=["0.02"])]
    setup: Annotated[Amount, Field(default=Decimal(0), description="Of each call on top.", examples=["0.00"])]
    minimum: Annotated[
        Amount,
        Field(default=Decimal(0), description="What a call that costs anything costs at least.", examples=["0.00"]),
    ]
    initial_s: Annotated[
        StrictInt, Field(default=60, ge=0, le=3600, description="The first seconds count whole.", examples=[60])
    ]
    increment_s: Annotated[
        StrictInt, Field(default=60, ge=1, le=3600, description="Further seconds count in steps.", examples=[60])
    ]
    proration: Annotated[
        Literal["daily", "whole"],
        Field(default="daily", description="Of what is there by the month: by its days, or the highest count in full.",
              examples=["daily"]),
    ]  # fmt: skip
    package: Annotated[
        str | None, Field(default=None, max_length=64, description="What is taken off first.", examples=[None])
    ]


class PackageBody(Body):
    """What is free within a calendar month."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["free-minutes"])]
    quantity: Annotated[StrictInt, Field(ge=1, le=10**12, description="Minutes, or pieces.", examples=[1000])]


_EXAMPLE: dict[str, Any] = {
    "valid_from": "2026-12-01T00:00:00Z",
    "rates": [
        {"meter": "minute", "direction": "inbound", "prefix": "+44", "amount": "0.02", "increment_s": 1},
        {"meter": "number_month", "amount": "1.50"},
    ],
}


class EditionBody(Body):
    """Prices from a moment on."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    agency_id: AgencyId
    valid_from: Annotated[MomentIn, Field(description="Calls that begin from then on.")]
    places: Annotated[
        StrictInt, Field(default=4, ge=0, le=6, description="Decimal places of each charge.", examples=[4])
    ]
    rounding: Annotated[Literal["half_up", "half_even", "up", "down"], Field(default="half_up", examples=["half_up"])]
    monthly_minimum: Annotated[
        Amount, Field(default=Decimal(0), description="What a month costs at least.", examples=["25.00"])
    ]
    rates: Annotated[list[RateBody], Field(default_factory=list, max_length=20_000)]
    packages: Annotated[list[PackageBody], Field(default_factory=list, max_length=200)]

    def to_edition(self) -> NewEdition:
        return NewEdition(
            valid_from=self.valid_from,
            places=self.places,
            rounding=self.rounding,
            monthly_minimum=self.monthly_minimum,
            rates=[Rate(**one.model_dump()) for one in self.rates],
            packages=[Package(**one.model_dump()) for one in self.packages],
        )


class RateAnswer(Answer):
    """The price of one meter."""

    meter: str
    direction: str
    prefix: str
    amount: Amount
    setup: Amount
    minimum: Amount
    initial_s: int
    increment_s: int
    proration: str
    package: str | None


class PackageAnswer(Answer):
    """What is free within a calendar month."""

    name: str
    quantity: int


class EditionAnswer(Answer):
    """An edition of a price book; it never changes."""

    book_id: Id
    edition: int
    valid_from: Moment
    places: int
    rounding: str
    monthly_minimum: Amount
    rates: list[RateAnswer]
    packages: list[PackageAnswer]
    made_at: Moment


class EditionShort(Answer):
    """An edition without its prices."""

    edition: int
    valid_from: Moment
    made_at: Moment


class EditionsAnswer(Answer):
    """Every edition of a book, the first one first."""

    editions: list[EditionShort]


def _show(book: Book) -> BookAnswer:
    return BookAnswer.model_validate(book)


def _show_edition(edition: Edition) -> EditionAnswer:
    return EditionAnswer.model_validate(edition)


def _may_change(asked: Asked, side: str) -> None:
    """Raises Problem (403)."""
    if side == "agency" and asked.principal.role != "operator":
        raise Problem("role_insufficient", "What an agency pays is said by the operator's keys only.")


@endpoint(blueprint, "POST", "/v1/price-books", roles=AGENCY, body=NewBook, answer=BookAnswer, status=201)
def create_price_book(asked: Asked, body: NewBook) -> Reply[BookAnswer]:
    """Make a price book"""
    _may_change(asked, body.side)
    books = asked.services.price_books
    made = books.create_book(asked.agency_id, side=body.side, name=body.name, currency=body.currency)
    return created("/v1/price-books", _show(made))


@endpoint(blueprint, "GET", "/v1/price-books", roles=AGENCY, query=ListQuery, answer=BookList)
def list_price_books(asked: Asked, query: ListQuery) -> Any:
    """List price books

    In the order in which they were made.
    """
    books = asked.services.price_books
    return list_page(
        asked, query, lambda limit, after: books.list_books(asked.agency_id, limit=limit, after=after), each(_show)
    )


@endpoint(blueprint, "GET", "/v1/price-books/<uuid:book_id>", roles=AGENCY, answer=BookAnswer)
def get_price_book(asked: Asked, book_id: UUID) -> Reply[BookAnswer]:
    """Read a price book"""
    return found(_show(asked.services.price_books.get_book(asked.agency_id, book_id)))


@endpoint(blueprint, "PATCH", "/v1/price-books/<uuid:book_id>", roles=AGENCY, body=BookChange, answer=BookAnswer)
def change_price_book(asked: Asked, book_id: UUID, body: BookChange) -> Reply[BookAnswer]:
    """Rename a price book"""
    books = asked.services.price_books
    before = books.get_book(asked.agency_id, book_id)
    _may_change(asked, before.side)
    check_match(request.headers, before.version, required=True)
    name = body.changes().get("name", before.name)
    return found(_show(books.rename_book(asked.agency_id, book_id, name, version=before.version)))


@endpoint(blueprint, "GET", "/v1/price-books/<uuid:book_id>/editions", roles=AGENCY, answer=EditionsAnswer)
def list_price_editions(asked: Asked, book_id: UUID) -> EditionsAnswer:
    """List a price book's editions"""
    rows = asked.services.price_books.list_editions(asked.agency_id, book_id)
    return EditionsAnswer(editions=[EditionShort(**row) for row in rows])


@endpoint(
    blueprint, "POST", "/v1/price-books/<uuid:book_id>/editions", roles=AGENCY, body=EditionBody, answer=EditionAnswer,
    status=201,
)  # fmt: skip
def add_price_edition(asked: Asked, book_id: UUID, body: EditionBody) -> tuple[EditionAnswer, int, dict[str, str]]:
    """Add an edition to a price book

    Its prices hold for calls that begin at `valid_from` or later, until the next edition's. Calls that are rated
    already keep their price until they are rated anew (`POST /v1/billing/reratings`).
    """
    books = asked.services.price_books
    _may_change(asked, books.get_book(asked.agency_id, book_id).side)
    made = books.add_edition(asked.agency_id, book_id, body.to_edition())
    return _show_edition(made), 201, {"Location": f"/v1/price-books/{book_id}/editions/{made.edition}"}


@endpoint(blueprint, "GET", "/v1/price-books/<uuid:book_id>/editions/<int:edition>", roles=AGENCY, answer=EditionAnswer)
def get_price_edition(asked: Asked, book_id: UUID, edition: int) -> EditionAnswer:
    """Read an edition with its prices"""
    return _show_edition(asked.services.price_books.get_edition(asked.agency_id, book_id, edition))
