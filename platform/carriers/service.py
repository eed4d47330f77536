"""Use cases of carriers and orders: what numbers there are, ordering one, bringing one over, following what a carrier
does. A number is added in the transaction that makes its order active, so neither is ever there without the other.

A carrier with an API is asked by a job, never within a request; one whose numbers are in a file is asked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from ..db.tables import OPERATOR_AGENCY
from ..errors import DialtraceError
from ..ids import new_id
from ..jobs.model import Done, Job, Outcome
from ..jobs.model import Request as JobRequest
from ..jobs.service import JobQueue
from ..numbers.errors import NumberTaken
from ..numbers.service import NumberService
from ..paging import Page, cut
from ..phone import parse_e164
from ..secrets_box.model import SecretsBox
from . import store
from .errors import (
    CarrierAway,
    CarrierRefuses,
    CarrierUnknown,
    OrderNotOpen,
    OrderUnknown,
    ValueRefused,
    VersionMismatch,
)
from .http import HttpCarrier, Sends
from .inventory import InventoryFile
from .model import (
    WAITING,
    Carrier,
    CarrierAdapter,
    CarrierValues,
    Offer,
    Order,
    Progress,
    State,
    Wanted,
    check_carrier,
    check_move,
)

MAX_PAGE = 500
FOLLOW = "carriers.follow"
FOLLOW_ALL = "carriers.follow_all"
#: How long an order rests before a carrier is asked after it again.
FOLLOW_EVERY = timedelta(minutes=5)
_MOST_AT_ONCE = 200


def purpose_of(carrier_id: UUID) -> str:
    """What a carrier's token is sealed for."""
    return f"carrier token {carrier_id}"


class CarrierService:
    """Carriers and orders in one database. ``inventory_dir``: where files of numbers lie."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        box: SecretsBox,
        numbers: NumberService,
        jobs: JobQueue,
        client: Sends,
        inventory_dir: Path,
    ) -> None:
        self._database = database
        self._clock = clock
        self._box = box
        self._numbers = numbers
        self._jobs = jobs
        self._client = client
        self._inventory_dir = inventory_dir

    # --- Carriers: the operator's. ---

    def create_carrier(self, values: CarrierValues, *, token: str | None = None) -> Carrier:
        """Raises ValueRefused, CarrierNameTaken."""
        check_carrier(values)
        carrier_id, now = new_id(), self._clock.now()
        row = {**asdict(values), "id": carrier_id, "created_at": now, "updated_at": now}
        row["sealed_token"] = self._sealed(carrier_id, token)
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            return store.insert_carrier(connection, row)

    def get_carrier(self, carrier_id: UUID) -> Carrier:
        """Raises CarrierUnknown."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            return _found(store.find_carrier(connection, carrier_id))

    def list_carriers(self, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Carrier]:
        """Oldest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            found = store.find_carriers(connection, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "id")

    def change_carrier(self, carrier_id: UUID, *, version: int, changes: Mapping[str, Any]) -> Carrier:
        """``token`` among the changes: what the HTTP adapter shows from now on. Raises CarrierUnknown, ValueRefused,
        CarrierNameTaken, VersionMismatch."""
        changed = dict(changes)
        sealed = {"sealed_token": self._sealed(carrier_id, changed.pop("token"))} if "token" in changed else {}
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            before = _found(store.find_carrier(connection, carrier_id, lock=True))
            if before.version != version:
                raise VersionMismatch(before.version)
            check_carrier(replace(before, **changed))
            return store.change_carrier(connection, carrier_id, {**changed, **sealed, "updated_at": self._clock.now()})

    def delete_carrier(self, carrier_id: UUID) -> None:
        """Its orders stay as they are, and nobody follows them. Raises CarrierUnknown."""
        with self._database.tenant(OPERATOR_AGENCY) as connection:
            if not store.delete_carrier(connection, carrier_id):
                raise CarrierUnknown

    def _sealed(self, carrier_id: UUID, token: str | None) -> bytes | None:
        return self._box.seal(token.encode(), purpose=purpose_of(carrier_id)) if token else None

    # --- What there is. ---

    def search(self, wanted: Wanted, *, carrier_id: UUID | None = None) -> list[tuple[Carrier, Offer]]:
        """Numbers that can be ordered now, of one carrier or of all. A carrier that does not answer is left out when
        others do. Raises CarrierUnknown, CarrierAway."""
        found: list[tuple[Carrier, Offer]] = []
        away: list[CarrierAway] = []
        asked = self._enabled(carrier_id)
        for carrier in asked:
            try:
                offers = self.adapter_of(carrier).search(replace(wanted, limit=wanted.limit - len(found)))
            except (CarrierAway, CarrierRefuses) as error:
                away.append(CarrierAway(str(error)))
                continue
            found += [(carrier, offer) for offer in offers]
            if len(found) >= wanted.limit:
                break
        if away and len(away) == len(asked):
            raise away[0]
        return found[: wanted.limit]

    def adapter_of(self, carrier: Carrier) -> CarrierAdapter:
        """What talks to it."""
        if carrier.adapter == "inventory":
            return InventoryFile(self._inventory_dir / (carrier.file or ""), self._taken)
        token = None
        if carrier.sealed_token is not None:
            token = self._box.open(bytes(carrier.sealed_token), purpose=purpose_of(carrier.id)).decode()
        return HttpCarrier(self._client, carrier.base_url or "", token)

    def _taken(self, numbers: Any) -> set[str]:
        with self._database.directory() as connection:
            return store.taken(connection, numbers)

    def _enabled(self, carrier_id: UUID | None) -> list[Carrier]:
        with self._database.directory() as connection:
            carriers = store.offering_carriers(connection)
        found = [one for one in carriers if carrier_id in (None, one.id)]
        if carrier_id is not None and not found:
            raise CarrierUnknown
        return found

    # --- Orders: the tenants'. ---

    def order(
        self,
        agency_id: UUID,
        client_id: UUID,
        number: str,
        *,
        carrier_id: UUID,
        number_kind: str = "static",
        flow_id: UUID | None = None,
        label: str = "",
        port: Mapping[str, Any] | None = None,
        submit: bool = True,
    ) -> Order:
        """Order a number, or (``port``) bring it over; ``submit`` False: a port stays a draft. Raises CarrierUnknown,
        ValueRefused, NumberTaken, ClientOfOrderUnknown, CarrierRefuses."""
        e164 = parse_e164(number)
        if e164 is None:
            raise ValueRefused("number", "must be E.164")
        (carrier,) = self._enabled(carrier_id)
        now = self._clock.now()
        values = {
            "agency_id": agency_id, "id": new_id(), "client_id": client_id, "carrier_id": carrier.id,
            "kind": "purchase" if port is None else "port_in", "e164": e164,
            "state": "requested" if port is None else "draft", "number_kind": number_kind, "flow_id": flow_id,
            "label": label, "details": dict(port or {}), "created_at": now, "updated_at": now, "version": 1,
        }  # fmt: skip
        with self._database.whole(), self._database.tenant(agency_id, client_id) as connection:
            if store.taken(connection, [e164]):
                raise NumberTaken
            order = store.insert_order(connection, values)
            return self._sent(connection, carrier, order) if submit else order

    def get_order(self, agency_id: UUID, client_id: UUID | None, order_id: UUID) -> Order:
        """Raises OrderUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found_order(store.find_order(connection, agency_id, order_id))

    def list_orders(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        wanted: Mapping[str, Any],
        *,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Order]:
        """Oldest first. ``wanted``: kind, state, e164."""
        own = {"client_id": client_id} if client_id is not None else {}
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_orders(
                connection, agency_id, {**own, **wanted}, limit=limit + 1, after=after[0] if after else None
            )
        return cut(found, limit, "id")

    def submit(self, agency_id: UUID, client_id: UUID | None, order_id: UUID) -> Order:
        """Hand a port over to the carrier. Raises OrderUnknown, OrderNotOpen, CarrierUnknown, CarrierRefuses."""
        with self._database.whole(), self._database.tenant(agency_id, client_id) as connection:
            order = _found_order(store.find_order(connection, agency_id, order_id, lock=True))
            check_move(order, "submitted")
            (carrier,) = self._enabled(order.carrier_id)
            return self._sent(connection, carrier, order)

    def move(
        self, agency_id: UUID, client_id: UUID | None, order_id: UUID, progress: Progress, *, tell_carrier: bool = False
    ) -> Order:
        """The order is so far; ``tell_carrier``: it is taken back, and the carrier hears of it by a job. Becoming
        active adds the number. Raises OrderUnknown, OrderNotOpen, NumberTaken."""
        with self._database.whole(), self._database.tenant(agency_id, client_id) as connection:
            order = _found_order(store.find_order(connection, agency_id, order_id, lock=True))
            moved = self._moved(connection, order, progress)
            if tell_carrier and order.reference is not None and order.state in WAITING:
                self._defer(connection, moved)
            return moved

    def _sent(self, connection: Any, carrier: Carrier, order: Order) -> Order:
        """What a file answers is there at once; whoever must be asked over the network is asked by a job."""
        if carrier.adapter == "inventory":
            return self._moved(connection, order, self._asked(self.adapter_of(carrier), order))
        state: State = "requested" if order.kind == "purchase" else "submitted"
        moved = order if order.state == state else self._moved(connection, order, Progress(state))
        self._defer(connection, moved)
        return moved

    def _defer(self, connection: Any, order: Order) -> None:
        self._jobs.defer(connection, _following(order.agency_id, order.id))

    @staticmethod
    def _asked(adapter: CarrierAdapter, order: Order) -> Progress:
        if order.kind == "port_in":
            return adapter.port_in(order.e164, order.details, reference=str(order.id))
        return adapter.order(order.e164, reference=str(order.id))

    def _moved(self, connection: Any, order: Order, progress: Progress) -> Order:
        check_move(order, progress.state)
        changes: dict[str, Any] = {
            "state": progress.state,
            "reference": progress.reference or order.reference,
            "reason": progress.reason,
            "scheduled_for": progress.scheduled_for or order.scheduled_for,
        }
        if progress.state == "active" and order.state != "active":
            added = self._numbers.add_number(
                order.agency_id,
                order.client_id,
                order.e164,
                kind=order.number_kind,
                flow_id=order.flow_id,
                label=order.label,
                carrier_id=order.carrier_id,
            )
            changes["number_id"] = added.id
        if all(getattr(order, name) == value for name, value in changes.items()):
            # It was asked after: the next time comes later.
            changes = {}
        return store.change_order(connection, order.agency_id, order.id, changes, self._clock.now())

    # --- Jobs. ---

    def follow_all(self, _job: Job) -> Outcome:
        """Puts a job into the queue for each order that is with a carrier."""
        before = self._clock.now() - FOLLOW_EVERY
        with self._database.system() as connection:
            waiting = store.waiting_orders(connection, before=before, limit=_MOST_AT_ONCE)
        for agency_id, order_id in waiting:
            self._jobs.defer_alone(_following(agency_id, order_id, once=f"order-{order_id}"))
        return Done()

    def follow(self, job: Job) -> Outcome:
        """Asks the carrier, outside of any transaction, and keeps what it says; one whose numbers are no longer offered
        is asked as well. Raises CarrierAway: then again."""
        agency_id, order_id = UUID(str(job.args["agency_id"])), UUID(str(job.args["order_id"]))
        try:
            order = self.get_order(agency_id, None, order_id)
        except OrderUnknown:
            return Done()
        try:
            self._follow(order, self.adapter_of(self.get_carrier(order.carrier_id)))
        except DialtraceError as error:
            self._touch(order)
            if not isinstance(error, CarrierUnknown):
                raise
        return Done()

    def _follow(self, order: Order, adapter: CarrierAdapter) -> None:
        if order.state == "cancelled" and order.reference is not None:
            self._take_back(order, adapter, order.reference)
        elif order.state in WAITING:
            self._keep(order, adapter)

    def _touch(self, order: Order) -> None:
        """It had its turn, though nothing came of it: those that wait longest are followed first, and many that cannot
        be followed would keep all others waiting."""
        with self._database.tenant(order.agency_id) as connection:
            store.touch_order(connection, order.agency_id, order.id, self._clock.now())

    def _keep(self, order: Order, adapter: CarrierAdapter) -> None:
        try:
            progress = adapter.progress(order.reference) if order.reference else self._asked(adapter, order)
        except CarrierRefuses as error:
            progress = Progress("rejected", order.reference, str(error))
        try:
            self._come(order, progress)
        except OrderNotOpen:
            if not self._is_taken_back(order, progress.reference):
                raise
            if order.reference is None and progress.reference is not None:
                self._take_back(order, adapter, progress.reference)

    def _take_back(self, order: Order, adapter: CarrierAdapter, reference: str) -> None:
        """A carrier that was quicker has made it ours by then: it gets the number back at once, which nobody was ever
        shown. Unless it is in service here by another order. Raises CarrierAway, CarrierRefuses."""
        if adapter.cancel(reference).state == "active" and not self._taken([order.e164]):
            adapter.release(order.e164)

    def _come(self, order: Order, progress: Progress) -> None:
        try:
            self.move(order.agency_id, None, order.id, progress)
        except NumberTaken:
            taken = Progress("rejected", progress.reference, "the number is in service on this platform already")
            self.move(order.agency_id, None, order.id, taken)

    def _is_taken_back(self, order: Order, reference: str | None) -> bool:
        """Whether it was cancelled while the carrier was asked. The carrier's name for it is kept first: should telling
        it fail, the next try knows it."""
        with self._database.tenant(order.agency_id) as connection:
            now = _found_order(store.find_order(connection, order.agency_id, order.id, lock=True))
            if now.state == "cancelled" and now.reference is None and reference is not None:
                store.change_order(connection, order.agency_id, order.id, {"reference": reference}, self._clock.now())
        return now.state == "cancelled"


def _following(agency_id: UUID, order_id: UUID, *, once: str | None = None) -> JobRequest:
    """The job that follows an order; of one order one at a time, in their order."""
    args = {"agency_id": str(agency_id), "order_id": str(order_id)}
    return JobRequest(name=FOLLOW, args=args, lock=f"order-{order_id}", once=once)


def _found(carrier: Carrier | None) -> Carrier:
    if carrier is None:
        raise CarrierUnknown
    return carrier


def _found_order(order: Order | None) -> Order:
    if order is None:
        raise OrderUnknown
    return order
