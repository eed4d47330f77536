"""How each thing of a client is read into a document and made from one: by the rooms' own use cases, so that a document
can do nothing that the API would refuse, and everything that follows from a change (flows published, numbers put into
the directory) follows from it here too. Knows no SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..exports.model import ScheduleValues
from ..numbers.model import SOURCE_FIELDS, Inventory
from ..pool.model import SETTINGS
from ..webhooks.model import WebhookValues
from .work import Found, Kind, Work, every, keyed, members, plain

#: Stands in for a flow whose document names flows that are not there yet.
_EMPTY_FLOW = {"version": 1, "steps": [{"type": "hangup", "cause": "normal"}]}


# --- Targets and flows. ---


def _read_targets(work: Work) -> dict[str, Found]:
    rows = every(
        lambda limit, after: work.rooms.flows.list_targets(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return keyed([
        (one.id, one.name, Found(one.id, {
            "name": one.name, "address": one.address, "ring_timeout_s": one.ring_timeout_s,
        }, one.version))
        for one in rows if one.client_id == work.client_id
    ])  # fmt: skip


def _create_target(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    return work.rooms.flows.create_target(work.agency_id, work.client_id, **body).id


def _change_target(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.flows.update_target(work.agency_id, found.id, client_id=work.client_id, **body)


def _read_schedules(work: Work) -> dict[str, Found]:
    rows = every(
        lambda limit, after: work.rooms.schedules.list_schedules(
            work.agency_id, work.client_id, limit=limit, after=after
        )
    )
    return keyed([
        (one.id, one.name, Found(one.id, {"name": one.name, "hours": one.hours}, one.version))
        for one in rows if one.client_id == work.client_id
    ])  # fmt: skip


def _create_schedule(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    return work.rooms.schedules.create_schedule(work.agency_id, work.client_id, **body).id


def _change_schedule(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.schedules.update_schedule(work.agency_id, found.id, client_id=work.client_id, **body)


def _remove_schedule(work: Work, found: Found) -> None:
    work.rooms.schedules.delete_schedule(work.agency_id, found.id, client_id=work.client_id)


def _read_flows(work: Work) -> dict[str, Found]:
    rows = every(
        lambda limit, after: work.rooms.flows.list_flows(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return keyed([
        (one.id, one.name, Found(one.id, {"name": one.name, "document": one.document}, one.version))
        for one in rows if one.client_id == work.client_id
    ])  # fmt: skip


def _create_flow(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    return work.rooms.flows.create_flow(work.agency_id, work.client_id, **body).id


def create_empty_flow(work: Work, name: str) -> UUID:
    """For flows that go to each other in a circle."""
    return work.rooms.flows.create_flow(work.agency_id, work.client_id, name=name, document=_EMPTY_FLOW).id


def _change_flow(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.flows.update_flow(work.agency_id, found.id, client_id=work.client_id, **body)


# --- Sites, pools, numbers. ---


def _sites(work: Work) -> Iterator[Any]:
    rows = every(
        lambda limit, after: work.rooms.sites.list_sites(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return (one for one in rows if one.status != "deleted")


def _read_sites(work: Work) -> dict[str, Found]:
    return keyed([
        (one.id, one.name, Found(one.id, {
            "name": one.name, "domains": list(one.domains), "settings": dict(one.settings), "status": one.status,
        }, one.version))
        for one in _sites(work)
    ])  # fmt: skip


def _create_site(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    made = work.rooms.sites.create_site(
        work.agency_id, work.client_id, body["name"], body["domains"], settings=body["settings"]
    )
    if body["status"] != made.status:
        work.rooms.sites.change_site(work.agency_id, made.id, {"status": body["status"]}, client_id=work.client_id)
    return made.id


def _change_site(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.sites.change_site(work.agency_id, found.id, body, client_id=work.client_id)


def _remove_site(work: Work, found: Found) -> None:
    work.rooms.sites.delete_site(work.agency_id, found.id, client_id=work.client_id)


def _pools(work: Work) -> Iterator[Any]:
    rows = every(
        lambda limit, after: work.rooms.pools.list_pools(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return (one for one in rows if one.status == "active")


def _read_pools(work: Work) -> dict[str, Found]:
    return keyed([
        (one.id, one.name, Found(one.id, {name: plain(getattr(one, name)) for name in SETTINGS}, one.version))
        for one in _pools(work)
    ])  # fmt: skip


def _pool_values(body: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(body)
    for name in ("site_id", "flow_id"):
        made[name] = None if body[name] is None else UUID(body[name])
    for name in ("number_price", "monthly_budget"):
        made[name] = None if body[name] is None else Decimal(body[name])
    return made


def _create_pool(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    return work.rooms.pools.create_pool(work.agency_id, work.client_id, _pool_values(body)).id


def _change_pool(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.pools.change_pool(work.agency_id, found.id, _pool_values(body), client_id=work.client_id)


def _close_pool(work: Work, found: Found) -> None:
    work.rooms.pools.close_pool(work.agency_id, found.id, client_id=work.client_id)


def _numbers(work: Work) -> Iterator[Any]:
    rows = every(
        lambda limit, after: work.rooms.numbers.list_numbers(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return (one for one in rows if one.status != "released")


def _read_numbers(work: Work) -> dict[str, Found]:
    return {
        one.e164: Found(one.id, {
            "kind": one.kind, "label": one.label, "region": one.region, "status": one.status, "flow": one.flow_id,
            **{name: getattr(one, name) for name in SOURCE_FIELDS},
        }, one.version)
        for one in _numbers(work)
    }  # fmt: skip


def _create_number(work: Work, e164: str, body: Mapping[str, Any]) -> UUID:
    made = work.rooms.numbers.add_number(
        work.agency_id, work.client_id, e164, kind=body["kind"], flow_id=body["flow"], label=body["label"],
        source=_source(body), inventory=Inventory(region=body["region"]),
    )  # fmt: skip
    if body["status"] != made.status:
        work.rooms.numbers.update_number(work.agency_id, made.id, status=body["status"])
    return made.id


def _change_number(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.numbers.update_number(
        work.agency_id, found.id, client_id=work.client_id, flow_id=body["flow"], label=body["label"],
        status=body["status"], source=_source(body),
    )  # fmt: skip


def _source(body: Mapping[str, Any]) -> dict[str, Any]:
    """A dynamic number stands for nothing: then nothing is said of it."""
    said = {name: body[name] for name in SOURCE_FIELDS}
    return said if body["kind"] == "static" else {}


def _release_number(work: Work, found: Found) -> None:
    work.rooms.numbers.release_number(work.agency_id, found.id, client_id=work.client_id)


# --- Webhooks and schedules of exports. ---


def _read_webhooks(work: Work) -> dict[str, Found]:
    rows = every(
        lambda limit, after: work.rooms.webhooks.list_webhooks(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return keyed([
        (one.id, one.url.partition("://")[2], Found(one.id, {
            "url": one.url, "description": one.description, "event_types": list(one.event_types),
            "paused": one.state == "paused",
        }, one.version))
        for one in rows if one.client_id == work.client_id and one.state in {"active", "paused"}
    ])  # fmt: skip


def _create_webhook(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    values = WebhookValues(url=body["url"], description=body["description"], event_types=tuple(body["event_types"]))
    made, _secret = work.rooms.webhooks.create_webhook(work.agency_id, work.client_id, values)
    if body["paused"]:
        work.rooms.webhooks.pause_webhook(work.agency_id, work.client_id, made.id)
    return made.id


def _change_webhook(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    changes = {"url": body["url"], "description": body["description"], "event_types": tuple(body["event_types"])}
    work.rooms.webhooks.change_webhook(
        work.agency_id, work.client_id, found.id, expected_version=found.version, changes=changes
    )
    if body["paused"] != found.body["paused"]:
        turn = work.rooms.webhooks.pause_webhook if body["paused"] else work.rooms.webhooks.resume_webhook
        turn(work.agency_id, work.client_id, found.id)


def _remove_webhook(work: Work, found: Found) -> None:
    work.rooms.webhooks.delete_webhook(work.agency_id, work.client_id, found.id)


def _read_export_schedules(work: Work) -> dict[str, Found]:
    rows = every(
        lambda limit, after: work.rooms.export_schedules.list_schedules(
            work.agency_id, work.client_id, limit=limit, after=after
        )
    )
    return keyed([
        (one.id, one.values.name, Found(
            one.id, {name: value for name, value in asdict(one.values).items() if name != "client_id"}, one.version
        ))
        for one in rows if one.values.client_id == work.client_id
    ])  # fmt: skip


def _create_export_schedule(work: Work, _: str, body: Mapping[str, Any]) -> UUID:
    values = ScheduleValues(client_id=work.client_id, **body)
    return work.rooms.export_schedules.create_schedule(work.agency_id, values).id


def _change_export_schedule(work: Work, found: Found, body: Mapping[str, Any]) -> None:
    work.rooms.export_schedules.change_schedule(work.agency_id, found.id, expected_version=found.version, changes=body)


def _remove_export_schedule(work: Work, found: Found) -> None:
    work.rooms.export_schedules.delete_schedule(work.agency_id, found.id)


#: In the order of `model.KINDS`.
KEYED: Mapping[str, Kind] = {
    "targets": Kind(
        members=members("name address ring_timeout_s"),
        read=_read_targets,
        create=_create_target,
        change=_change_target,
    ),
    "schedules": Kind(
        members=members("name hours"),
        read=_read_schedules,
        create=_create_schedule,
        change=_change_schedule,
        remove=_remove_schedule,
    ),
    "flows": Kind(members=members("name document"), read=_read_flows, create=_create_flow, change=_change_flow),
    "sites": Kind(
        members=members("name domains settings status"),
        read=_read_sites,
        create=_create_site,
        change=_change_site,
        remove=_remove_site,
    ),
    "pools": Kind(
        members=frozenset(SETTINGS), read=_read_pools, create=_create_pool, change=_change_pool, remove=_close_pool
    ),
    "numbers": Kind(
        members=members("kind label region status flow", *SOURCE_FIELDS),
        read=_read_numbers,
        create=_create_number,
        change=_change_number,
        remove=_release_number,
    ),
    "webhooks": Kind(
        members=members("url description event_types paused"),
        read=_read_webhooks,
        create=_create_webhook,
        change=_change_webhook,
        remove=_remove_webhook,
    ),
    "export_schedules": Kind(
        members=frozenset(one.name for one in fields(ScheduleValues)) - {"client_id"},
        read=_read_export_schedules,
        create=_create_export_schedule,
        change=_change_export_schedule,
        remove=_remove_export_schedule,
    ),
}
