"""What a document is made of: whose it is, the rooms whose use cases read and change it, and what the document's parts
share. Knows no SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..admission.service import AdmissionService
from ..billing.books import PriceBooks
from ..billing.service import BillingService
from ..calls.schedules import ScheduleService
from ..calls.service import CallFlowService
from ..exports.scheduling import ExportSchedules
from ..exports.service import ExportService
from ..numbers.service import NumberService
from ..paging import Page
from ..pool.pools import PoolService
from ..privacy.service import PrivacyService
from ..recording.stores import RecordingStores
from ..sites.service import SiteService
from ..tenancy.service import TenancyService
from ..webhooks.service import WebhookService
from .model import keys_of

MOST_A_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """The use cases that a document is made of."""

    tenancy: TenancyService
    flows: CallFlowService
    schedules: ScheduleService
    sites: SiteService
    pools: PoolService
    numbers: NumberService
    webhooks: WebhookService
    admission: AdmissionService
    privacy: PrivacyService
    recording: RecordingStores
    exports: ExportService
    export_schedules: ExportSchedules
    billing: BillingService
    price_books: PriceBooks


@dataclass(frozen=True)
class Work:
    """Whose document it is, and the rooms, all within one transaction."""

    rooms: Rooms
    agency_id: UUID
    client_id: UUID


@dataclass(frozen=True)
class Found:
    """A thing as it is: its id, and what the document says of it, ids still in it."""

    id: UUID
    body: Mapping[str, Any]
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Things with keys. ``members``: what a document says of each. ``remove`` None: nothing of the platform takes such
    a thing away."""

    members: frozenset[str]
    read: Callable[[Work], dict[str, Found]]
    create: Callable[[Work, str, Mapping[str, Any]], UUID]
    change: Callable[[Work, Found, Mapping[str, Any]], None]
    remove: Callable[[Work, Found], None] | None = None


def every(read: Callable[[int, tuple[Any, ...] | None], Page[Any]]) -> Iterator[Any]:
    """Every item of a list, page by page."""
    after: tuple[Any, ...] | None = None
    while True:
        page = read(MOST_A_PAGE, after)
        yield from page.items
        if page.next is None:
            return
        after = page.next


def keyed(found: list[tuple[UUID, str, Found]]) -> dict[str, Found]:
    keys = keys_of([(id_, name) for id_, name, _ in found])
    return {keys[id_]: one for id_, _, one in found}


def members(*words: str) -> frozenset[str]:
    return frozenset(" ".join(words).split())


def plain(value: Any) -> Any:
    """Money as its text; an id stays, to become a reference."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, datetime) else value
