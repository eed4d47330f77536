"""SQL of webhooks and their deliveries, inside a transaction of their tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from ..db.tables import webhook_deliveries, webhook_secrets, webhooks
from .errors import OwnerUnknown
from .model import Delivery, DeliveryFilters, Webhook

_W, _D, _S = webhooks.c, webhook_deliveries.c, webhook_secrets.c
_OPEN = ("waiting", "blocked", "sending")


def _webhook(row: RowMapping) -> Webhook:
    return Webhook(**{name: row[name] for name in Webhook.__dataclass_fields__})


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__})


# --- Endpoints. ---


def insert_webhook(connection: Connection, values: Mapping[str, Any]) -> Webhook:
    """Raises OwnerUnknown."""
    try:
        return _webhook(connection.execute(insert(webhooks).values(**values).returning(webhooks)).mappings().one())
    except IntegrityError as error:
        raise OwnerUnknown from error


def count_webhooks(connection: Connection, agency_id: UUID, client_id: UUID | None) -> int:
    query = select(func.count()).where(
        _W.agency_id == agency_id, _W.client_id.is_not_distinct_from(client_id), _W.state != "deleted"
    )
    return int(connection.execute(query).scalar_one())


def find_webhook(connection: Connection, agency_id: UUID, webhook_id: UUID, *, lock: bool = False) -> Webhook | None:
    """``lock``: nobody makes messages for it, or changes it, until the transaction ends."""
    query = select(webhooks).where(_W.agency_id == agency_id, _W.id == webhook_id, _W.state != "deleted")
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).mappings().one_or_none()
    return None if row is None else _webhook(row)


def find_webhooks(connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None) -> list[Webhook]:
    """In the order in which they were made."""
    query = select(webhooks).where(_W.agency_id == agency_id, _W.state != "deleted").order_by(_W.id).limit(limit)
    found = connection.execute(query if after is None else query.where(_W.id > after))
    return [_webhook(row) for row in found.mappings()]


def change_webhook(connection: Connection, webhook: Webhook, values: Mapping[str, Any]) -> Webhook:
    """The row must be locked already."""
    statement = update(webhooks).where(_W.agency_id == webhook.agency_id, _W.id == webhook.id).values(**values)
    return _webhook(connection.execute(statement.returning(webhooks)).mappings().one())


def forget_webhook(connection: Connection, webhook: Webhook) -> None:
    """It is sent nothing any more, and its secrets are gone; its deliveries are removed bit by bit."""
    change_webhook(connection, webhook, {"state": "deleted"})
    connection.execute(delete(webhook_secrets).where(*_secrets_of(webhook)))


# --- Secrets. ---


def _secrets_of(webhook: Webhook) -> tuple[Any, Any]:
    return _S.agency_id == webhook.agency_id, _S.webhook_id == webhook.id


def insert_secret(connection: Connection, webhook: Webhook, secret_id: UUID, sealed: bytes) -> datetime:
    """Makes it the current one; its moment."""
    values = {
        "agency_id": webhook.agency_id, "id": secret_id, "client_id": webhook.client_id, "webhook_id": webhook.id,
        "sealed": sealed,
    }  # fmt: skip
    made_at: datetime = connection.execute(insert(webhook_secrets).values(values).returning(_S.made_at)).scalar_one()
    return made_at


def retire_secrets(connection: Connection, webhook: Webhook, *, until: datetime) -> None:
    """The current one signs until then; what was on its way out before it is gone at once."""
    connection.execute(delete(webhook_secrets).where(*_secrets_of(webhook), _S.expires_at.is_not(None)))
    connection.execute(update(webhook_secrets).where(*_secrets_of(webhook)).values(expires_at=until))


def find_secret(connection: Connection, webhook: Webhook) -> tuple[bytes, datetime, datetime | None] | None:
    """The current one, sealed; its moment; and until when the one before it signs too."""
    until = select(func.max(_S.expires_at)).where(*_secrets_of(webhook), _S.expires_at > func.now()).scalar_subquery()
    query = select(_S.sealed, _S.made_at, until.label("until")).where(*_secrets_of(webhook), _S.expires_at.is_(None))
    row = connection.execute(query).one_or_none()
    return None if row is None else (bytes(row.sealed), row.made_at, row.until)


# --- Deliveries. ---


def find_deliveries(
    connection: Connection, webhook: Webhook, filters: DeliveryFilters, *, limit: int,
    before: tuple[datetime, UUID] | None,
) -> list[Delivery]:  # fmt: skip
    """The latest first."""
    query = select(webhook_deliveries).where(_D.agency_id == webhook.agency_id, _D.webhook_id == webhook.id)
    for name in ("state", "type", "call_id"):
        value = getattr(filters, name)
        if value is not None:
            query = query.where(_D[name] == value)
    if before is not None:
        query = query.where(tuple_(_D.created_at, _D.id) < before)
    found = connection.execute(query.order_by(_D.created_at.desc(), _D.id.desc()).limit(limit))
    return [_delivery(row) for row in found.mappings()]


def find_delivery(
    connection: Connection, webhook: Webhook, delivery_id: UUID, *, lock: bool = False
) -> Delivery | None:
    query = select(webhook_deliveries).where(
        _D.agency_id == webhook.agency_id, _D.webhook_id == webhook.id, _D.id == delivery_id
    )
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    return None if row is None else _delivery(row)


def insert_test(
    connection: Connection, webhook: Webhook, *, delivery_id: UUID, message_id: UUID, type_: str
) -> Delivery:
    values = {
        "agency_id": webhook.agency_id, "id": delivery_id, "client_id": webhook.client_id, "webhook_id": webhook.id,
        "message_id": message_id, "type": type_, "rank": 0, "revision": 1, "occurred_at": func.now(),
        "state": "waiting",
    }  # fmt: skip
    made = connection.execute(insert(webhook_deliveries).values(values).returning(webhook_deliveries))
    return _delivery(made.mappings().one())


_AGAIN = {
    "state": "waiting", "tries": 0, "is_pulled": False, "due_at": func.now(), "first_try_at": None, "settled_at": None,
    "replays": _D.replays + 1,
}  # fmt: skip


def send_again(connection: Connection, delivery: Delivery) -> Delivery:
    """From the first try on, under the same id. The row must be locked already."""
    statement = update(webhook_deliveries).where(_D.agency_id == delivery.agency_id, _D.id == delivery.id)
    return _delivery(connection.execute(statement.values(**_AGAIN).returning(webhook_deliveries)).mappings().one())


_REPLAY = text("""
WITH told AS (
    SELECT e.* FROM events e WHERE e.agency_id = :agency AND e.id >= :first AND e.id < :last AND e.position <= :position
      AND (CAST(:owner AS uuid) IS NULL OR e.client_id = :owner)
      AND (cardinality(CAST(:clients AS uuid[])) = 0 OR e.client_id = ANY (CAST(:clients AS uuid[])))
      AND e.type = ANY (CAST(:types AS text[]))
      AND (NOT :only_failed OR EXISTS (SELECT FROM webhook_deliveries d WHERE d.agency_id = e.agency_id
           AND d.webhook_id = :webhook AND d.message_id = e.id AND d.state = 'failed'))
    ORDER BY e.position LIMIT :most
), made AS (
INSERT INTO webhook_deliveries AS d (agency_id, id, client_id, webhook_id, message_id, type, call_id, rank, revision,
    position, occurred_at, state)
SELECT t.agency_id, dialtrace_new_id(), :owner, :webhook, t.id, t.type, t.call_id, dialtrace_event_rank(t.type),
    t.revision, t.position, t.occurred_at, 'waiting' FROM told t
ON CONFLICT (agency_id, webhook_id, message_id) DO UPDATE SET
    state = 'waiting', tries = 0, is_pulled = false, due_at = now(), first_try_at = NULL, settled_at = NULL,
    replays = d.replays + 1
WHERE d.state IN ('delivered', 'failed')
RETURNING d.id
) SELECT (SELECT count(*) FROM told) AS told, (SELECT count(*) FROM made) AS made
""")


def replay_span(
    connection: Connection, webhook: Webhook, *, first: UUID, last: UUID, types: Sequence[str], only_failed: bool,
    most: int,
) -> tuple[int, int]:  # fmt: skip
    """Sends again what the log tells of a span (ids of events begin with their moment), as far as messages were made
    already; what is on its way stays so. The webhook must be locked. How many events the span has, ``most`` at most,
    and how many of them are sent again."""
    values = {
        "agency": webhook.agency_id, "webhook": webhook.id, "owner": webhook.client_id, "first": first, "last": last,
        "clients": list(webhook.client_ids), "types": list(types), "only_failed": only_failed, "most": most,
        "position": webhook.position,
    }  # fmt: skip
    row = connection.execute(_REPLAY, values).one()
    return row.told, row.made


def wake(connection: Connection, webhook: Webhook) -> None:
    """What waits is due now, and what was given up while it failed waits again. The webhook must be locked."""
    theirs = and_(_D.agency_id == webhook.agency_id, _D.webhook_id == webhook.id)
    connection.execute(
        update(webhook_deliveries)
        .where(theirs, _D.state == "waiting", _D.due_at > func.now())
        .values(due_at=func.now(), is_pulled=True)
    )
    if webhook.failing_since is not None:
        again = update(webhook_deliveries).where(
            theirs, _D.state == "failed", _D.settled_at >= webhook.failing_since, _D.type != "webhook.test"
        )
        connection.execute(again.values(**_AGAIN))


def erase_answers(connection: Connection, agency_id: UUID, call_ids: Sequence[UUID]) -> int:
    """Forgets what receivers answered to messages of these calls; of how many."""
    forgotten = text("""
        UPDATE webhook_deliveries d SET attempts = (
            SELECT coalesce(jsonb_agg(a.value || jsonb_build_object('body', NULL) ORDER BY a.place), '[]')
            FROM jsonb_array_elements(d.attempts) WITH ORDINALITY a (value, place))
        WHERE d.agency_id = :agency AND d.call_id = ANY (CAST(:calls AS uuid[]))
          AND jsonb_path_exists(d.attempts, '$[*].body ? (@ != null)')
    """)
    return connection.execute(forgotten, {"agency": agency_id, "calls": list(call_ids)}).rowcount


def calls_of_request(connection: Connection, agency_id: UUID, request_id: UUID) -> list[UUID]:
    """The calls that a person's request is about."""
    query = text("SELECT DISTINCT call_id FROM subject_calls WHERE agency_id = :agency AND request_id = :request")
    return list(connection.execute(query, {"agency": agency_id, "request": request_id}).scalars())
