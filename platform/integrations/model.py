"""Integrations as values, and the rules of delivering: when it is tried again, what an answer means. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ..outgoing.model import read_retry_after
from .errors import Broken, GiveUp, Later, Retry

if TYPE_CHECKING:
    from .returning import Deal, Mark
    from .together import Together
    from .work import Work

DeliveryState = Literal["due", "blocked", "sending", "sent", "done", "given_up"]
Settled = Literal["done", "given_up", "retry", "later", "sent", "broken"]

MOST_OF_A_CLIENT = 20
MOST_BACKFILLED = 10_000
#: With so many of earlier back-fills still to be told an integration is given no more of them.
MOST_LATE_OPEN = 10_000
LONGEST_NAME = 100
#: Seconds between tries: 12 in 35 hours, so that a weekend's morning is not missed.
DELAYS_S: tuple[float, ...] = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 28_800, 43_200)
#: Each wait is this much shorter or longer, so that what failed together does not come back together.
JITTER = 0.2
LONGEST_RETRY_AFTER_S = 6 * 3600.0
#: Of what was sent and answered so much is kept, sealed.
MOST_KEPT_BYTES = 2048
#: Of an answer so much is read.
MOST_READ_BYTES = 512 * 1024


class Values(BaseModel):
    """Base of every system's settings and secrets: nothing unknown, nothing guessed. A fault shows no value: it ends in
    a process's log."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, str_max_length=2048, hide_input_in_errors=True
    )


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast an account may be asked: ``burst`` requests at once, then ``per_s``. What nobody waits for leaves
    ``spare`` of the burst to calls that ring."""

    per_s: float
    burst: int
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of a connection test. ``detail`` says what is wrong and how to mend it."""

    name: str
    is_well: bool
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class System:
    """All that the frame must know of a kind of integration. ``account`` names whom the rate is counted for;
    ``pretend`` answers a dry run's requests as the system would that has nothing yet."""

    name: str
    title: str
    summary: str
    settings: type[Values]
    secrets: type[Values]
    rate: Rate
    account: Callable[[Any, Any], str]
    event_types: Callable[[Any], Sequence[str]]
    test: Callable[[Work], Sequence[Check]]
    pretend: Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
    #: How it is told of one call; of many at once it is told by ``together``.
    deliver: Callable[[Work], None] | None = None
    together: Together | None = None
    #: What changed there at a mark or later, a page of it, the oldest change first; and whether that was the last.
    read: Callable[[Work, Mark], tuple[Sequence[Deal], bool]] | None = None
    #: Whether it is told of visitors for advertising: then nothing leaves without consent on the record.
    is_advertising: bool = False

    @property
    def most_together(self) -> int:
        """Calls that one request tells of at most."""
        return self.together.most if self.together is not None else 1


@dataclass(frozen=True, kw_only=True)
class Integration:
    """An integration of a client. ``settings`` as they are stored; its secrets are not among them."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    system: str
    name: str
    settings: Mapping[str, Any]
    sealed: bytes = field(repr=False)
    account: str
    event_types: Sequence[str]
    state: str
    reason: str | None
    detail: str | None
    state_at: datetime
    position: int
    failing_since: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_fault: str | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One thing that an integration is to be told of a call, or what became of it."""

    agency_id: UUID
    id: UUID
    integration_id: UUID
    call_id: UUID
    type: str
    revision: int
    occurred_at: datetime
    is_late: bool
    state: str
    reason: str | None
    detail: str | None
    tries: int
    due_at: datetime
    created_at: datetime
    first_try_at: datetime | None
    settled_at: datetime | None
    attempts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class DeliveryFilters:
    """What a list is narrowed to; None: not."""

    state: str | None = None
    call_id: UUID | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Claimed:
    """A delivery to be made now; nobody else makes it meanwhile. ``is_late``: of a back-fill, long after the call."""

    agency_id: UUID
    id: UUID
    claim: UUID
    integration_id: UUID
    client_id: UUID
    system: str
    settings: Mapping[str, Any]
    sealed: bytes
    account: str
    call_id: UUID
    type: str
    revision: int
    occurred_at: datetime
    is_late: bool
    tries: int


@dataclass(frozen=True, slots=True)
class Made:
    """Something in the other system. ``data``: what else must be known of it later; ids only, nothing of a person."""

    remote_id: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """As the journal has it: ``made`` None means that a request has left whose answer nobody has seen. ``begun_at``:
    when the first one did; None: in this very delivery. ``asked``: what that one said and the next must say too."""

    made: Made | None
    begun_at: datetime | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, secrets taken out. ``status`` None: there was no answer, ``fault`` says why."""

    at: datetime
    ms: int
    what: str
    sent: str
    status: int | None
    answered: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after a try."""

    outcome: Settled
    delay_s: float = 0.0
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When it is tried again. ``in_doubt_s``: longer than the other side may still be busy with a request that we have
    no answer to."""

    delays_s: Sequence[float] = DELAYS_S
    timeout_s: float = 15.0
    #: One delivery may make several requests.
    whole_s: float = 60.0
    in_doubt_s: float = 65.0

    @property
    def most_tries(self) -> int:
        return len(self.delays_s) + 1

    def after(self, failed: Retry, *, tries: int, chance: float) -> Verdict:
        """What a failed try means; ``tries``: with this one; ``chance``: 0 to 1, of this wait."""
        if tries >= self.most_tries:
            return Verdict("given_up", reason=failed.word, detail=f"after {tries} tries: {failed.detail}".strip(": "))
        wait_s = self.delays_s[tries - 1] * (1 + JITTER * (2 * chance - 1))
        if failed.in_doubt:
            return Verdict("sent", max(wait_s, self.in_doubt_s), failed.word, failed.detail)
        return Verdict("retry", wait_s, failed.word, failed.detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def bounded_rest_s(asked_s: float) -> float:
    """So long whoever is asked to wait does wait: others may name any number, or none (NaN)."""
    return min(max(0.0, asked_s), LONGEST_RETRY_AFTER_S)


def need_success(answer: Answer, now: datetime, *, detail: str = "") -> Answer:
    """The answer, where its status says that the request was carried out. What others mean holds for every system that
    keeps to HTTP (contracts/00-README.md, rule 2); a system that does not judges its own first. Raises Outcome."""
    status, word = answer.status, f"status_{answer.status}"
    if 200 <= status < 300:
        return answer
    said = detail or answer.text[:300]
    if 300 <= status < 400:
        raise Broken(word, f"the address leads elsewhere by now: set the one that it has ({said})")
    if status == 429:
        asked_s = read_retry_after(answer.headers.get("retry-after"), now, most_s=LONGEST_RETRY_AFTER_S)
        raise Later("rate_limited", said, after_s=asked_s or 2.0)
    if status in {401, 403}:
        raise Broken(word, f"the credentials or their rights were refused: {said}")
    if status in {408, 425, 500, 502, 503, 504}:
        # Whether the other side had carried it out before it failed, nobody knows; a 503 of a busy one had not.
        raise Retry(word, said, in_doubt=status in {408, 500, 502, 504})
    raise GiveUp(word, said)
