"""Subscriptions of reports: use cases, and the job that finds whose hour has come. Must not know HTTP, nor what a
letter looks like."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..jobs.model import Done, Job, Outcome, Request
from ..jobs.service import JobQueue
from ..paging import Page, cut
from ..people.service import find_person
from . import subscription_store
from .errors import LinkInvalid, SubscriptionChanged, SubscriptionRefused, SubscriptionUnknown
from .subscription_model import (
    MOST_SUBSCRIPTIONS,
    Subscription,
    SubscriptionValues,
    changed,
    day_told,
    next_at,
    parse_way_out,
)

BEGIN_DUE, SEND = "reports.begin_due", "reports.send"
SEND_TRIES = 12
_MOST_DUE = 500


class ReportSubscriptions:
    """The subscriptions of every agency. ``user_id`` None: of everybody there."""

    def __init__(self, database: Database, clock: Clock, queue: JobQueue) -> None:
        self._database = database
        self._clock = clock
        self._queue = queue

    def create(self, agency_id: UUID, client_id: UUID | None, values: SubscriptionValues) -> Subscription:
        """Raises SubscriptionRefused."""
        with self._database.tenant(agency_id, client_id) as connection:
            _check_person(connection, agency_id, values)
            if subscription_store.count_subscriptions(connection, agency_id) >= MOST_SUBSCRIPTIONS:
                raise SubscriptionRefused("user_id", f"has an agency with {MOST_SUBSCRIPTIONS} subscriptions already")
            row = asdict(values) | {
                "agency_id": agency_id, "id": new_id(), "secret": secrets.token_hex(32), "files": list(values.files),
                "next_at": next_at(values, self._clock.now()),
            }  # fmt: skip
            return subscription_store.insert_subscription(connection, row)

    def list_all(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        user_id: UUID | None,
        *,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> Page[Subscription]:
        with self._database.tenant(agency_id, client_id) as connection:
            found = subscription_store.find_subscriptions(connection, agency_id, user_id, limit=limit + 1, after=after)
        return cut(found, limit, "created_at", "id")

    def get(self, agency_id: UUID, client_id: UUID | None, user_id: UUID | None, subscription_id: UUID) -> Subscription:
        """Raises SubscriptionUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(connection, agency_id, user_id, subscription_id)

    def change(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        user_id: UUID | None,
        subscription_id: UUID,
        patch: Mapping[str, Any],
        *,
        version: int,
    ) -> Subscription:
        """Raises SubscriptionUnknown, SubscriptionChanged, SubscriptionRefused."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(connection, agency_id, user_id, subscription_id, to_change=True)
            if before.version != version:
                raise SubscriptionChanged(before.version)
            values = changed(before.values, patch)
            _check_person(connection, agency_id, values)
            row = asdict(values) | {"files": list(values.files), "next_at": next_at(values, self._clock.now())}
            return subscription_store.change_subscription(connection, before, row)

    def delete(self, agency_id: UUID, client_id: UUID | None, user_id: UUID | None, subscription_id: UUID) -> None:
        """Raises SubscriptionUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            _found(connection, agency_id, user_id, subscription_id, to_change=True)
            subscription_store.delete_subscription(connection, agency_id, subscription_id)

    def send_now(
        self, agency_id: UUID, client_id: UUID | None, user_id: UUID | None, subscription_id: UUID
    ) -> Subscription:
        """The letter that is due next, at once; the hour stays. Raises SubscriptionUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = _found(connection, agency_id, user_id, subscription_id)
            self._defer(connection, found, self._clock.now())
        return found

    def unsubscribe(self, token: str) -> None:
        """By a letter's link; whoever follows it twice is told the same. Raises LinkInvalid."""
        agency_id, subscription_id, secret = parse_way_out(token)
        with self._database.tenant(agency_id) as connection:
            found = subscription_store.find_subscription(connection, agency_id, subscription_id, to_change=True)
            if found is None or not hmac.compare_digest(found.secret, secret):
                raise LinkInvalid
            if found.values.enabled:
                subscription_store.change_subscription(connection, found, {"enabled": False})

    def begin_due(self, _job: Job) -> Outcome:
        """The job ``reports.begin_due``. After a pause of the whole platform there is one letter, of the last days."""
        now = self._clock.now()
        with self._database.system() as connection:
            due = subscription_store.find_due(connection, now, _MOST_DUE)
        for agency_id, subscription_id in due:
            with self._database.tenant(agency_id) as connection:
                found = subscription_store.find_subscription(connection, agency_id, subscription_id, to_change=True)
                if found is not None and found.values.enabled and found.next_at <= now:
                    self._defer(connection, found, found.next_at if _is_recent(found, now) else now)
                    advanced = {"next_at": next_at(found.values, now)}
                    subscription_store.advance_subscription(connection, found, advanced)
        return Done()

    def _defer(self, connection: Connection, found: Subscription, at: datetime) -> None:
        zone = found.values.time_zone
        if found.values.client_id is not None:
            client = subscription_store.find_client(connection, found.agency_id, found.values.client_id)
            zone = client[1] if client is not None else zone
        day = day_told(found.values.kind, at, zone)
        args = {"agency_id": str(found.agency_id), "subscription_id": str(found.id), "day": day.isoformat()}
        once = f"report:{found.id}:{day}"
        self._queue.defer(connection, Request(name=SEND, args=args, lock=once, once=once))


def _is_recent(found: Subscription, now: datetime) -> bool:
    """Whether no later hour of it has come since."""
    return next_at(found.values, found.next_at) > now


def _found(
    connection: Connection, agency_id: UUID, user_id: UUID | None, subscription_id: UUID, *, to_change: bool = False
) -> Subscription:
    found = subscription_store.find_subscription(connection, agency_id, subscription_id, to_change=to_change)
    if found is None or (user_id is not None and found.values.user_id != user_id):
        raise SubscriptionUnknown
    return found


def _check_person(connection: Connection, agency_id: UUID, values: SubscriptionValues) -> None:
    """Nobody is sent what he could not look at himself."""
    user = find_person(connection, agency_id, values.user_id)
    if user is None or user.state == "disabled":
        raise SubscriptionRefused("user_id", "names nobody who signs in here")
    if user.client_id is not None and user.client_id != values.client_id:
        raise SubscriptionRefused("client_id", "is not the client of this person")
    if values.client_id is not None and subscription_store.find_client(connection, agency_id, values.client_id) is None:
        raise SubscriptionRefused("client_id", "names no client of the agency")
    if "calls.read" not in user.permissions:
        raise SubscriptionRefused("user_id", "names somebody who may not look at calls")
