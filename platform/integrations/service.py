"""Use cases of integrations: set up, tested, paused, what became of deliveries, back-fills and dry runs.

Every one runs as the tenant whose integration it is. Delivering itself is `delivering`, for all tenants.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from ..clock import Clock, moment_text
from ..db.engine import Database
from ..events import service as log
from ..ids import new_id
from ..paging import Page, cut
from ..secrets_box.errors import SecretsBoxError
from ..secrets_box.model import SecretsBox
from . import store
from .accounts import account_key, hide
from .delivering import Deliverer, exchange_purpose, judge, open_secrets, seal_secrets, secret_texts
from .errors import (
    CallUnknown,
    DeliveryUnknown,
    IntegrationUnknown,
    NotWaiting,
    Outcome,
    TooManyIntegrations,
    ValueRefused,
    VersionMismatch,
)
from .fact_store import moment_of_call, read_facts
from .facts import nobody
from .model import (
    LONGEST_NAME,
    MOST_BACKFILLED,
    MOST_LATE_OPEN,
    MOST_OF_A_CLIENT,
    Check,
    Delivery,
    DeliveryFilters,
    Integration,
    System,
    Values,
)
from .registry import SYSTEMS
from .trying import DryJournal, DryLine, Planned
from .work import Work

MAX_PAGE = 500
#: Of what a back-fill can tell: a ringing that is over shows nobody a card.
_LATE_TYPES = ("call.ended", "recording.ready")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a call would make an integration send. ``outcome``: `would_send`, or the word for why it would not."""

    outcome: str
    detail: str
    requests: Sequence[Planned]


class IntegrationService:
    """Integrations of one database. ``deliverer`` lends its line for connection tests."""

    def __init__(
        self, database: Database, box: SecretsBox, clock: Clock, deliverer: Deliverer,
        systems: Mapping[str, System] = SYSTEMS,
    ) -> None:  # fmt: skip
        self._database = database
        self._box = box
        self._clock = clock
        self._deliverer = deliverer
        self.systems = systems

    # --- Set up. ---

    def create_integration(
        self, agency_id: UUID, client_id: UUID, *, system: str, name: str, settings: Mapping[str, Any],
        secrets: Mapping[str, Any],
    ) -> Integration:  # fmt: skip
        """One that is told what happens from now on. Raises ValueRefused, TooManyIntegrations, OwnerUnknown."""
        kind = self.systems.get(system)
        if kind is None:
            raise ValueRefused("system", f"must be one of {', '.join(sorted(self.systems))}")
        read_settings = _read(kind.settings, settings, "settings")
        read_secrets = _read(kind.secrets, secrets, "secrets")
        integration_id = new_id()
        with self._database.tenant(agency_id, client_id) as connection:
            if store.count_integrations(connection, agency_id, client_id) >= MOST_OF_A_CLIENT:
                raise TooManyIntegrations(f"a client may have {MOST_OF_A_CLIENT} integrations")
            values = self._columns(kind, integration_id, _checked_name(name), read_settings, read_secrets)
            own = {
                "agency_id": agency_id, "id": integration_id, "client_id": client_id, "system": system,
                "position": log.last_position(connection, agency_id),
            }  # fmt: skip
            made = store.insert_integration(connection, own | values)
            self._keep_reading(connection, kind, made, read_settings)
            return made

    def _keep_reading(self, connection: Connection, kind: System, integration: Integration, settings: Values) -> None:
        """What changes there from now on is looked at, if the settings want it."""
        if kind.read is not None and getattr(settings, "read_sales", False):
            mark = {"since": moment_text(self._clock.now()), "skip": 0}
            store.begin_reading(connection, integration, mark)
        else:
            store.end_reading(connection, integration)

    def _columns(
        self, kind: System, integration_id: UUID, name: str, settings: Values, secrets: Values
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "name": name,
            "settings": settings.model_dump(mode="json"),
            "sealed": seal_secrets(self._box, integration_id, secrets),
            "account": account_key(kind.name, kind.account(settings, secrets)),
            "event_types": list(kind.event_types(settings)),
            "most_together": kind.most_together,
        }

    def get_integration(self, agency_id: UUID, client_id: UUID | None, integration_id: UUID) -> Integration:
        """Raises IntegrationUnknown, also for one that is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(store.find_integration(connection, agency_id, integration_id))

    def list_integrations(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Integration]:
        """The oldest first; with ``client_id`` that client's only."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            place = after[0] if after else None
            found = store.find_integrations(connection, agency_id, limit=limit + 1, after=place)
        return cut(found, limit, "id")

    def change_integration(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID, *, expected_version: int,
        name: str | None = None, settings: Mapping[str, Any] | None = None, secrets: Mapping[str, Any] | None = None,
    ) -> Integration:  # fmt: skip
        """Members of settings and secrets that are named change, null puts back the default. What is on its way goes by
        the new ones. Secrets that cannot be read are none: all that are needed must be given. Raises
        IntegrationUnknown, ValueRefused, VersionMismatch."""
        with self._database.tenant(agency_id, client_id) as connection:
            # New tokens that another process is given meanwhile would be written over these, or these over them.
            store.lock_secrets(connection, integration_id, wait=True)
            before = _found(store.find_integration(connection, agency_id, integration_id, lock=True))
            if before.version != expected_version:
                raise VersionMismatch(before.version)
            kind = self.systems[before.system]
            old = self._kept_secrets(kind, before)
            new = _read(kind.settings, _merged(before.settings, settings), "settings")
            values = self._columns(
                kind,
                before.id,
                _checked_name(name) if name is not None else before.name,
                new,
                _read(kind.secrets, _merged(old, secrets), "secrets"),
            )
            values |= {"updated_at": self._clock.now(), "version": before.version + 1}
            self._keep_reading(connection, kind, before, new)
            return store.change_integration(connection, before, values)

    def _kept_secrets(self, kind: System, integration: Integration) -> Mapping[str, Any]:
        """Nothing, where this release or these master keys cannot read them."""
        try:
            return open_secrets(self._box, kind, integration.id, integration.sealed).model_dump(mode="json")
        except (SecretsBoxError, ValidationError):
            return {}

    def delete_integration(self, agency_id: UUID, client_id: UUID | None, integration_id: UUID) -> None:
        """It is told nothing any more, and its secrets are gone; its deliveries are removed bit by bit. Raises
        IntegrationUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(store.find_integration(connection, agency_id, integration_id, lock=True))
            store.end_reading(connection, before)
            store.change_integration(connection, before, {"state": "deleted", "sealed": b"", "settings": {}})

    def pause_integration(self, agency_id: UUID, client_id: UUID | None, integration_id: UUID) -> Integration:
        """It is told nothing until it is resumed; what it misses is kept in the log. Raises IntegrationUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(store.find_integration(connection, agency_id, integration_id, lock=True))
            values = {"state": "paused", "reason": "asked", "detail": None, "state_at": self._clock.now()}
            return before if before.state == "paused" else store.change_integration(connection, before, values)

    def resume_integration(self, agency_id: UUID, client_id: UUID | None, integration_id: UUID) -> Integration:
        """It goes on, and is told what it missed. Raises IntegrationUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = _found(store.find_integration(connection, agency_id, integration_id, lock=True))
            store.wake(connection, before)
            values: dict[str, Any] = {"failing_since": None}
            if before.state != "active":
                values |= {"state": "active", "reason": None, "detail": None, "state_at": self._clock.now()}
            return store.change_integration(connection, before, values)

    # --- Tests and dry runs. ---

    def test_connection(self, agency_id: UUID, client_id: UUID | None, integration_id: UUID) -> Sequence[Check]:
        """Asks the other side, without telling it anything of a call; what is wrong and how to mend it. Raises
        IntegrationUnknown, and the errors of `secrets_box`."""
        integration, kind, settings, secrets = self._opened(agency_id, client_id, integration_id)
        line = self._deliverer.line(kind, integration.account, secrets, is_urgent=True)
        now = self._clock.now()
        work = Work(
            type="test", call=nobody(agency_id, integration.client_id, integration.id, now), settings=settings,
            secrets=secrets, line=line, journal=DryJournal(), now=now,
            renewing=self._deliverer.renewer(kind, agency_id, integration.id, line),
        )  # fmt: skip
        try:
            checks = kind.test(work)
        except Outcome as outcome:
            checks = [Check("connection", False, outcome.detail or outcome.word)]
        return [replace(one, detail=hide(one.detail, line.secrets)) for one in checks]

    def preview_call(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID, call_id: UUID, type_: str
    ) -> Preview:
        """What would be sent for a call; nothing leaves. Raises IntegrationUnknown, CallUnknown, ValueRefused."""
        integration, kind, settings, secrets = self._opened(agency_id, client_id, integration_id)
        if type_ not in integration.event_types:
            told = ", ".join(integration.event_types) or "nothing"
            raise ValueRefused("type", f"this integration is told of {told}, by its settings")
        with self._database.tenant(agency_id, integration.client_id) as connection:
            began = moment_of_call(connection, agency_id, call_id)
            call = read_facts(connection, agency_id, call_id, around=began) if began is not None else None
        if call is None:
            raise CallUnknown
        line = DryLine(kind, secret_texts(secrets))
        work = Work(
            type=type_, call=call, settings=settings, secrets=secrets, line=line, journal=DryJournal(),
            now=self._clock.now(),
        )  # fmt: skip
        (outcome,) = judge(kind, [work])
        # What was taken and is worked on was sent.
        if outcome is not None and outcome.word != "processing":
            return Preview(outcome.word, outcome.detail, line.planned)
        return Preview("would_send", "", line.planned)

    def _opened(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID
    ) -> tuple[Integration, System, Values, Values]:
        integration = self.get_integration(agency_id, client_id, integration_id)
        kind = self.systems[integration.system]
        settings = kind.settings.model_validate(integration.settings)
        return integration, kind, settings, open_secrets(self._box, kind, integration.id, integration.sealed)

    # --- Deliveries. ---

    def list_deliveries(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID, filters: DeliveryFilters, *,
        limit: int = 50, after: tuple[Any, ...] | None = None,
    ) -> Page[Delivery]:  # fmt: skip
        """The latest first. Raises IntegrationUnknown."""
        limit = max(1, min(limit, MAX_PAGE))
        before = (after[0], after[1]) if after else None
        with self._database.tenant(agency_id, client_id) as connection:
            integration = _found(store.find_integration(connection, agency_id, integration_id))
            found = store.find_deliveries(connection, integration, filters, limit=limit + 1, before=before)
        return cut(found, limit, "created_at", "id")

    def get_delivery(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID, delivery_id: UUID
    ) -> Delivery:
        """A delivery, what was said readable. Raises IntegrationUnknown, DeliveryUnknown, the errors of
        `secrets_box`."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = _delivery_of(connection, agency_id, integration_id, delivery_id, lock=False)
        return replace(found, attempts=[self._readable(found, one) for one in found.attempts])

    def _readable(self, delivery: Delivery, attempt: Mapping[str, Any]) -> dict[str, Any]:
        sealed = attempt.get("said")
        said: dict[str, Any] = {"sent": None, "answered": None}
        if sealed:
            opened = self._box.open(base64.b64decode(sealed), purpose=exchange_purpose(delivery.id))
            said = json.loads(opened)
        return {name: value for name, value in attempt.items() if name != "said"} | said

    def retry_delivery(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID, delivery_id: UUID
    ) -> Delivery:
        """Tries again from the first try on; what was made already is not made twice. Raises IntegrationUnknown,
        DeliveryUnknown, NotWaiting."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = _delivery_of(connection, agency_id, integration_id, delivery_id, lock=True)
            if found.state == "sending":
                raise NotWaiting
            return store.send_again(connection, found)

    def backfill_span(
        self, agency_id: UUID, client_id: UUID | None, integration_id: UUID, *, since: datetime, until: datetime,
        call_id: UUID | None = None,
    ) -> int:  # fmt: skip
        """Tells of calls that began in a span, as far as they were not told, and again of those that were given up. How
        many deliveries that makes. Raises IntegrationUnknown, ValueRefused."""
        if until <= since:
            raise ValueRefused("until", "must lie after `since`")
        if until - since > timedelta(days=400):
            raise ValueRefused("until", "must lie 400 days after `since` at most")
        with self._database.tenant(agency_id, client_id) as connection:
            integration = _found(store.find_integration(connection, agency_id, integration_id, lock=True))
            if call_id is None and store.count_late(connection, integration, most=MOST_LATE_OPEN) >= MOST_LATE_OPEN:
                raise ValueRefused(
                    "since", "earlier back-fills still have much to tell; ask again when they are through"
                )
            types = [one for one in integration.event_types if one in _LATE_TYPES]
            told, made = store.backfill(
                connection, integration, since=since, until=until, types=types, call_id=call_id,
                most=MOST_BACKFILLED + 1,
            )  # fmt: skip
            if told > MOST_BACKFILLED:
                detail = f"the span holds more than {MOST_BACKFILLED} things to tell; back-fill it in parts"
                raise ValueRefused("until", detail)
        return made


def _read(kind: type[Values], values: Mapping[str, Any], member: str) -> Values:
    """Raises ValueRefused, which names the first fault and shows no value: it may be a secret."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = "/".join(map(str, (member, *first["loc"])))
        raise ValueRefused(place, first["msg"].removeprefix("Value error, ")) from None


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """A JSON merge patch of one level."""
    merged = dict(old) | dict(changes or {})
    return {name: value for name, value in merged.items() if value is not None}


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueRefused("name", f"must have 1 to {LONGEST_NAME} characters and no line breaks")
    return name


def _delivery_of(
    connection: Connection, agency_id: UUID, integration_id: UUID, delivery_id: UUID, *, lock: bool
) -> Delivery:  # fmt: skip
    integration = _found(store.find_integration(connection, agency_id, integration_id))
    found = store.find_delivery(connection, integration, delivery_id, lock=lock)
    if found is None:
        raise DeliveryUnknown
    return found


def _found(integration: Integration | None) -> Integration:
    if integration is None:
        raise IntegrationUnknown
    return integration


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """A system's settings or secrets as JSON schema."""
    return kind.model_json_schema()
