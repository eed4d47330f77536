"""The floor under a request: the tenant that none of its transactions can leave, and who is written down for them.

Row-level security holds a transaction to the tenant that opens it; this holds whoever opens it to the tenant of the key
that asks. While a floor is laid, a transaction for another agency or client is refused before it begins, one for the
whole agency becomes one for the client that asks, and none may take the role that reads across tenants. What a client
may read of its agency is said by policies. Where nobody has laid a floor (processes of the platform, the operator)
nothing changes. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from .errors import TenantRefused


@dataclass(frozen=True)
class Floor:
    """``client_id`` None: the whole agency."""

    agency_id: UUID
    client_id: UUID | None


_FLOOR: ContextVar[Floor | None] = ContextVar("dialtrace_floor", default=None)
_ACTOR: ContextVar[str] = ContextVar("dialtrace_actor", default="")
#: What an actor's words may hold: they become a literal.
_ACTOR_TEXT = re.compile(r"[A-Za-z0-9_.:|-]{0,300}", re.ASCII)


@contextmanager
def confined(floor: Floor | None, actor: str = "") -> Iterator[None]:
    """Lays the floor for what runs within. ``actor``: `kind|id|address|request id`, kept with each change of a row."""
    assert _ACTOR_TEXT.fullmatch(actor), "an actor is named by ids and an address only"
    before, acted = _FLOOR.set(floor), _ACTOR.set(actor)
    try:
        yield
    finally:
        _FLOOR.reset(before)
        _ACTOR.reset(acted)


def actor_setting() -> str:
    """The literal that tells the database who acts; empty where nobody is named."""
    actor = _ACTOR.get()
    return f"; SET LOCAL dialtrace.actor = '{actor}'" if actor else ""


def within(agency_id: UUID | str, client_id: UUID | str | None) -> tuple[UUID, UUID | None]:
    """The tenant that a transaction is opened for. Raises TenantRefused, and ValueError when an id is no UUID."""
    agency = agency_id if isinstance(agency_id, UUID) else UUID(agency_id)
    client = client_id if isinstance(client_id, UUID | None) else UUID(client_id)
    floor = _FLOOR.get()
    if floor is None:
        return agency, client
    if agency != floor.agency_id:
        raise TenantRefused
    if floor.client_id is None or client == floor.client_id:
        return agency, client
    if client is not None:
        raise TenantRefused
    return agency, floor.client_id


def need_no_floor() -> None:
    """Raises TenantRefused: no tenant's request reads across tenants."""
    if _FLOOR.get() is not None:
        raise TenantRefused
