"""SQL of integrations and their deliveries, inside a transaction of their tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from ..db.tables import integration_deliveries, integration_readings, integrations
from .errors import OwnerUnknown
from .model import Delivery, DeliveryFilters, Integration
from .returning import Origin

_I, _D = integrations.c, integration_deliveries.c


def _integration(row: RowMapping) -> Integration:
    values = {name: row[name] for name in Integration.__dataclass_fields__}
    return Integration(**values | {"sealed": bytes(row["sealed"])})


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__})


# --- Integrations. ---


def insert_integration(connection: Connection, values: Mapping[str, Any]) -> Integration:
    """Raises OwnerUnknown."""
    try:
        made = connection.execute(insert(integrations).values(**values).returning(integrations))
    except IntegrityError as error:
        raise OwnerUnknown from error
    return _integration(made.mappings().one())


def count_integrations(connection: Connection, agency_id: UUID, client_id: UUID) -> int:
    query = select(func.count()).where(_I.agency_id == agency_id, _I.client_id == client_id, _I.state != "deleted")
    return int(connection.execute(query).scalar_one())


def find_integration(
    connection: Connection, agency_id: UUID, integration_id: UUID, *, lock: bool = False
) -> Integration | None:
    """``lock``: nobody makes deliveries for it, or changes it, until the transaction ends."""
    query = select(integrations).where(_I.agency_id == agency_id, _I.id == integration_id, _I.state != "deleted")
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).mappings().one_or_none()
    return None if row is None else _integration(row)


def find_integrations(
    connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None
) -> list[Integration]:  # fmt: skip
    """In the order in which they were made."""
    query = select(integrations).where(_I.agency_id == agency_id, _I.state != "deleted").order_by(_I.id).limit(limit)
    found = connection.execute(query if after is None else query.where(_I.id > after))
    return [_integration(row) for row in found.mappings()]


def change_integration(connection: Connection, integration: Integration, values: Mapping[str, Any]) -> Integration:
    """The row must be locked already."""
    statement = update(integrations).where(_I.agency_id == integration.agency_id, _I.id == integration.id)
    return _integration(connection.execute(statement.values(**values).returning(integrations)).mappings().one())


def lock_secrets(connection: Connection, integration_id: UUID, *, wait: bool) -> bool:
    """Nobody else changes or renews its secrets until the transaction ends; false: somebody does, and nobody waited.
    Not the row: whoever settles its deliveries must not wait for the other side. Take it before the row."""
    lock = (f"dialtrace.integration.renew {integration_id}",)
    if wait:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", lock)
        return True
    taken = connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", lock)
    return bool(taken.scalar_one())


def begin_reading(connection: Connection, integration: Integration, mark: Mapping[str, Any]) -> None:
    """What changes there is looked at, from a mark on; where it was begun it goes on."""
    own = {"agency_id": integration.agency_id, "integration_id": integration.id, "client_id": integration.client_id}
    connection.execute(upsert(integration_readings).values(**own, mark=mark).on_conflict_do_nothing())


def end_reading(connection: Connection, integration: Integration) -> None:
    columns = integration_readings.c
    theirs = and_(columns.agency_id == integration.agency_id, columns.integration_id == integration.id)
    connection.execute(delete(integration_readings).where(theirs))


_BY_ID = "SELECT id, started_at FROM calls WHERE agency_id = %s AND client_id = %s AND id = %s AND NOT is_test"
_BY_ORIGIN = """
SELECT c.id, c.started_at FROM integration_objects o JOIN calls c ON c.agency_id = o.agency_id AND c.id = o.call_id
WHERE o.agency_id = %s AND o.integration_id = %s AND o.name = %s AND o.remote_id = %s AND o.state = 'made'
  AND (%s::text IS NULL OR o.data ->> 'type' = %s) AND coalesce((o.data ->> 'is_new')::boolean, true)
ORDER BY c.started_at LIMIT 1
"""


def find_call_of(
    connection: Connection, agency_id: UUID, client_id: UUID, integration_id: UUID, call_id: UUID | None,
    origins: Sequence[Origin],
) -> tuple[UUID, datetime] | None:  # fmt: skip
    """The call by its id, or for which one of these was made; and when it began. None: it is of none of ours."""
    row = None
    if call_id is not None:
        row = connection.exec_driver_sql(_BY_ID, (agency_id, client_id, call_id)).first()
    for origin in origins:
        if row is None:
            values = (agency_id, integration_id, origin.name, origin.remote_id, origin.kind, origin.kind)
            row = connection.exec_driver_sql(_BY_ORIGIN, values).first()
    return (row.id, row.started_at) if row is not None else None


# --- Deliveries. ---


def _theirs(integration: Integration) -> Any:
    return and_(_D.agency_id == integration.agency_id, _D.integration_id == integration.id)


def find_deliveries(
    connection: Connection, integration: Integration, filters: DeliveryFilters, *, limit: int,
    before: tuple[datetime, UUID] | None,
) -> list[Delivery]:  # fmt: skip
    """The latest first."""
    query = select(integration_deliveries).where(_theirs(integration))
    for name in ("state", "call_id"):
        value = getattr(filters, name)
        if value is not None:
            query = query.where(_D[name] == value)
    if before is not None:
        query = query.where(tuple_(_D.created_at, _D.id) < before)
    found = connection.execute(query.order_by(_D.created_at.desc(), _D.id.desc()).limit(limit))
    return [_delivery(row) for row in found.mappings()]


def find_delivery(
    connection: Connection, integration: Integration, delivery_id: UUID, *, lock: bool = False
) -> Delivery | None:  # fmt: skip
    query = select(integration_deliveries).where(_theirs(integration), _D.id == delivery_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    return None if row is None else _delivery(row)


_AGAIN = {"state": "due", "tries": 0, "due_at": func.now(), "settled_at": None, "reason": None, "detail": None}


def send_again(connection: Connection, delivery: Delivery) -> Delivery:
    """From the first try on; what was made stays known, so it is not made twice. The row must be locked already."""
    statement = update(integration_deliveries).where(_D.agency_id == delivery.agency_id, _D.id == delivery.id)
    return _delivery(connection.execute(statement.values(**_AGAIN).returning(integration_deliveries)).mappings().one())


def wake(connection: Connection, integration: Integration) -> None:
    """What waits is due now. The integration must be locked."""
    waiting = update(integration_deliveries).where(_theirs(integration), _D.state == "due", _D.due_at > func.now())
    connection.execute(waiting.values(due_at=func.now()))


def count_late(connection: Connection, integration: Integration, *, most: int) -> int:
    """How many deliveries of back-fills are not settled; ``most`` at most."""
    few = select(_D.id).where(_theirs(integration), _D.settled_at.is_(None), _D.is_late).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(few)).scalar_one())


_BACKFILL = text("""
WITH told AS (
    SELECT c.id, c.started_at, v.type, dialtrace_event_rank(v.type) AS rank
    FROM calls c CROSS JOIN unnest(CAST(:types AS text[])) AS v (type)
    WHERE c.agency_id = :agency AND c.client_id = :client AND c.started_at >= :since AND c.started_at < :until
      AND (CAST(:call AS uuid) IS NULL OR c.id = :call) AND NOT c.is_test
      AND (v.type = 'call.ended' OR v.type = 'recording.ready' AND EXISTS (
           SELECT FROM recordings r WHERE r.agency_id = c.agency_id AND r.call_id = c.id
           AND r.state IN ('stored', 'verified')))
    ORDER BY c.started_at LIMIT :most
), made AS (
    INSERT INTO integration_deliveries AS d (agency_id, id, client_id, integration_id, call_id, type, rank, revision,
        occurred_at, is_late, state)
    SELECT :agency, dialtrace_new_id(), :client, :integration, t.id, t.type, t.rank, 1, t.started_at, true,
        -- What comes before it may be settled, and frees nobody any more; the claim keeps the order.
        'due'
    FROM told t
    ON CONFLICT ON CONSTRAINT uq_integration_deliveries_once DO UPDATE SET
        state = 'due', tries = 0, due_at = now(), settled_at = NULL, reason = NULL, detail = NULL, is_late = true
    WHERE d.state = 'given_up'
    RETURNING d.id
) SELECT (SELECT count(*) FROM told) AS told, (SELECT count(*) FROM made) AS made
""")


def backfill(
    connection: Connection, integration: Integration, *, since: datetime, until: datetime, types: Sequence[str],
    call_id: UUID | None, most: int,
) -> tuple[int, int]:  # fmt: skip
    """Makes deliveries for calls that began in a span and have none, and has those that were given up tried again. The
    integration must be locked. How many there are to tell, ``most`` at most, and how many of them are told now."""
    values = {
        "agency": integration.agency_id, "client": integration.client_id, "integration": integration.id,
        "since": since, "until": until, "types": list(types), "call": call_id, "most": most,
    }  # fmt: skip
    row = connection.execute(_BACKFILL, values).one()
    return row.told, row.made
