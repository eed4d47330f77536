"""Targets and flows: what a partner makes and changes; and nodes, of which their monitors tell.

Saving publishes in the same transaction, so what the API has confirmed is what the next call runs.

``agency_id`` and ``client_id`` are the tenant of whoever asks (``client_id`` None: the whole agency). Somebody else's
target or flow is answered as not found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..admission.model import is_allowed
from ..admission.store import find_destinations
from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..paging import Page
from ..prompts.errors import CannotSay
from ..prompts.service import NoPrompts, Renders
from ..tenancy import store as tenants
from ..tenancy.model import Client, check_name, check_status, check_time_zone
from . import store
from .compiled import read_compiled
from .errors import ClientNotFound, Fault, FlowFaulty, FlowNotFound, TargetFaulty, TargetNotFound, VersionConflict
from .flows import parse_flow, stored_form, target_ids
from .model import (
    DEFAULT_RING_S,
    Facts,
    Flow,
    NodeReport,
    Route,
    Target,
    Telephone,
    name_fault,
    parse_place,
    target_faults,
)
from .publishing import publish_flows, try_out
from .speech import said_in, unsayable
from .target_hosts import TargetHosts
from .trials import Trial, try_flow


class CallFlowService:
    """The use cases of flows and targets. ``prompts`` renders what flows say; ``hosts`` is the operator's rule for
    targets' hosts (None: any host)."""

    def __init__(
        self, database: Database, clock: Clock, *, prompts: Renders | None = None, hosts: TargetHosts | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._prompts = NoPrompts() if prompts is None else prompts
        self._hosts = hosts

    # --- targets ---

    def create_target(
        self, agency_id: UUID, client_id: UUID, *, name: str, address: str, ring_timeout_s: int = DEFAULT_RING_S
    ) -> Target:
        """A new place to ring. Raises TargetFaulty, ClientNotFound."""
        values = _checked_target(name=name, address=address, ring_timeout_s=ring_timeout_s)
        with self._database.tenant(agency_id, client_id) as connection:
            self._check_place(connection, agency_id, address)
            return store.insert_target(connection, {**self._fresh(agency_id, client_id), **values})

    def get_target(self, agency_id: UUID, target_id: UUID, *, client_id: UUID | None = None) -> Target:
        """Raises TargetNotFound."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found_target(store.find_target(connection, target_id))

    def list_targets(
        self, agency_id: UUID, client_id: UUID | None = None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Target]:
        """Oldest first, ``limit`` at a time; ``after`` is the page before's ``next``."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.page_of_targets(connection, limit=limit, after=after)

    def update_target(
        self,
        agency_id: UUID,
        target_id: UUID,
        *,
        client_id: UUID | None = None,
        expected_version: int | None = None,
        name: str | None = None,
        address: str | None = None,
        ring_timeout_s: int | None = None,
    ) -> Target:
        """Changes what is given, and publishes every flow that rings it anew. Calls that stand are not touched.

        Raises TargetNotFound, TargetFaulty, and VersionConflict unless it is at ``expected_version``.
        """
        with self._database.tenant(agency_id, client_id) as connection:
            owner = _found_target(store.find_target(connection, target_id)).client_id
            client = store.hold_client(connection, owner)
            before = _found_target(store.find_target(connection, target_id, lock=True))
            _must_be_at(expected_version, before.version)
            values = _checked_target(
                name=before.name if name is None else name,
                address=before.address if address is None else address,
                ring_timeout_s=before.ring_timeout_s if ring_timeout_s is None else ring_timeout_s,
            )
            if address is not None:
                self._check_place(connection, agency_id, address)
            target = store.change_target(connection, target_id, {**values, "updated_at": self._clock.now()})
            if client.backup_target_id == target_id:
                publish_flows(connection, owner, store.flow_links(connection, owner))
            else:
                publish_flows(connection, owner, store.flows_with_target(connection, owner, target_id))
            return target

    def _check_place(self, connection: Connection, agency_id: UUID, address: str) -> None:
        """Whether calls may be sent there at all. Raises TargetFaulty."""
        place = parse_place(address)
        if isinstance(place, Telephone):
            if not is_allowed(place.e164, find_destinations(connection, agency_id)):
                told = "is a number to which this agency's calls may not be forwarded; ask the operator"
                raise TargetFaulty([Fault("/address", "destination_not_allowed", told)])
            return
        words = None if self._hosts is None else self._hosts.fault(place.host)
        if words is not None:
            raise TargetFaulty([Fault("/address", "host_not_allowed", words)])

    # --- flows ---

    def create_flow(self, agency_id: UUID, client_id: UUID, *, name: str, document: object) -> Flow:
        """A new flow, published at once. Raises FlowFaulty, ClientNotFound."""
        values = _checked_flow(name=name, document=document)
        self._render(agency_id, values["document"])
        with self._database.tenant(agency_id, client_id) as connection:
            store.hold_client(connection, client_id)
            flow = store.insert_flow(connection, {**self._fresh(agency_id, client_id), **values})
            publish_flows(connection, client_id, [flow.id])
            return flow

    def check_flow(
        self, agency_id: UUID, client_id: UUID, *, document: object, flow_id: UUID | None = None
    ) -> dict[str, Any]:
        """Whether a document could be saved, for this flow of the client or for a new one; saves nothing. The document
        as it is understood. Raises FlowFaulty, ClientNotFound, FlowNotFound."""
        return self._tried_out(agency_id, client_id, document, flow_id)[0]

    def try_flow(
        self,
        agency_id: UUID,
        client_id: UUID,
        *,
        document: object,
        flow_id: UUID | None = None,
        facts: Facts,
        answers: Iterable[str] = (),
    ) -> tuple[Trial, dict[UUID, str]]:
        """What the document would do with a call of which this is known, and the names of the client's targets in it;
        nobody is rung and nothing is kept. ``answers``: what its steps are told, in turn (trials). Raises FlowFaulty,
        ClientNotFound, FlowNotFound, AnswerUnfit."""
        _, compiled, targets = self._tried_out(agency_id, client_id, document, flow_id)
        route = Route(
            agency_id=agency_id, client_id=client_id, number_id=UUID(int=0), status="active", flow_id=flow_id,
            flow_version=None, compiled=compiled,
        )  # fmt: skip
        return try_flow(route, read_compiled(compiled), facts, answers), {one.id: one.name for one in targets}

    def _tried_out(
        self, agency_id: UUID, client_id: UUID, document: object, flow_id: UUID | None
    ) -> tuple[dict[str, Any], dict[str, Any], list[Target]]:
        """The document as it is understood, what would be published of it, and its targets."""
        understood: dict[str, Any] = _checked_flow(name="-", document=document)["document"]
        said_in(understood)
        with self._database.tenant(agency_id, client_id) as connection:
            client = tenants.find_client(connection, agency_id, client_id)
            if client is None:
                raise ClientNotFound
            if flow_id is not None:
                _found_flow(store.find_flow(connection, flow_id))
            compiled, targets = try_out(connection, client, understood, flow_id)
        return understood, compiled, targets

    def get_flow(self, agency_id: UUID, flow_id: UUID, *, client_id: UUID | None = None) -> Flow:
        """Raises FlowNotFound."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found_flow(store.find_flow(connection, flow_id))

    def list_flows(
        self, agency_id: UUID, client_id: UUID | None = None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Flow]:
        """Oldest first, ``limit`` at a time; ``after`` is the page before's ``next``."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.page_of_flows(connection, limit=limit, after=after)

    def update_flow(
        self,
        agency_id: UUID,
        flow_id: UUID,
        *,
        client_id: UUID | None = None,
        expected_version: int | None = None,
        name: str | None = None,
        document: object = None,
    ) -> Flow:
        """Changes what is given and publishes it, and every flow that goes to it. Calls that stand go on with the plan
        they have.

        Raises FlowNotFound, FlowFaulty, and VersionConflict unless it is at ``expected_version``.
        """
        if document is not None:
            self._render(agency_id, _checked_flow(name="-", document=document)["document"])
        with self._database.tenant(agency_id, client_id) as connection:
            owner = _found_flow(store.find_flow(connection, flow_id)).client_id
            store.hold_client(connection, owner)
            seen = _found_flow(store.find_flow(connection, flow_id))
            values = _checked_flow(
                name=seen.name if name is None else name, document=seen.document if document is None else document
            )
            # Targets before flows: the order in which everybody locks (store).
            store.hold_targets(connection, owner, target_ids(parse_flow(values["document"])))
            before = _found_flow(store.find_flow(connection, flow_id, lock=True))
            # What was not asked to change is what it is now, not what it was when we looked.
            _must_be_at(seen.version if expected_version is None else expected_version, before.version)
            flow = store.change_flow(connection, flow_id, {**values, "updated_at": self._clock.now()})
            publish_flows(connection, owner, [flow_id])
            return flow

    def _render(self, agency_id: UUID, document: dict[str, Any]) -> None:
        """What the flow says is kept before any call can be told to play it: rendering takes its time, so it is done
        before the flow's transaction, and a text more than needed harms nobody. Raises FlowFaulty."""
        said = said_in(document)
        try:
            self._prompts.ensure_rendered(agency_id, said.values())
        except CannotSay as fault:
            raise unsayable(said, fault) from fault

    # --- the client they are compiled for ---

    def update_client(
        self, agency_id: UUID, client_id: UUID, *, expected_version: int | None = None, **changes: Any
    ) -> Client:
        """Changes ``name``, ``time_zone`` or ``backup_target_id`` (None: none), and publishes the client's flows anew
        where they depend on it. Raises ClientNotFound, ValueRefused, TargetFaulty where the backup is no target of this
        client, and VersionConflict unless it is at ``expected_version``."""
        with self._database.tenant(agency_id) as connection:
            before = store.hold_client(connection, client_id)
            client = tenants.find_client(connection, agency_id, client_id)
            assert client is not None, "it is held"
            _must_be_at(expected_version, client.version)
            values = _checked_client(connection, client, changes)
            had = client.status
            client = tenants.update_client(connection, agency_id, client_id, values, self._clock.now())
            if client.status != had:
                tenants.refresh_directory(connection, agency_id)
            if (client.time_zone, client.backup_target_id) != (before.time_zone, before.backup_target_id):
                publish_flows(connection, client_id, store.flow_links(connection, client_id))
            return client

    def _fresh(self, agency_id: UUID, client_id: UUID) -> dict[str, Any]:
        now = self._clock.now()
        return {"agency_id": agency_id, "client_id": client_id, "id": new_id(), "created_at": now, "updated_at": now}


class NodeService:
    """What the operator sees of the switches: one row a node, written by its monitor."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, report: NodeReport) -> None:
        """Makes or updates the node's row. Raises the errors of `db.errors`."""
        with self._database.directory() as connection:
            store.report_node(connection, report)


def _checked_target(*, name: str, address: str, ring_timeout_s: int) -> dict[str, Any]:
    faults = target_faults(name=name, address=address, ring_timeout_s=ring_timeout_s)
    if faults:
        raise TargetFaulty(faults)
    return {"name": name, "address": address, "ring_timeout_s": ring_timeout_s}


def _checked_flow(*, name: str, document: object) -> dict[str, Any]:
    """The document is stored as it was understood: ids in one spelling, so that they can be searched for."""
    fault = name_fault(name)
    if fault is not None:
        raise FlowFaulty([fault])
    return {"name": name, "document": stored_form(parse_flow(document))}


def _checked_client(connection: Connection, client: Client, changes: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "time_zone", "backup_target_id", "status")
    values = {name: getattr(client, name) for name in kept} | changes
    check_status(values["status"])
    backup = values["backup_target_id"]
    if backup is not None and not store.hold_targets(connection, client.id, [backup]):
        fault = Fault("/backup_target_id", "unknown_target", f"there is no target {backup} of this client")
        raise TargetFaulty([fault])
    return {**values, "name": check_name(values["name"]), "time_zone": check_time_zone(values["time_zone"])}


def _found_target(target: Target | None) -> Target:
    if target is None:
        raise TargetNotFound
    return target


def _found_flow(flow: Flow | None) -> Flow:
    if flow is None:
        raise FlowNotFound
    return flow


def _must_be_at(expected: int | None, current: int) -> None:
    if expected is not None and expected != current:
        raise VersionConflict(expected=expected, current=current)
