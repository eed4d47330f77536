"""Use cases of webhooks: endpoints, their secrets, what became of messages, and sending them again.

Every one runs as the tenant whose endpoint it is. Sending itself is `sending`, for all tenants.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..events import service as log
from ..events.model import NewEvent, types_of
from ..ids import new_id
from ..messages.rendering import Around, render
from ..messages.service import render_events
from ..outgoing.model import Rules
from ..outgoing.signing import SECRET_BYTES
from ..paging import Page, cut
from ..secrets_box.model import SecretsBox
from . import store
from .errors import DeliveryUnknown, NotWaiting, TooManyWebhooks, ValueRefused, VersionMismatch, WebhookUnknown
from .model import MOST_OF_AN_OWNER, Delivery, DeliveryFilters, SigningSecret, Webhook, WebhookValues, check_values
from .sending import TEST_TYPE, answer_purpose, secret_purpose, test_event

MAX_PAGE = 500
#: The old secret signs beside the new one for so long, unless its owner wishes otherwise.
ROTATION_OVERLAP = timedelta(hours=24)
#: A span that holds more is to be replayed in parts.
MOST_REPLAYED = 10_000


class WebhookService:
    """Webhooks of one database. ``rules``: where requests may go at all."""

    def __init__(self, database: Database, box: SecretsBox, rules: Rules, clock: Clock) -> None:
        self._database = database
        self._box = box
        self._rules = rules
        self._clock = clock

    # --- Endpoints. ---

    def create_webhook(
        self, agency_id: UUID, client_id: UUID | None, values: WebhookValues
    ) -> tuple[Webhook, SigningSecret]:
        """An endpoint that is told what happens from now on, and its secret. Raises ValueRefused, TooManyWebhooks,
        OwnerUnknown."""
        destination = check_values(values, owner=client_id, rules=self._rules)
        with self._database.tenant(agency_id, client_id) as connection:
            if store.count_webhooks(connection, agency_id, client_id) >= MOST_OF_AN_OWNER:
                raise TooManyWebhooks(f"an owner may have {MOST_OF_AN_OWNER} webhooks")
            made = store.insert_webhook(
                connection,
                {
                    **_columns(values),
                    "agency_id": agency_id,
                    "id": new_id(),
                    "client_id": client_id,
                    "host": f"{destination.host}:{destination.port}",
                    "position": log.last_position(connection, agency_id),
                },
            )
            return made, self._make_secret(connection, made, None)

    def get_webhook(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID) -> Webhook:
        """Raises WebhookUnknown, also for one that is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(store.find_webhook(connection, agency_id, webhook_id))

    def list_webhooks(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Webhook]:
        """The oldest first; with ``client_id`` that client's only."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_webhooks(connection, agency_id, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "id")

    def change_webhook(
        self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID, *, expected_version: int,
        changes: dict[str, Any],
    ) -> Webhook:  # fmt: skip
        """Holds for messages that are made from now on; those on their way go to the address that it has now. Raises
        WebhookUnknown, ValueRefused, VersionMismatch."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(store.find_webhook(connection, agency_id, webhook_id, lock=True))
            if before.version != expected_version:
                raise VersionMismatch(before.version)
            after = replace(before, **changes)
            destination = check_values(after, owner=before.client_id, rules=self._rules)
            values = {
                **_columns(after),
                "host": f"{destination.host}:{destination.port}",
                "updated_at": self._clock.now(),
                "version": before.version + 1,
            }
            return store.change_webhook(connection, before, values)

    def delete_webhook(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID) -> None:
        """Nothing is sent to it any more, and its deliveries are forgotten. Raises WebhookUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            store.forget_webhook(connection, _found(store.find_webhook(connection, agency_id, webhook_id, lock=True)))

    def pause_webhook(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID) -> Webhook:
        """Nothing is sent to it until it is resumed; what it misses is kept in the log. Raises WebhookUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(store.find_webhook(connection, agency_id, webhook_id, lock=True))
            if before.state != "active":
                return before
            self._tell(connection, before, "webhook.paused")
            values = {"state": "paused", "reason": "asked", "state_at": self._clock.now()}
            return store.change_webhook(connection, before, values)

    def resume_webhook(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID) -> Webhook:
        """It goes on, and is sent what it missed: what waited, what was given up while it failed, what came meanwhile.
        Raises WebhookUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(store.find_webhook(connection, agency_id, webhook_id, lock=True))
            store.wake(connection, before)
            values: dict[str, Any] = {"failing_since": None, "rest_until": None}
            if before.state != "active":
                self._tell(connection, before, "webhook.resumed")
                values |= {"state": "active", "reason": None, "state_at": self._clock.now()}
            return store.change_webhook(connection, before, values)

    def _tell(self, connection: Connection, webhook: Webhook, type_: str) -> None:
        data = {"webhook_id": str(webhook.id), "reason": "asked"}
        log.append(connection, webhook.agency_id, [NewEvent(type_, self._clock.now(), webhook.client_id, data=data)])

    # --- Secrets. ---

    def reveal_secret(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID) -> SigningSecret:
        """The secret that signs now. Raises WebhookUnknown, and the errors of `secrets_box`."""
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id))
            found = store.find_secret(connection, webhook)
        assert found is not None, "a webhook is made with its secret"
        return SigningSecret(self._box.open(found[0], purpose=secret_purpose(webhook_id)), found[1], found[2])

    def rotate_secret(
        self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID, *, overlap: timedelta = ROTATION_OVERLAP
    ) -> SigningSecret:
        """A new secret; the one before it signs too for that long, and those before that no longer. Raises
        WebhookUnknown."""
        until = self._clock.now() + overlap
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id, lock=True))
            store.retire_secrets(connection, webhook, until=until)
            return self._make_secret(connection, webhook, until)

    def _make_secret(self, connection: Connection, webhook: Webhook, until: datetime | None) -> SigningSecret:
        key = secrets.token_bytes(SECRET_BYTES)
        sealed = self._box.seal(key, purpose=secret_purpose(webhook.id))
        return SigningSecret(key, store.insert_secret(connection, webhook, new_id(), sealed), until)

    # --- Deliveries. ---

    def list_deliveries(
        self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID, filters: DeliveryFilters, *, limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Delivery]:  # fmt: skip
        """The latest first. Raises WebhookUnknown."""
        limit = max(1, min(limit, MAX_PAGE))
        before = (after[0], after[1]) if after else None
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id))
            found = store.find_deliveries(connection, webhook, filters, limit=limit + 1, before=before)
        return cut(found, limit, "created_at", "id")

    def get_delivery(
        self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID, delivery_id: UUID
    ) -> tuple[Delivery, dict[str, Any] | None]:
        """A delivery, its answers readable, and its message as it would be sent now (None: there is none any more).
        Raises WebhookUnknown, DeliveryUnknown, and the errors of `secrets_box`."""
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id))
            delivery = store.find_delivery(connection, webhook, delivery_id)
            if delivery is None:
                raise DeliveryUnknown
            message = _message_of(connection, webhook, delivery)
        return replace(delivery, attempts=[self._readable(delivery, one) for one in delivery.attempts]), message

    def _readable(self, delivery: Delivery, attempt: Any) -> dict[str, Any]:
        """The answer's first kilobyte, as text; what is no text is shown as such."""
        sealed = attempt.get("body")
        body = self._box.open(base64.b64decode(sealed), purpose=answer_purpose(delivery.id)) if sealed else b""
        return {**attempt, "body": body.decode("utf-8", "replace") if sealed else None}

    def test_webhook(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID) -> Delivery:
        """Sends `webhook.test` once, also to an endpoint that is paused. Raises WebhookUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id))
            return store.insert_test(connection, webhook, delivery_id=new_id(), message_id=new_id(), type_=TEST_TYPE)

    def replay_delivery(self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """Sends a message again from the first try on, under the same id. Raises WebhookUnknown, DeliveryUnknown,
        NotWaiting."""
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id, lock=True))
            delivery = store.find_delivery(connection, webhook, delivery_id, lock=True)
            if delivery is None:
                raise DeliveryUnknown
            if delivery.state == "sending":
                raise NotWaiting
            return store.send_again(connection, delivery)

    def replay_span(
        self, agency_id: UUID, client_id: UUID | None, webhook_id: UUID, *, since: datetime, until: datetime,
        types: Sequence[str] = (), only_failed: bool = False,
    ) -> int:  # fmt: skip
        """Sends again what was recorded in a span and passes the webhook's filters, under the same ids; what is on its
        way stays so. How many. Raises WebhookUnknown, ValueRefused."""
        if until <= since:
            raise ValueRefused("until", "must lie after `since`")
        first, last = (new_id(now_ms=int(moment.timestamp() * 1000)) for moment in (since, until))
        with self._database.tenant(agency_id, client_id) as connection:
            webhook = _found(store.find_webhook(connection, agency_id, webhook_id, lock=True))
            wanted = [type_ for type_ in types_of(webhook.event_types) if type_ in types_of(types)]
            told, made = store.replay_span(
                connection, webhook, first=_floor(first), last=_floor(last), types=wanted, only_failed=only_failed,
                most=MOST_REPLAYED + 1,
            )  # fmt: skip
            if told > MOST_REPLAYED:
                raise ValueRefused("until", f"the span holds more than {MOST_REPLAYED} events; replay it in parts")
        return made

    def erase_answers(self, agency_id: UUID, call_ids: Sequence[UUID]) -> int:
        """Forgets what receivers answered to messages of these calls: they may have repeated what they were told."""
        with self._database.tenant(agency_id) as connection:
            return store.erase_answers(connection, agency_id, call_ids)


def _columns(values: WebhookValues) -> dict[str, Any]:
    return {
        "url": values.url,
        "description": values.description,
        "event_types": list(values.event_types),
        "client_ids": list(values.client_ids),
    }


def _floor(id_: UUID) -> UUID:
    """The least id of its millisecond."""
    return UUID(int=id_.int >> 80 << 80)


def _message_of(connection: Connection, webhook: Webhook, delivery: Delivery) -> dict[str, Any] | None:
    whole_agency = webhook.client_id is None
    if delivery.type == TEST_TYPE:
        event = test_event(
            webhook.id, agency_id=delivery.agency_id, client_id=webhook.client_id, message_id=delivery.message_id,
            at=delivery.occurred_at,
        )  # fmt: skip
        return render(event, Around(), whole_agency=False)
    found = log.find_event(connection, delivery.agency_id, delivery.message_id)
    if found is None:
        return None
    return render_events(connection, delivery.agency_id, [found], whole_agency=whole_agency)[0]


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise WebhookUnknown
    return webhook
