"""SQL of targets, flows and nodes. Every function works inside a transaction that its caller has opened: a tenant's for
targets and flows, one without a tenant for nodes.

Locks are taken in one order, the client before its targets before its flows, so that a target or a flow that changes
while another flow is published is never published as it was, and nobody waits in a circle. They are such as leave
foreign keys alone: a number may be given a flow meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Table, Uuid, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from ..db.tables import clients, flows, schedules, targets
from ..paging import Page
from .errors import ClientNotFound
from .model import ClientSettings, Flow, NodeReport, Schedule, Target


def _target(row: Row[Any]) -> Target:
    return Target(**{name: getattr(row, name) for name in Target.__slots__})


def _flow(row: Row[Any]) -> Flow:
    return Flow(**{name: getattr(row, name) for name in Flow.__slots__})


def schedule_of(row: Row[Any]) -> Schedule:
    return Schedule(**{name: getattr(row, name) for name in Schedule.__slots__})


def insert_target(connection: Connection, values: dict[str, Any]) -> Target:
    """Raises ClientNotFound."""
    return _target(_insert(connection, targets, values))


def insert_flow(connection: Connection, values: dict[str, Any]) -> Flow:
    """Raises ClientNotFound."""
    return _flow(_insert(connection, flows, values))


def insert_schedule(connection: Connection, values: dict[str, Any]) -> Schedule:
    """Raises ClientNotFound."""
    return schedule_of(_insert(connection, schedules, values))


def _insert(connection: Connection, table: Table, values: dict[str, Any]) -> Row[Any]:
    try:
        return connection.execute(insert(table).values(**values).returning(table)).one()
    except IntegrityError as error:
        named = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if named == f"fk_{table.name}_agency_id_client_id":
            raise ClientNotFound from error
        raise


def find_target(connection: Connection, target_id: UUID, *, lock: bool = False) -> Target | None:
    """``lock``: nobody else changes it until the transaction ends."""
    row = _find(connection, targets, target_id, lock=lock)
    return None if row is None else _target(row)


def find_flow(connection: Connection, flow_id: UUID, *, lock: bool = False) -> Flow | None:
    """``lock``: nobody else changes it until the transaction ends."""
    row = _find(connection, flows, flow_id, lock=lock)
    return None if row is None else _flow(row)


def find_schedule(connection: Connection, schedule_id: UUID) -> Schedule | None:
    row = _find(connection, schedules, schedule_id, lock=False)
    return None if row is None else schedule_of(row)


def _find(connection: Connection, table: Table, row_id: UUID, *, lock: bool) -> Row[Any] | None:
    query = select(table).where(table.c.agency_id == _OWN_AGENCY, table.c.id == row_id)
    return connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()


#: Named although the policies filter by it too: on Citus it keeps the statement on one shard (DESIGN, Growing).
_OWN_AGENCY = func.dialtrace_agency(type_=Uuid)


def page_of_targets(connection: Connection, *, limit: int, after: tuple[Any, ...] | None) -> Page[Target]:
    """Oldest first."""
    rows, following = _page(connection, targets, limit, after)
    return Page([_target(row) for row in rows], following)


def page_of_flows(connection: Connection, *, limit: int, after: tuple[Any, ...] | None) -> Page[Flow]:
    """Oldest first."""
    rows, following = _page(connection, flows, limit, after)
    return Page([_flow(row) for row in rows], following)


def page_of_schedules(connection: Connection, *, limit: int, after: tuple[Any, ...] | None) -> Page[Schedule]:
    """Oldest first."""
    rows, following = _page(connection, schedules, limit, after)
    return Page([schedule_of(row) for row in rows], following)


def _page(
    connection: Connection, table: Table, limit: int, after: tuple[Any, ...] | None
) -> tuple[Sequence[Row[Any]], tuple[UUID] | None]:
    """Ids are UUIDv7, so their order is that of creation. One row more than asked tells whether more follow."""
    query = select(table).where(table.c.agency_id == _OWN_AGENCY).order_by(table.c.id).limit(limit + 1)
    if after is not None:
        query = query.where(table.c.id > after[0])
    rows = connection.execute(query).all()
    return rows[:limit], (rows[limit - 1].id,) if len(rows) > limit else None


def change_target(connection: Connection, target_id: UUID, values: dict[str, Any]) -> Target:
    """The row must be locked already."""
    return _target(_change(connection, targets, target_id, values))


def change_flow(connection: Connection, flow_id: UUID, values: dict[str, Any]) -> Flow:
    """The row must be locked already."""
    return _flow(_change(connection, flows, flow_id, values))


def change_schedule(connection: Connection, schedule_id: UUID, values: dict[str, Any]) -> Schedule:
    """Its client must be held already."""
    return schedule_of(_change(connection, schedules, schedule_id, values))


def _change(connection: Connection, table: Table, row_id: UUID, values: dict[str, Any]) -> Row[Any]:
    statement = update(table).where(table.c.agency_id == _OWN_AGENCY, table.c.id == row_id)
    return connection.execute(statement.values(version=table.c.version + 1, **values).returning(table)).one()


def delete_schedule(connection: Connection, schedule_id: UUID) -> None:
    connection.execute(delete(schedules).where(schedules.c.agency_id == _OWN_AGENCY, schedules.c.id == schedule_id))


def hold_client(connection: Connection, client_id: UUID) -> ClientSettings:
    """What its flows are compiled with. Nobody else publishes flows of this client until the transaction ends. Raises
    ClientNotFound."""
    query = select(clients.c.time_zone, clients.c.backup_target_id).where(
        clients.c.agency_id == _OWN_AGENCY, clients.c.id == client_id
    )
    row = connection.execute(query.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise ClientNotFound
    return ClientSettings(row.time_zone, row.backup_target_id)


def find_targets(connection: Connection, client_id: UUID, target_ids: Collection[UUID]) -> list[Target]:
    """Those of the targets that are this client's."""
    query = select(targets).where(
        targets.c.agency_id == _OWN_AGENCY, targets.c.client_id == client_id, targets.c.id.in_(target_ids)
    )
    return [_target(row) for row in connection.execute(query)]


def hold_targets(connection: Connection, client_id: UUID, target_ids: Collection[UUID]) -> list[Target]:
    """Those of the targets that are this client's; none of them changes until the transaction ends."""
    query = select(targets).where(
        targets.c.agency_id == _OWN_AGENCY, targets.c.client_id == client_id, targets.c.id.in_(target_ids)
    )
    rows = connection.execute(query.order_by(targets.c.id).with_for_update(read=True)).all()
    return [_target(row) for row in rows]


def flows_with_target(connection: Connection, client_id: UUID, target_id: UUID) -> list[UUID]:
    """Flows of the client that ring the target, by itself or with a weight."""
    query = select(flows.c.id).where(
        flows.c.agency_id == _OWN_AGENCY,
        flows.c.client_id == client_id,
        text("jsonb_path_exists(document, '$.**.targets[*] ? (@ == $id || @.target == $id)', cast(:wanted AS jsonb))"),
    )
    return list(connection.execute(query, {"wanted": json.dumps({"id": str(target_id)})}).scalars())


def flow_links(connection: Connection, client_id: UUID) -> dict[UUID, list[UUID]]:
    """Every flow of the client, and the flows that each goes to by itself."""
    query = select(
        flows.c.id, text("jsonb_path_query_array(document, '$.steps[*] ? (@.type == \"goto\").flow') AS gone_to")
    ).where(flows.c.agency_id == _OWN_AGENCY, flows.c.client_id == client_id)
    return {row.id: [UUID(one) for one in row.gone_to] for row in connection.execute(query)}


def find_flows(
    connection: Connection, client_id: UUID, flow_ids: Collection[UUID], *, lock: bool = False
) -> dict[UUID, Flow]:
    """Those of the flows that are this client's. ``lock``: none of them changes until the transaction ends."""
    query = (
        select(flows)
        .where(flows.c.agency_id == _OWN_AGENCY, flows.c.client_id == client_id, flows.c.id.in_(flow_ids))
        .order_by(flows.c.id)
    )
    rows = connection.execute(query.with_for_update(key_share=True) if lock else query)
    return {row.id: _flow(row) for row in rows}


def publish_flow(connection: Connection, flow: Flow, compiled: dict[str, Any]) -> None:
    """Makes it what calls run from the commit on."""
    connection.execute(
        text("SELECT dialtrace_publish_flow(:agency, :flow, :version, cast(:compiled AS jsonb))"),
        {"agency": flow.agency_id, "flow": flow.id, "version": flow.version, "compiled": json.dumps(compiled)},
    )


# A node that drains goes on draining when it is merely up: only the operator ends that (nodes.py).
_REPORT = """
INSERT INTO nodes AS n (name, sip_address, kind, state, core_uuid, switch_version, sessions, max_sessions, last_seen_at)
VALUES (%(name)s, %(sip_address)s, %(kind)s, %(state)s, %(core_uuid)s, %(switch_version)s, %(sessions)s,
        %(max_sessions)s, CASE WHEN %(seen)s THEN now() END)
ON CONFLICT (name) DO UPDATE SET
    sip_address = excluded.sip_address, kind = excluded.kind,
    state = CASE WHEN excluded.state <> 'up' THEN excluded.state
                 WHEN n.state IN ('draining', 'drained') THEN n.state
                 WHEN n.drain_asked_at IS NOT NULL THEN 'draining' ELSE 'up' END,
    core_uuid = coalesce(excluded.core_uuid, n.core_uuid),
    switch_version = coalesce(excluded.switch_version, n.switch_version),
    sessions = coalesce(excluded.sessions, n.sessions), max_sessions = coalesce(excluded.max_sessions, n.max_sessions),
    last_seen_at = coalesce(excluded.last_seen_at, n.last_seen_at)
"""


def report_node(connection: Connection, report: NodeReport) -> None:
    """Makes or updates the node's row."""
    connection.exec_driver_sql(_REPORT, {name: getattr(report, name) for name in NodeReport.__slots__})
