"""Webhooks as values, and the rules of sending: when it is tried again, what an answer means. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ..events.errors import EventRefused
from ..events.model import types_of
from ..outgoing.errors import OutgoingError
from ..outgoing.model import Destination, Rules, parse_url
from .errors import ValueRefused

State = Literal["active", "paused", "disabled"]
Reason = Literal["asked", "failing", "gone"]
DeliveryState = Literal["waiting", "blocked", "sending", "delivered", "failed"]
Outcome = Literal["delivered", "retry", "failed", "gone", "released"]

#: Seconds between the 12 tries: 72 hours in all.
DELAYS_S: tuple[float, ...] = (5, 60, 300, 900, 3600, 10_800, 21_600, 36_000, 50_400, 61_200, 74_335)
#: Each wait is this much shorter or longer, so that what failed together does not come back together.
JITTER = 0.15
#: A receiver's own wish counts up to here.
LONGEST_RETRY_AFTER_S = 24 * 3600.0
#: A whole request, from the look-up of the name to the last byte of the answer.
TIMEOUT_S = 15.0
#: Of an answer's body so much is kept.
MOST_KEPT_BYTES = 1024
MOST_OF_AN_OWNER = 50
MOST_TYPES, MOST_CLIENTS, LONGEST_DESCRIPTION = 50, 200, 200
#: Answers that mean that the receiver has too much to do.
BUSY = frozenset({429, 502, 503, 504})
#: What is kept of an answer's head: nothing of it is a secret.
KEPT_HEADERS = ("content-type", "content-length", "date", "retry-after", "server", "location", "x-request-id")
LONGEST_HEADER = 200


@dataclass(frozen=True, kw_only=True)
class WebhookValues:
    """What its owner decides. Empty ``event_types``: all; ``client_ids`` (of an agency's webhook): of every client."""

    url: str
    description: str = ""
    event_types: Sequence[str] = ()
    client_ids: Sequence[UUID] = ()


@dataclass(frozen=True, kw_only=True)
class Webhook(WebhookValues):
    """An endpoint. ``client_id`` None: the agency's own. ``position``: how far in the log messages were made for it."""

    agency_id: UUID
    id: UUID
    client_id: UUID | None
    host: str
    state: str
    reason: str | None
    state_at: datetime
    position: int
    failing_since: datetime | None
    rest_until: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_fault: str | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True)
class SigningSecret:
    """What signs a webhook's messages. ``previous_until``: so long the secret before it signs too."""

    key: bytes = field(repr=False)
    made_at: datetime
    previous_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message on its way to a webhook, or what became of it. ``attempts`` as they are kept, answers sealed."""

    agency_id: UUID
    id: UUID
    webhook_id: UUID
    message_id: UUID
    type: str
    call_id: UUID | None
    position: int | None
    occurred_at: datetime
    state: str
    tries: int
    due_at: datetime
    created_at: datetime
    first_try_at: datetime | None
    settled_at: datetime | None
    replays: int
    attempts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class DeliveryFilters:
    """What a list is narrowed to; None: not."""

    state: str | None = None
    type: str | None = None
    call_id: UUID | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Claimed:
    """A message to be sent now; nobody else sends it meanwhile. ``owner_id`` None: to the agency's own webhook.
    ``data`` None: its event is no more, or it is of no event (a test)."""

    agency_id: UUID
    id: UUID
    claim: UUID
    webhook_id: UUID
    owner_id: UUID | None
    url: str
    message_id: UUID
    type: str
    call_id: UUID | None
    client_id: UUID | None
    revision: int
    position: int | None
    occurred_at: datetime
    data: Mapping[str, Any] | None
    tries: int
    sealed: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message after a try. ``delay_s`` until the next; ``rest_s``: so long nothing goes to this
    endpoint at all; ``fault``: a word of a bounded set."""

    outcome: Outcome
    delay_s: float = 0.0
    rest_s: float | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When it is tried again; ``pause_after_s`` of nothing but failures its endpoint is paused."""

    delays_s: Sequence[float] = DELAYS_S
    pause_after_s: float = 48 * 3600.0
    timeout_s: float = TIMEOUT_S

    @property
    def most_tries(self) -> int:
        return len(self.delays_s) + 1

    @property
    def away_s(self) -> float:
        """After so long a receiver that answers again counts as one that was away: it is sent at once what waits."""
        return sum(self.delays_s[:2])

    def judge(
        self, *, tries: int, status: int | None, fault: str | None, retry_after_s: float | None, chance: float
    ) -> Verdict:
        """What a try's answer means (``status`` None: there was none, ``fault`` says why). ``tries``: with this one;
        ``chance``: 0 to 1, of this wait."""
        if status is not None and 200 <= status < 300:
            return Verdict("delivered")
        word = fault or f"status_{status}"
        if status == 410:
            return Verdict("gone", fault=word)
        rest_s = None
        if status in BUSY or retry_after_s is not None:
            rest_s = retry_after_s if retry_after_s is not None else self.delays_s[0]
        if tries >= self.most_tries:
            return Verdict("failed", rest_s=rest_s, fault=word)
        wait_s = self.delays_s[tries - 1] * (1 + JITTER * (2 * chance - 1))
        return Verdict("retry", delay_s=max(wait_s, retry_after_s or 0.0), rest_s=rest_s, fault=word)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What is kept of an answer's head."""
    return {name: headers[name][:LONGEST_HEADER] for name in KEPT_HEADERS if name in headers}


def check_values(values: WebhookValues, *, owner: UUID | None, rules: Rules) -> Destination:
    """Whether a webhook may be so. An address that stands in the URL itself is judged now, a name's when it is looked
    up, before every request. Raises ValueRefused."""
    if not values.description.isprintable() or len(values.description) > LONGEST_DESCRIPTION:
        raise ValueRefused("description", f"must have at most {LONGEST_DESCRIPTION} characters and no line breaks")
    if len(values.event_types) > MOST_TYPES:
        raise ValueRefused("event_types", f"must name {MOST_TYPES} types at most")
    try:
        types_of(values.event_types)
    except EventRefused as error:
        raise ValueRefused("event_types", str(error)) from error
    if values.client_ids and owner is not None:
        raise ValueRefused("client_ids", "a client's webhook gets that client's events only; leave it out")
    if len(values.client_ids) > MOST_CLIENTS:
        raise ValueRefused("client_ids", f"must name {MOST_CLIENTS} clients at most")
    return _destination(values.url, rules)


def _destination(url: str, rules: Rules) -> Destination:
    try:
        destination = parse_url(url)
        if destination.literal is not None:
            rules.check(destination, [destination.literal])
        elif destination.scheme != "https" and not rules.private_networks:
            raise ValueRefused("url", "the address must begin with https://")
    except OutgoingError as error:
        raise ValueRefused("url", str(error)) from error
    return destination
