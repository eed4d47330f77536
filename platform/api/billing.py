"""Accounts and their ledger: `/v1/clients/{id}/billing` of a client, `/v1/agencies/{id}/billing` of an agency as the
operator's customer."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, StrictInt

from ..billing.model import Account, AccountValues
from .auth import AGENCY, EVERYBODY, OPERATOR, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .money import SignedAmount
from .paging import Listed, ListQuery, each, list_page
from .preconditions import check_match, tag_of
from .price_books import CurrencyOf

blueprint = APIBlueprint("billing", __name__, tag="Billing")


BookId = Annotated[
    UUID | None,
    Field(description="Its prices; null: nothing is charged, and nothing rated.", examples=[EXAMPLE_ID]),
]

ModeOf = Annotated[
    Literal["prepaid", "postpaid"],
    Field(description="prepaid: overdue below `lowest_balance`. postpaid: when a statement is not paid in time.",
          examples=["postpaid"]),
]  # fmt: skip

Lowest = Annotated[SignedAmount, Field(description="Of a prepaid account.", examples=["0.00"])]

Alarms = Annotated[
    list[SignedAmount],
    Field(
        max_length=10, description="Falling below one of these balances is told: `balance.low`.", examples=[["20.00"]]
    ),
]

Days = Annotated[StrictInt, Field(ge=0, le=365, examples=[14])]

Action = Annotated[
    Literal["keep", "suspend"],
    Field(
        description="What follows when it is overdue for `grace_days`. Until then, and with keep for ever, its numbers "
        "forward as before; suspend refuses calls to them until it has paid.",
        examples=["keep"],
    ),
]


class NewAccount(Body):
    """An account to be opened."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"currency": "GBP", "price_book_id": EXAMPLE_ID, "mode": "postpaid"}}
    )

    agency_id: AgencyId
    currency: CurrencyOf
    time_zone: Annotated[
        str | None,
        Field(default=None, max_length=64, description="Of its days and months; null: the client's own.",
              examples=["Europe/London"]),
    ]  # fmt: skip
    price_book_id: Annotated[BookId, Field(default=None)]
    mode: Annotated[ModeOf, Field(default="postpaid")]
    lowest_balance: Annotated[Lowest, Field(default=Decimal(0))]
    alarms: Annotated[Alarms, Field(default_factory=list)]
    due_days: Annotated[Days, Field(default=14, description="A statement is to be paid within so many days.")]
    grace_days: Annotated[Days, Field(default=14, description="It goes on as before for so many days.")]
    then_action: Annotated[Action, Field(default="keep")]


class AccountChange(Body):
    """A merge patch of an account."""

    model_config = ConfigDict(json_schema_extra={"example": {"alarms": ["20.00", "5.00"]}})

    agency_id: AgencyId
    price_book_id: Annotated[BookId, Field(default=None)]
    mode: Annotated[ModeOf, Field(default_factory=absent)]
    lowest_balance: Annotated[Lowest, Field(default_factory=absent)]
    alarms: Annotated[Alarms, Field(default_factory=absent)]
    due_days: Annotated[Days, Field(default_factory=absent)]
    grace_days: Annotated[Days, Field(default_factory=absent)]
    then_action: Annotated[Action, Field(default_factory=absent)]


class AccountAnswer(Answer):
    """Who pays, and how it stands. A balance below 0 is owed."""

    agency_id: Id
    client_id: Annotated[UUID | None, Field(description="null: the agency's own, as the operator's customer.")]
    currency: CurrencyOf
    time_zone: str
    price_book_id: Annotated[BookId, Field(description="null for a client's key.")]
    mode: ModeOf
    lowest_balance: Lowest
    alarms: Alarms
    due_days: Days
    grace_days: Days
    then_action: Action
    state: Annotated[Literal["good", "overdue", "stopped"], Field(description="stopped: by then_action.")]
    state_at: Moment
    balance: Annotated[SignedAmount, Field(examples=["-12.50"])]
    created_at: Moment
    updated_at: Moment
    version: Version


class AccountsAnswer(Answer):
    """Every account of an agency, its own first."""

    accounts: list[AccountAnswer]


class NewMovement(Body):
    """A movement of money to be booked."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "payment", "amount": "100.00", "reference": "bank 2026-11-30/17"}}
    )

    agency_id: AgencyId
    kind: Annotated[
        Literal["payment", "credit", "correction"],
        Field(description="A payment and a credit are above 0, a correction goes either way.", examples=["payment"]),
    ]
    amount: SignedAmount
    reference: Annotated[
        str, Field(max_length=100, description="The same one again is the same movement.", examples=["bank 17"])
    ]
    note: Annotated[str, Field(default="", max_length=500, examples=[""])]


class LineAnswer(Answer):
    """What was used and what it costs. Quantities of minutes are seconds."""

    meter: str
    direction: str
    prefix: Annotated[str | None, Field(description="Of the rate; null: the book has no price for it.")]
    price: Annotated[str | None, Field(examples=["0.02"])]
    count: int
    quantity: Annotated[str, Field(examples=["7260"])]
    free: Annotated[str, Field(examples=["0"])]
    amount: Annotated[str, Field(examples=["2.42"])]


class LedgerEntryAnswer(Answer):
    """A movement of the ledger; it never changes. Charges are below 0."""

    place: Annotated[int, Field(description="Counts from 1 without a gap.", examples=[1])]
    kind: Literal["calls", "month", "payment", "credit", "correction"]
    day: Annotated[date, Field(description="In the account's time zone.")]
    amount: SignedAmount
    balance: Annotated[SignedAmount, Field(description="After it.")]
    currency: CurrencyOf
    reference: str
    note: str
    lines: list[LineAnswer]
    posted_at: Moment


class LedgerList(Listed[LedgerEntryAnswer]):
    """A page of the ledger."""


def _show(asked: Asked, account: Account) -> tuple[AccountAnswer, int, dict[str, str]]:
    answer = AccountAnswer.model_validate(account)
    if asked.principal.role == "client":
        answer.price_book_id = None
    return answer, 200, {"ETag": tag_of(account.version)}


def own_client(asked: Asked, client_id: UUID) -> UUID:
    """Raises Problem (404) or ClientUnknown."""
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    return asked.services.tenancy.get_client(asked.agency_id, client_id).id


def _open(asked: Asked, client_id: UUID | None, body: NewAccount) -> tuple[AccountAnswer, int, dict[str, str]]:
    values = body.model_dump(exclude={"agency_id", "currency", "time_zone"})
    made = asked.services.billing.open_account(
        asked.agency_id, client_id, AccountValues(**values), currency=body.currency, time_zone=body.time_zone
    )
    answer, _, headers = _show(asked, made)
    return answer, 201, headers | {"Location": request.path}


def _change(asked: Asked, client_id: UUID | None, body: AccountChange) -> tuple[AccountAnswer, int, dict[str, str]]:
    billing = asked.services.billing
    before = billing.get_account(asked.agency_id, client_id)
    check_match(request.headers, before.version, required=True)
    changed = billing.change_account(asked.agency_id, client_id, body.changes(), version=before.version)
    return _show(asked, changed)


def _book_entry(asked: Asked, client_id: UUID | None, body: NewMovement) -> tuple[LedgerEntryAnswer, int]:
    entry = asked.services.billing.book_entry(
        asked.agency_id, client_id, kind=body.kind, amount=body.amount, reference=body.reference, note=body.note
    )
    return LedgerEntryAnswer.model_validate(entry), 201


def _list_entries(asked: Asked, client_id: UUID | None, query: ListQuery) -> Any:
    billing = asked.services.billing
    return list_page(
        asked,
        query,
        lambda limit, after: billing.list_entries(asked.agency_id, client_id, limit=limit, after=after),
        each(LedgerEntryAnswer.model_validate),
    )


_CLIENT = "/v1/clients/<uuid:client_id>/billing"

_AGENCY = "/v1/agencies/<uuid:agency_id>/billing"


@endpoint(blueprint, "GET", _CLIENT, roles=EVERYBODY, answer=AccountAnswer)
def get_client_account(asked: Asked, client_id: UUID) -> Any:
    """Read a client's account"""
    return _show(asked, asked.services.billing.get_account(asked.agency_id, own_client(asked, client_id)))


@endpoint(blueprint, "POST", _CLIENT, roles=AGENCY, body=NewAccount, answer=AccountAnswer, status=201)
def open_client_account(asked: Asked, client_id: UUID, body: NewAccount) -> Any:
    """Open a client's account

    Its calls are rated from now on. Currency and time zone stay as they are said here.
    """
    return _open(asked, own_client(asked, client_id), body)


@endpoint(blueprint, "PATCH", _CLIENT, roles=AGENCY, body=AccountChange, answer=AccountAnswer)
def change_client_account(asked: Asked, client_id: UUID, body: AccountChange) -> Any:
    """Change a client's account

    A JSON merge patch: what is left out stays.
    """
    return _change(asked, own_client(asked, client_id), body)


@endpoint(blueprint, "GET", _CLIENT + "/entries", roles=EVERYBODY, query=ListQuery, answer=LedgerList)
def list_client_entries(asked: Asked, client_id: UUID, query: ListQuery) -> Any:
    """List a client's movements of money

    The latest first.
    """
    return _list_entries(asked, own_client(asked, client_id), query)


@endpoint(
    blueprint, "POST", _CLIENT + "/entries", roles=AGENCY, body=NewMovement, answer=LedgerEntryAnswer, status=201,
    problems=("reference_taken",),
)  # fmt: skip
def book_client_entry(asked: Asked, client_id: UUID, body: NewMovement) -> Any:
    """Book a client's payment, credit or correction"""
    return _book_entry(asked, own_client(asked, client_id), body)


@endpoint(blueprint, "GET", _AGENCY, roles=AGENCY, answer=AccountAnswer)
def get_agency_account(asked: Asked, agency_id: UUID) -> Any:
    """Read an agency's account

    As the operator's customer.
    """
    return _show(asked, asked.services.billing.get_account(agency_id, None))


@endpoint(blueprint, "POST", _AGENCY, roles=OPERATOR, body=NewAccount, answer=AccountAnswer, status=201)
def open_agency_account(asked: Asked, agency_id: UUID, body: NewAccount) -> Any:
    """Open an agency's account"""
    return _open(asked, None, body)


@endpoint(blueprint, "PATCH", _AGENCY, roles=OPERATOR, body=AccountChange, answer=AccountAnswer)
def change_agency_account(asked: Asked, agency_id: UUID, body: AccountChange) -> Any:
    """Change an agency's account"""
    return _change(asked, None, body)


@endpoint(blueprint, "GET", _AGENCY + "/accounts", roles=AGENCY, answer=AccountsAnswer)
def list_accounts(asked: Asked, agency_id: UUID) -> AccountsAnswer:
    """List the accounts of an agency's clients

    The agency's own comes first.
    """
    return AccountsAnswer(
        accounts=[AccountAnswer.model_validate(one) for one in asked.services.billing.list_accounts(agency_id)]
    )


@endpoint(blueprint, "GET", _AGENCY + "/entries", roles=AGENCY, query=ListQuery, answer=LedgerList)
def list_agency_entries(asked: Asked, agency_id: UUID, query: ListQuery) -> Any:
    """List an agency's movements of money"""
    return _list_entries(asked, None, query)


@endpoint(
    blueprint, "POST", _AGENCY + "/entries", roles=OPERATOR, body=NewMovement, answer=LedgerEntryAnswer, status=201,
    problems=("reference_taken",),
)  # fmt: skip
def book_agency_entry(asked: Asked, agency_id: UUID, body: NewMovement) -> Any:
    """Book an agency's payment, credit or correction"""
    return _book_entry(asked, None, body)
