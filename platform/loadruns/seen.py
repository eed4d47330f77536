"""What callers saw, read from SIPp's log of messages and joined with the plan by the number in the Call-ID. Pure.

SIPp's own table of response times counts in steps of its timer; its log (``-trace_shortmsg``) has each message's moment
in microseconds: date, time, epoch, direction, Call-ID, CSeq, first line; tabs between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .plan import PlannedCall

#: A call that began so long after its planned moment was kept back by our own generator.
LATE_S = 0.1


@dataclass(slots=True)
class SeenCall:
    """One call as its caller saw it; moments in seconds since 1970. ``expected``: the status that it had to get."""

    call_id: str
    kind: str
    planned_s: float
    expected: int
    warm_up: bool = False
    sent_s: float | None = None
    #: The first 180 or 183.
    ringing_s: float | None = None
    answered_s: float | None = None
    #: Of the first final answer to the INVITE, and when.
    status: int | None = None
    final_s: float | None = None
    ended_s: float | None = None
    #: The 200 for a BYE, from either side.
    closed: bool = False
    #: INVITEs beyond the first.
    repeats: int = 0

    @property
    def good(self) -> bool:
        """It got what it had to get, and came to its proper end."""
        return self.status == self.expected and (self.status != 200 or self.closed)

    @property
    def setup_ms(self) -> float | None:
        """From the planned moment to the 200."""
        return None if self.answered_s is None else (self.answered_s - self.planned_s) * 1000

    @property
    def setup_sent_ms(self) -> float | None:
        """From the INVITE to the 200: what is measured when nobody asks whether the INVITE came in time."""
        return None if self.answered_s is None or self.sent_s is None else (self.answered_s - self.sent_s) * 1000

    @property
    def post_dial_delay_ms(self) -> float | None:
        """From the planned moment to the first sign of ringing, or the answer where none rang (E.721)."""
        first_s = self.ringing_s or self.answered_s
        return None if first_s is None else (first_s - self.planned_s) * 1000

    @property
    def late_ms(self) -> float | None:
        """How long after its moment our generator sent it."""
        return None if self.sent_s is None else (self.sent_s - self.planned_s) * 1000


def lines_of(log: Iterable[str]) -> Iterator[tuple[float, bool, str, str, str]]:
    """(moment, whether it was sent, Call-ID, method, first line). Lines that are not whole (SIPp was stopped) are
    passed over."""
    for line in log:
        parts = line.rstrip("\r\n").split("\t")
        if len(parts) == 7:
            try:
                yield float(parts[2]), parts[3] == "S", parts[4], parts[5].rpartition(" ")[2], parts[6]
            except ValueError:
                continue


class Reader:
    """Follows one generator's log. A Call-ID is the call's place in the generator's file, counted from 1, and
    ``tail``."""

    def __init__(self, calls: Sequence[PlannedCall], *, tail: str, base_s: float, expected: Mapping[str, int]) -> None:
        #: Every planned call, whether it was sent or not.
        self.calls = [
            SeenCall(f"{place}{tail}", call.kind, base_s + call.at_s, expected[call.kind], call.warm_up)
            for place, call in enumerate(calls, start=1)
        ]
        self._by_id = {call.call_id: call for call in self.calls}

    def feed(self, log: str) -> None:
        """More of the log."""
        for moment_s, sent, call_id, method, first_line in lines_of(log.splitlines()):
            call = self._by_id.get(call_id)
            if call is not None:
                _take(call, moment_s, sent, method, first_line)


def _take(call: SeenCall, moment_s: float, sent: bool, method: str, first_line: str) -> None:
    status = int(first_line[8:11]) if first_line.startswith("SIP/2.0 ") and first_line[8:11].isdigit() else 0
    if method in ("BYE", "CANCEL"):
        if not status:
            call.ended_s = call.ended_s or moment_s
        call.closed |= method == "BYE" and status == 200
    elif method in ("INVITE", "OPTIONS", "REGISTER"):
        if not status:
            call.repeats += call.sent_s is not None
            call.sent_s = call.sent_s or moment_s
        elif status in (180, 183):
            call.ringing_s = call.ringing_s or moment_s
        elif status >= 200 and call.status is None:
            call.status, call.final_s = status, moment_s
            if status < 300:
                call.answered_s = moment_s
            elif call.ended_s is None:
                call.ended_s = moment_s


def verdict_of(call: SeenCall, *, now_s: float, setup_ms: float) -> tuple[float, bool] | None:
    """When it was settled whether the call is bad, and whether it is: at its final answer, or when it has heard nothing
    for ``setup_ms``. None: not yet, or it rings."""
    if call.status is not None and call.final_s is not None:
        slow = call.setup_ms is not None and call.setup_ms > setup_ms and call.ringing_s is None
        return call.final_s, call.status != call.expected or slow
    settled_s = call.planned_s + setup_ms / 1000
    return (settled_s, True) if call.ringing_s is None and settled_s <= now_s else None


def lost_share(
    calls: Iterable[SeenCall], *, now_s: float, window_s: float, setup_ms: float, least: int = 5
) -> tuple[float, int]:
    """Of the calls that were settled in the last seconds, or the last few where those are less than ``least``: the
    share that is bad, and how many they are."""
    found = [one for call in calls if (one := verdict_of(call, now_s=now_s, setup_ms=setup_ms)) is not None]
    found.sort()
    recent = [bad for at_s, bad in found if at_s >= now_s - window_s]
    if len(recent) < least:
        recent = [bad for _, bad in found[-least:]]
    return (sum(recent) / len(recent) if recent else 0.0), len(recent)
