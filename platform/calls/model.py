"""Targets, flows, routes and nodes: the values of the call plane and their rules. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ..phone import is_e164, parse_e164
from .errors import Fault

#: Seconds a target may ring; the table's check says the same.
LEAST_RING_S, LONGEST_RING_S = 1, 300
DEFAULT_RING_S = 20
LONGEST_NAME = 120

# A whitelist, not the grammar of RFC 3261: the address becomes part of a dial string, where , | [ ] { } < > ' : have
# meanings of their own (freeswitch.md 7.5).
_SIP_URI = re.compile(
    r"sip:(?P<user>[A-Za-z0-9_.+-]{1,64})@(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_OCTET = re.compile(r"0|[1-9][0-9]{0,2}")
_NUMERIC = re.compile(r"[0-9.]+")

_TEL = "tel:"

ADDRESS_RULE = (
    "must look like sip:user@host or sip:user@host:port, with letters, digits and _ . + - in the user, "
    "and a host name or an IPv4 address; or be a telephone number such as tel:+442079460100"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A SIP URI that passed the whitelist."""

    user: str
    host: str
    port: int | None

    @property
    def destination(self) -> str:
        """``user@host[:port]``, as a dial string holds it."""
        return f"{self.user}@{self.host}" + ("" if self.port is None else f":{self.port}")


def parse_address(text: str) -> Address:
    """The parts of a target's SIP URI. Raises ValueError with the rule."""
    match = _SIP_URI.fullmatch(text)
    if match is None or not _is_host(match["host"]):
        raise ValueError(ADDRESS_RULE)
    port = None if match["port"] is None else int(match["port"])
    if port is not None and not 0 < port < 65_536:
        raise ValueError("has a port that is not between 1 and 65535")
    return Address(match["user"], match["host"], port)


@dataclass(frozen=True, slots=True)
class Telephone:
    """A telephone number that the operator's trunks dial, in E.164."""

    e164: str


def parse_place(text: str) -> Address | Telephone:
    """A target's address, whichever kind it is of. Raises ValueError with the rule."""
    if not text.startswith(_TEL):
        return parse_address(text)
    number = text.removeprefix(_TEL)
    if not is_e164(number) or parse_e164(number) != number:
        raise ValueError("must be a whole telephone number with its country code, such as tel:+442079460100")
    return Telephone(number)


def _is_host(host: str) -> bool:
    if _NUMERIC.fullmatch(host):
        parts = host.split(".")
        return len(parts) == 4 and all(_OCTET.fullmatch(part) and int(part) < 256 for part in parts)
    return all(_LABEL.fullmatch(label) for label in host.split("."))


@dataclass(frozen=True, slots=True)
class Target:
    """A place that a flow rings."""

    id: UUID
    agency_id: UUID
    client_id: UUID
    name: str
    address: str
    ring_timeout_s: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """What happens to a call to a number, as its owner wrote it."""

    id: UUID
    agency_id: UUID
    client_id: UUID
    name: str
    document: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours that flows share; ``hours`` as `flow_hours.OpenHours` is written."""

    id: UUID
    agency_id: UUID
    client_id: UUID
    name: str
    hours: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client's flows are compiled with."""

    time_zone: str
    backup_target_id: UUID | None


@dataclass(frozen=True, slots=True)
class Route:
    """All that a worker must know of a number. ``compiled`` is the published flow with its targets resolved, or None
    when the number has none."""

    agency_id: UUID
    client_id: UUID
    number_id: UUID
    status: str
    flow_id: UUID | None
    flow_version: int | None
    compiled: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a caller stands in a queue. ``target``: the one that is kept for this caller now; ``full``: there was no
    place."""

    position: int | None = None
    waited_s: int = 0
    target: UUID | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Fuse:
    """A counter of the switch's own, where nobody can count for all nodes: ``reason`` is a word of refusals.py,
    ``counter`` what the application `limit` is given. ``is_shut``: it lets nobody in."""

    reason: str
    counter: str
    is_shut: bool = False


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a call as its plan is made; None: not known, and the flow goes on all the same.

    ``now`` is UTC, ``seed`` comes of the call's UUID, ``segments`` counts the recordings that were begun, ``recording``
    says whether one runs, ``in_flow_s`` how long ago the call began, ``rung`` whether targets were rung in vain before.
    ``asks``: a queue can be joined and a web hook asked, for the database is there. From ``repeat`` on it is what the
    database knows; ``over`` and ``blocked`` are words of refusals.py. ``fuses`` stand in for the database's count.
    """

    now: datetime = _NEVER
    seed: int | None = None
    caller: str | None = None
    segments: int | None = 0
    recording: bool | None = None
    rung: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    consent: str | None = None
    asks: bool = False
    in_flow_s: int | None = None
    repeat: bool | None = None
    spam_score: int | None = None
    spam_rules: str | None = None
    sticky_target: UUID | None = None
    rotation: int | None = None
    idle_order: tuple[UUID, ...] | None = None
    source: str | None = None
    campaign: str | None = None
    visit: UUID | None = None
    over: str | None = None
    blocked: str | None = None
    fuses: tuple[Fuse, ...] = ()
    queue: QueuePlace | None = None


NOTHING_KNOWN = Facts()


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A node's state as its monitor knows it; None leaves what was known before. ``seen`` says that the switch itself
    was heard now."""

    name: str
    kind: str
    sip_address: str
    state: str
    seen: bool
    core_uuid: str | None = None
    switch_version: str | None = None
    sessions: int | None = None
    max_sessions: int | None = None


def name_fault(name: object) -> Fault | None:
    """The fault of a name that people read, if it has one."""
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        return Fault("/name", "invalid", f"must have 1 to {LONGEST_NAME} printable characters")
    return None


def target_faults(*, name: object, address: object, ring_timeout_s: object) -> list[Fault]:
    """Every fault of a target's values."""
    faults = [name_fault(name), _address_fault(address), _ring_fault(ring_timeout_s)]
    return [fault for fault in faults if fault is not None]


def _address_fault(address: object) -> Fault | None:
    try:
        parse_place(address if isinstance(address, str) else "")
    except ValueError as error:
        return Fault("/address", "invalid", str(error))
    return None


def _ring_fault(ring_timeout_s: object) -> Fault | None:
    whole = isinstance(ring_timeout_s, int) and not isinstance(ring_timeout_s, bool)
    if not whole or not LEAST_RING_S <= ring_timeout_s <= LONGEST_RING_S:  # type: ignore[operator]
        return Fault("/ring_timeout_s", "out_of_range", f"must be {LEAST_RING_S} to {LONGEST_RING_S} seconds")
    return None
