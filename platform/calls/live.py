"""What a call does while it lives, from what its switch says of it: started, ringing, answered, ended. Pure.

Events may come twice, late, in any order or not at all, so nothing here follows from the order in which they are heard.
A call only ever gains moments, each is kept as it was told first, and its state is read off them:

    no moment    ringing_us        answered_us        hold
    started   →  ringing       →   answered       ⇄   held        ended: from every state, and nothing comes after it

Every event of a call carries the stamps of what was before it, so one that is never heard is made up for by the next.
What is still missing is asked: a call that nothing was heard of for a while either stands, or has ended.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from ..ids import new_id

State = Literal["started", "ringing", "answered", "held"]

#: A switch that answers a call stamps its early media with it, at most so much earlier: no ringing is so short.
ONE_ACT_US = 100_000
#: Calls that have ended and are remembered, so that what is told of them late does not begin them again.
MOST_ENDED = 20_000
#: Events that wait for a database that is away: more than an hour of a busy node.
MOST_EVENTS = 200_000


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose call it is, and what the plan decided. ``source`` holds ids and words only. ``is_test``: the installation
    placed it to prove its number."""

    agency_id: UUID
    client_id: UUID
    number_id: UUID | None = None
    flow_id: UUID | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What one event tells of a caller's leg; moments in µs since 1970, UTC. ``early_media_us`` is a 183, which our
    own answer brings too. ``bridged_to`` is the leg that the caller talks with. None: the event does not say."""

    call_id: str
    started_us: int | None = None
    ringing_us: int | None = None
    early_media_us: int | None = None
    answered_us: int | None = None
    connected_us: int | None = None
    bridged_to: str | None = None
    held: bool | None = None
    ended: bool = False
    dialled: str | None = None
    caller: str | None = None
    owner: Owner | None = None
    #: Segments that the plan has named so far: what is to be recorded, once the call is answered.
    segments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An entry for the agency's log: ids only."""

    id: UUID
    type: str
    call_id: str
    owner: Owner
    occurred_us: int


@dataclass(slots=True)
class LiveCall:
    """One call that stands."""

    call_id: str
    started_us: int | None = None
    ringing_us: int | None = None
    early_media_us: int | None = None
    answered_us: int | None = None
    connected_us: int | None = None
    bridged_to: str | None = None
    target_id: UUID | None = None
    held: bool = False
    stands: bool = False
    dialled: str | None = None
    caller: str | None = None
    owner: Owner | None = None
    segments: tuple[int, ...] = ()
    #: Events that were made of it.
    told: set[str] = field(default_factory=set)

    @property
    def state(self) -> State:
        if self.answered_us is not None or self.stands:
            return "held" if self.held else "answered"
        return "ringing" if self.rang_us is not None else "started"

    @property
    def rang_us(self) -> int | None:
        """When the caller heard ringing, unanswered: a 180, else a 183 that was not part of our own answer. A target
        that rings after our own answer (an announcement, a menu) is no ringing of the call: the switch only stamps it,
        and the event would come after `call.answered`."""
        media, answered = self.early_media_us, self.answered_us
        if self.ringing_us is not None:
            return self.ringing_us if answered is None or self.ringing_us <= answered else None
        return None if media is None or (answered is not None and answered - media <= ONE_ACT_US) else media

    def take(self, heard: Heard) -> None:
        """Gains what is new; what it knows already stays."""
        for name in ("started_us", "ringing_us", "early_media_us", "answered_us", "connected_us", "dialled", "caller",
                     "owner"):  # fmt: skip
            if getattr(self, name) is None:
                setattr(self, name, getattr(heard, name))
        if heard.bridged_to is not None and heard.bridged_to != self.bridged_to:
            self.bridged_to, self.target_id = heard.bridged_to, None
        if heard.held is not None:
            self.held = heard.held
        # A plan that comes later names those before it too.
        if len(heard.segments) > len(self.segments):
            self.segments = heard.segments


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written: rows that are new or changed, calls that have ended, events. ``standing`` is every call
    that stands, where the whole truth is to be written."""

    rows: list[LiveCall]
    ended: list[tuple[UUID, str]]
    events: list[LiveEvent]
    standing: list[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.rows or self.ended or self.events or self.standing is not None)


class LiveCalls:
    """The calls that stand on one node."""

    def __init__(self, *, most_events: int = MOST_EVENTS) -> None:
        self._calls: dict[str, LiveCall] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._fresh: dict[str, None] = {}
        self._gone: dict[str, UUID] = {}
        self._events: deque[LiveEvent] = deque()
        self._most_events = most_events
        self._written: set[str] = set()
        self._whole, self._listed = True, False
        #: Events that found no place while the database was away.
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._calls

    @property
    def written(self) -> int:
        """How many calls the database was told of and was not told that they ended."""
        return len(self._written)

    def listed(self) -> None:
        """All that stand are known, by the switch's own list: from now on the whole truth may be written."""
        self._listed = True

    def unlisted(self) -> None:
        """There may be calls that nobody has told of: the link to the switch is broken."""
        self._listed = False

    def hear(self, heard: Heard) -> None:
        """What an event tells."""
        if heard.call_id in self._ended:
            return
        call = self._calls.get(heard.call_id)
        if call is None:
            call = self._calls[heard.call_id] = LiveCall(heard.call_id)
        call.take(heard)
        self._fresh[heard.call_id] = None
        if heard.ended:
            self._end(call)

    def end(self, call_id: str) -> None:
        """The call is proven to be no more, though nobody heard it end."""
        self.hear(Heard(call_id, ended=True))

    def stands(self, call_id: str) -> None:
        """The switch's own list says that it is answered, without saying since when."""
        call = self._calls.get(call_id)
        if call is not None and not call.stands:
            call.stands = True
            self._fresh[call_id] = None

    def connect(self, call_id: str, leg: str, target_id: UUID | None) -> None:
        """The leg that the caller talks with is this target's."""
        call = self._calls.get(call_id)
        if call is not None and call.bridged_to == leg and target_id is not None:
            call.target_id = target_id
            self._fresh[call_id] = None

    def calls(self) -> list[str]:
        """All that stand, the one known longest first."""
        return list(self._calls)

    def unowned(self, before_us: int) -> list[str]:
        """Calls that began before a moment and whose owner no event has told."""
        return [
            call.call_id
            for call in self._calls.values()
            if call.owner is None and (call.started_us is None or call.started_us < before_us)
        ]

    def unresolved(self) -> list[tuple[str, str]]:
        """Calls that talk with a leg, and the leg, of which the target is not known."""
        return [
            (call.call_id, call.bridged_to)
            for call in self._calls.values()
            if call.bridged_to is not None and call.target_id is None
        ]

    # --- to the database ---

    def take(self, *, now_us: int, most: int) -> Batch:
        """What is to be written, at most ``most`` of each kind. A 183 is only told once it cannot be an answer's."""
        whole = self._whole and self._listed
        self._whole = self._whole and not whole
        names = list(self._calls) if whole else [*_first(self._fresh, most)]
        rows = [call for name in names if (call := self._calls.get(name)) is not None and call.owner is not None]
        for name in names:
            self._fresh.pop(name, None)
        for call in rows:
            if not self._tell(call, now_us):
                self._fresh[call.call_id] = None
        ended = [(self._gone.pop(name), name) for name in _first(self._gone, most)]
        self._written = (set() if whole else self._written - {name for _, name in ended}) | {
            row.call_id for row in rows
        }
        events = [self._events.popleft() for _ in range(min(most, len(self._events)))]
        return Batch(rows, ended, events, list(self._calls) if whole else None)

    def put_back(self, batch: Batch) -> None:
        """A batch that was not written: all rows are written anew next time, which tells what has ended as well."""
        self._whole = True
        self._fresh |= {row.call_id: None for row in batch.rows if row.call_id in self._calls}
        self._gone |= {call_id: agency for agency, call_id in batch.ended}
        self._events.extendleft(reversed(batch.events))
        self._bound_events()

    def write_all(self) -> None:
        """The database may have lost rows, or hold ones that nobody knows of: write the whole truth next."""
        self._whole = True

    def _end(self, call: LiveCall) -> None:
        del self._calls[call.call_id]
        self._fresh.pop(call.call_id, None)
        self._ended[call.call_id] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        if call.owner is not None:
            self._tell(call, None)
            self._gone[call.call_id] = call.owner.agency_id
            if len(self._gone) > MOST_ENDED:
                self._gone.clear()
                self._whole = True

    def _tell(self, call: LiveCall, now_us: int | None) -> bool:
        """Makes the events that are due (``now_us`` None: the call is over); false: one may yet become due."""
        assert call.owner is not None, "a call without an owner has no events"
        rang_us, early = call.rang_us, call.ringing_us is None and call.answered_us is None
        waits = rang_us is not None and early and now_us is not None and now_us - rang_us <= 2 * ONE_ACT_US
        # Whoever reads the log was told of the answer: ringing that is heard of so late is the record's matter.
        late = "call.answered" in call.told
        due = {"call.started": call.started_us, "call.ringing": None if waits or late else rang_us,
               "call.answered": call.answered_us}  # fmt: skip
        for kind, moment_us in due.items():
            if moment_us is not None and kind not in call.told:
                call.told.add(kind)
                self._events.append(LiveEvent(new_id(), kind, call.call_id, call.owner, moment_us))
        self._bound_events()
        return not waits

    def _bound_events(self) -> None:
        while len(self._events) > self._most_events:
            self._events.popleft()
            self.dropped += 1


def _first(items: Iterable[str], most: int) -> Collection[str]:
    return [name for _, name in zip(range(most), items, strict=False)]


def event_data(owner: Owner) -> dict[str, Any]:
    """What an event holds of its call: ids and the source's words."""
    ids = {"number_id": owner.number_id, "flow_id": owner.flow_id}
    return {name: str(value) for name, value in ids.items() if value is not None} | dict(owner.source)
