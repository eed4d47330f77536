"""Publishing flows: a flow that changes is compiled anew, and with it every flow that goes to it, in one transaction.

What of the client's flows is concerned is worked out on plain ids; the locks are taken in the room's order (store).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..tenancy.model import Client
from . import schedule_store, store
from .compiling import compile_flow
from .errors import Fault, FlowFaulty
from .flow_hours import OpenHours
from .flows import gone_to, parse_flow, target_ids
from .model import ClientSettings, Flow, Target


def publish_flows(connection: Connection, client_id: UUID, changed: Iterable[UUID]) -> None:
    """Publishes these flows of a client and those that go to them. Raises FlowFaulty, also when another flow could not
    be carried out any more."""
    client = store.hold_client(connection, client_id)
    links = store.flow_links(connection, client_id)
    asked = set(changed)
    concerned = reached(asked, _backwards(links))
    needed = reached(concerned, links)
    wanted = _targets_of(store.find_flows(connection, client_id, needed).values(), client)
    targets = store.hold_targets(connection, client_id, wanted)
    schedules = _hours_of(connection, client_id)
    held = store.find_flows(connection, client_id, needed, lock=True)
    documents = {one: flow.document for one, flow in held.items()}
    backup = next((one for one in targets if one.id == client.backup_target_id), None)
    for flow in (held[one] for one in sorted(concerned)):
        try:
            compiled = compile_flow(
                flow.document,
                targets,
                time_zone=client.time_zone,
                backup=backup,
                flows=documents,
                schedules=schedules,
                flow_id=flow.id,
            )
        except FlowFaulty as error:
            raise error if flow.id in asked else FlowFaulty([_broken(flow, error)]) from error
        store.publish_flow(connection, flow, compiled)


def try_out(
    connection: Connection, client: Client, document: Mapping[str, Any], flow_id: UUID | None
) -> tuple[dict[str, Any], list[Target]]:
    """What would be published of a document, and the targets in it; changes nothing and holds nobody up. ``flow_id``:
    whose it would be. Raises FlowFaulty."""
    client_id = client.id
    links = store.flow_links(connection, client_id)
    needed = reached(gone_to(parse_flow(document)), links)
    flows = store.find_flows(connection, client_id, needed)
    documents = {one: flow.document for one, flow in flows.items()} | ({flow_id: document} if flow_id else {})
    wanted = {target for one in (document, *documents.values()) for target in target_ids(parse_flow(one))}
    wanted |= {client.backup_target_id} if client.backup_target_id else set()
    targets, schedules = store.find_targets(connection, client_id, wanted), _hours_of(connection, client_id)
    backup = next((one for one in targets if one.id == client.backup_target_id), None)
    compiled = compile_flow(
        document,
        targets,
        time_zone=client.time_zone,
        backup=backup,
        flows=documents,
        schedules=schedules,
        flow_id=flow_id,
    )
    return compiled, targets


def _hours_of(connection: Connection, client_id: UUID) -> dict[UUID, OpenHours]:
    """The client's schedules. None of them changes meanwhile where the client is held: so does whoever changes one."""
    return {one.id: OpenHours.model_validate(one.hours) for one in schedule_store.schedules_of(connection, client_id)}


def reached(begin: Iterable[UUID], links: Mapping[UUID, Iterable[UUID]]) -> set[UUID]:
    """All ids that these lead to, they themselves among them; of ids without links, nothing."""
    found: set[UUID] = set()
    ahead = list(begin)
    while ahead:
        one = ahead.pop()
        if one in links and one not in found:
            found.add(one)
            ahead += links[one]
    return found


def _backwards(links: Mapping[UUID, Iterable[UUID]]) -> dict[UUID, list[UUID]]:
    turned: dict[UUID, list[UUID]] = {one: [] for one in links}
    for one, others in links.items():
        for other in others:
            turned.setdefault(other, []).append(one)
    return turned


def _targets_of(flows: Iterable[Flow], client: ClientSettings) -> set[UUID]:
    wanted = {target for flow in flows for target in target_ids(parse_flow(flow.document))}
    return wanted | ({client.backup_target_id} if client.backup_target_id else set())


def _broken(flow: Flow, error: FlowFaulty) -> Fault:
    why = error.faults[0].message
    return Fault("", "breaks_another_flow", f"would break the flow {flow.name!r} ({flow.id}), which goes to it: {why}")
