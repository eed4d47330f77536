"""Carriers, what they offer, and orders with their states. Pure: values and rules.

An **order** is what an agency asks of a carrier: a number that the carrier has (``purchase``), or one that is brought
over from another carrier (``port_in``). One table of states holds for both; a port goes through more of them::

    draft -> submitted -> accepted -> scheduled -> active
               purchase: requested -> active
    any that is not over -> cancelled; what the carrier refuses -> rejected
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol, TypeGuard
from uuid import UUID

from ..ids import new_id
from .errors import OrderNotOpen, ValueRefused

Adapter = Literal["inventory", "http"]
OrderKind = Literal["purchase", "port_in"]
State = Literal["draft", "requested", "submitted", "accepted", "scheduled", "active", "rejected", "cancelled"]

#: From each state, where an order may go.
STATES: Mapping[State, frozenset[State]] = {
    "draft": frozenset({"submitted", "cancelled"}),
    "requested": frozenset({"active", "rejected", "cancelled"}),
    "submitted": frozenset({"accepted", "scheduled", "active", "rejected", "cancelled"}),
    "accepted": frozenset({"scheduled", "active", "rejected", "cancelled"}),
    "scheduled": frozenset({"accepted", "active", "rejected", "cancelled"}),
    "active": frozenset(),
    "rejected": frozenset({"submitted"}),
    "cancelled": frozenset(),
}
#: With the carrier: asked after now and then.
WAITING: frozenset[State] = frozenset({"requested", "submitted", "accepted", "scheduled"})

#: What becomes of a released number that came from a carrier::
#:
#:     resting -> leaving -> given_back
#:                leaving -> refused -> resting (whoever wants it tried again)
#:     resting, refused -> kept (somebody has it in service again)
#:
#: ``leaving``: the carrier is being asked, or may have done it though no answer came. Nobody may add the number then:
#: it would be taken away from under its calls.
ReturnState = Literal["resting", "leaving", "given_back", "refused", "kept"]
#: Still to be done by a job.
RETURNING: frozenset[ReturnState] = frozenset({"resting", "leaving"})
#: Who still sees a number, or talks over it, is looked for again after this.
STILL_USED = timedelta(hours=1)
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=6)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_FILE = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}\.csv")


@dataclass(frozen=True)
class CarrierValues:
    """What the operator says of a carrier. ``inventory``: a file of that name; ``http``: its address."""

    name: str
    adapter: Adapter
    file: str | None = None
    base_url: str | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Carrier(CarrierValues):
    """A carrier that is kept. ``sealed_token``: what the HTTP adapter shows, sealed."""

    id: UUID = field(default_factory=new_id)
    sealed_token: bytes | None = None
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Wanted:
    """What numbers are looked for."""

    country: str | None = None
    prefix: str | None = None
    region: str | None = None
    kind: str | None = None
    limit: int = 50


@dataclass(frozen=True)
class Offer:
    """A number that a carrier has. ``kind``: such as local, mobile or toll_free."""

    e164: str
    country: str
    region: str | None = None
    kind: str = "local"


@dataclass(frozen=True)
class Progress:
    """How far a carrier is with an order. ``reference``: its own name for it."""

    state: State
    reference: str | None = None
    reason: str | None = None
    scheduled_for: date | None = None


@dataclass(frozen=True)
class Order:
    """An order that is kept. ``details`` of a port: what the losing carrier must be told."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    carrier_id: UUID
    kind: OrderKind
    e164: str
    state: State
    number_kind: str = "static"
    flow_id: UUID | None = None
    label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    reference: str | None = None
    reason: str | None = None
    scheduled_for: date | None = None
    number_id: UUID | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True)
class NumberReturn:
    """A released number on its way back to its carrier. ``due_at``: the carrier is not asked before; ``tries``: how
    often it was asked in vain."""

    agency_id: UUID
    number_id: UUID
    client_id: UUID
    carrier_id: UUID
    e164: str
    state: ReturnState
    reason: str | None
    due_at: datetime
    tries: int
    given_back_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class CarrierAdapter(Protocol):
    """How a carrier is talked to. Each call is harmless when made twice: ``reference`` is the order's own id, under
    which a carrier that has it already answers as before. Raises CarrierRefuses, CarrierAway."""

    def search(self, wanted: Wanted) -> Sequence[Offer]:
        """Numbers that can be ordered now."""

    def order(self, e164: str, *, reference: str) -> Progress:
        """Order a number."""

    def port_in(self, e164: str, details: Mapping[str, Any], *, reference: str) -> Progress:
        """Ask for a number to be brought over."""

    def progress(self, reference: str) -> Progress:
        """How far an order is, by the carrier's own name for it."""

    def cancel(self, reference: str) -> Progress:
        """Take an order back."""

    def release(self, e164: str) -> bool:
        """Give a number back. False: the carrier had it no longer."""


def check_carrier(values: CarrierValues) -> None:
    """Raises ValueRefused."""
    if not _NAME.fullmatch(values.name):
        raise ValueRefused("name", "has up to 41 of a-z, 0-9 and -, and begins with a letter")
    if values.adapter == "inventory" and (values.file is None or not _FILE.fullmatch(values.file)):
        raise ValueRefused("file", "must be the name of a file such as numbers.csv in DIALTRACE_INVENTORY_DIR")
    if values.adapter == "http" and not values.base_url:
        raise ValueRefused("base_url", "is required with the adapter http")


def is_state(text: object) -> TypeGuard[State]:
    """Whether an order can be so far."""
    return isinstance(text, str) and text in STATES


def check_move(order: Order, state: State) -> None:
    """Raises OrderNotOpen."""
    if state != order.state and state not in STATES[order.state]:
        raise OrderNotOpen(order.state, state)


def pause_after(tries: int) -> timedelta:
    """Until a carrier that did not answer, so many times by now, is asked again to take a number back."""
    return min(_FIRST_PAUSE * 2 ** min(tries - 1, 16), _LONGEST_PAUSE)
