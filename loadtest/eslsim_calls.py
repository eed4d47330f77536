"""Calls as a switch tells them to a monitor: event streams captured from a real one, played for thousands of calls side
by side. Pure: captures in, bytes with their moments out; knows no socket and no clock.

A capture (tests/data/contract/captures) is a call of a few seconds on FreeSWITCH 1.10.12. Each played call has ids, an
owner and moments of its own: every stamp in every event is moved with it, and what happens after the answer is moved
once more, so that the call stands as long as is wanted. The rest, two hundred variables an event, stays as the switch
sent it.
"""

from __future__ import annotations

import heapq
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from dialtrace.esl.events import encode_json_event, parse_event
from dialtrace.esl.wire import FrameReader
from dialtrace.loadtest.eslsim import DATA
from dialtrace.workers.live_facts import LIVE_EVENTS

CAPTURES = DATA / "contract" / "captures"
#: Of a hundred calls so many go like this.
MIX = {"answered": 55, "menu-digit-resume": 15, "name-encoded-newlines": 5, "busy": 12, "cancelled-ringing": 13}
_SLOT = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b1[0-9]{15}\b")
_OWNED = b'"variable_dialtrace_agency"'


@dataclass(frozen=True)
class Told:
    """One event of a capture. ``pieces`` alternate between text that stays and what is filled in: a number of µs since
    the call began, or an id of the capture."""

    name: str
    offset_us: int
    #: It says whose call it is: from here on a monitor can show it.
    owned: bool
    pieces: tuple[bytes | int, ...] = field(repr=False)

    def filled(self, ids: Mapping[bytes, bytes], began_us: int, answered_us: int, longer_us: int) -> bytes:
        """Of one call. Ids and stamps are as long as those of the capture, so the frame's length stays true."""
        found = []
        for place, piece in enumerate(self.pieces):
            if place % 2 == 0:
                assert isinstance(piece, bytes)
                found.append(piece)
            elif isinstance(piece, bytes):
                found.append(ids.get(piece, piece))
            else:
                moved = piece + (longer_us if piece > answered_us else 0)
                found.append(b"%d" % (began_us + moved))
        return b"".join(found)


@dataclass(frozen=True)
class CapturedKind:
    """A kind of call: what a monitor hears of its caller's leg."""

    name: str
    #: Its caller's leg, all its legs, and the run of the switch: each played call has others.
    caller: bytes
    legs: frozenset[bytes]
    core: bytes
    answered_us: int
    events: tuple[Told, ...] = field(repr=False)

    @property
    def connects(self) -> bool:
        return any(told.name == "CHANNEL_BRIDGE" for told in self.events)

    @classmethod
    def read(cls, name: str, *, owner: Mapping[str, str], dialled: str, captures: Path = CAPTURES) -> CapturedKind:
        """From the repository's captures. ``owner``: ids by the names that the capture's `case.json` gives them, such
        as `the agency`; ``dialled``: digits."""
        folder = captures / name
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        given = {old: owner[what] for old, what in case["names"].items() if what in owner}
        frames = FrameReader().feed((folder / "events.raw").read_bytes())
        events = [parse_event(frame) for frame in frames if frame.content_type == "text/event-json"]
        heard = [one for one in events if one.name in LIVE_EVENTS and one.get("Call-Direction") == "inbound"]
        if not heard or heard[0].name != "CHANNEL_CREATE":
            raise ValueError(f"{folder}: no caller's leg begins here")
        stamps = [_stamp(one.get("Event-Date-Timestamp")) for one in heard]
        first_us = stamps[0]
        bridged = [at for one, at in zip(heard, stamps, strict=True) if one.name == "CHANNEL_BRIDGE"]
        told = []
        for event, at_us in zip(heard, stamps, strict=True):
            text = encode_json_event(event.headers, event.body).replace(case["number"].encode(), dialled.encode())
            for old, new in given.items():
                text = text.replace(old.encode(), new.encode())
            told.append(Told(event.name, at_us - first_us, _OWNED in text, _pieces(_framed(text), first_us)))
        legs = {one.call_id or "" for one in events} | {one.get("Bridge-B-Unique-ID") or "" for one in events}
        return cls(
            name,
            caller=(heard[0].call_id or "").encode(),
            legs=frozenset(leg.encode() for leg in legs if leg),
            core=(heard[0].get("Core-UUID") or "").encode(),
            answered_us=max(bridged, default=first_us) - first_us,
            events=tuple(told),
        )


def _framed(frame: bytes) -> bytes:
    """With the length that its body has now."""
    _, _, body = frame.partition(b"\n\n")
    return b"Content-Length: %d\nContent-Type: text/event-json\n\n%b" % (len(body), body)


def _stamp(value: str | None) -> int:
    assert value is not None, "an event says when"
    return int(value)


def _pieces(text: bytes, first_us: int) -> tuple[bytes | int, ...]:
    found: list[bytes | int] = []
    end = 0
    for match in _SLOT.finditer(text):
        found.append(text[end : match.start()])
        found.append(match[0] if b"-" in match[0] else int(match[0]) - first_us)
        end = match.end()
    return (*found, text[end:])


@dataclass(frozen=True)
class Sent:
    """One event that is due."""

    due_us: int
    call_id: str
    name: str
    owned: bool
    frame: bytes = field(repr=False)


@dataclass
class _Call:
    """One that is played."""

    kind: CapturedKind
    call_id: str
    ids: Mapping[bytes, bytes]
    began_us: int
    longer_us: int
    place: int = 0

    @property
    def due_us(self) -> int:
        """When its next event is."""
        offset_us = self.kind.events[self.place].offset_us
        return self.began_us + offset_us + (self.longer_us if offset_us > self.kind.answered_us else 0)


class Exchange:
    """Many calls at once: what the switch tells of all of them, in the order of its moments."""

    def __init__(self, *, core_uuid: str) -> None:
        self._core = core_uuid.encode()
        self._order = count()
        self._due: list[tuple[int, int, _Call]] = []
        #: Calls that have begun and not ended.
        self.standing: set[str] = set()

    def begin(self, kind: CapturedKind, *, at_us: int, hold_us: int) -> str:
        """One more call, and its id; once connected it stands ``hold_us``, or as long as in the capture if that is
        longer."""
        ids = {leg: str(uuid.uuid4()).encode() for leg in kind.legs} | {kind.core: self._core}
        held_us = kind.events[-1].offset_us - kind.answered_us
        longer_us = max(0, hold_us - held_us) if kind.connects else 0
        call = _Call(kind, ids[kind.caller].decode(), ids, at_us, longer_us)
        self._push(call)
        return call.call_id

    def _push(self, call: _Call) -> None:
        heapq.heappush(self._due, (call.due_us, next(self._order), call))

    def next_due_us(self) -> int | None:
        """When the next event is due; None: no call is there."""
        return self._due[0][0] if self._due else None

    def take(self, now_us: int) -> Iterator[Sent]:
        """Everything that is due by now."""
        while self._due and self._due[0][0] <= now_us:
            due_us, _, call = heapq.heappop(self._due)
            told = call.kind.events[call.place]
            frame = told.filled(call.ids, call.began_us, call.kind.answered_us, call.longer_us)
            self.standing.add(call.call_id)
            call.place += 1
            if call.place < len(call.kind.events):
                self._push(call)
            else:
                self.standing.discard(call.call_id)
            yield Sent(due_us, call.call_id, told.name, told.owned, frame)
