"""Tells a system of many calls in one request: rows of a file, events of a list.

The other side refuses all of them for one that is wrong: then they are halved until the wrong one stands alone. Each
request has an id of ours, kept with every call of it before it leaves; where its answer was lost it is looked up by
that id before its calls are sent again. What became of it there is asked for later. Must not know any system.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..ids import new_id
from .errors import GiveUp, Later, Outcome
from .model import Kept, Made
from .work import Work

#: What was made for a call is called so in the journal.
NAME = "batch"
#: The other side's own work is asked after so long, and then again.
FIRST_LOOK_S = 300.0
LOOK_AGAIN_S = 1800.0
LONGEST_PROCESSING = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Row:
    """What is sent of one call. Rows of different ``kind`` never share a request."""

    value: Any
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Together:
    """How a system is told of many calls at once. ``row`` says what of a call is sent, or raises Outcome; ``send``
    sends several under our id; ``find`` looks for what was sent under it, None where sending it again is harmless;
    ``follow`` says what became of it there, as :class:`Later` (`processing`) while it is not known, None where that is
    not to be asked. A call waits until the span of ``gather_s`` that it ended in is over, so that one request tells
    many."""

    most: int
    gather_s: float
    row: Callable[[Work], Row]
    send: Callable[[Work, str, Sequence[Row]], Made]
    find: Callable[[Work, str], Made | None] | None = None
    follow: Callable[[Work, Made], None] | None = None


def tell_together(together: Together, works: Sequence[Work]) -> list[Outcome | None]:
    """Tells of calls, all of one integration; what came in between for each, in their order. Raises ClaimLost."""
    told = _Telling(together, works)
    fresh: dict[str, list[int]] = {}
    doubted: dict[str, list[int]] = {}
    sent: dict[str, list[int]] = {}
    for at, work in enumerate(works):
        kept = work.journal.find(NAME)
        if kept is not None and kept.made is not None:
            sent.setdefault(kept.made.remote_id, []).append(at)
        elif kept is not None:
            doubted.setdefault(str(kept.asked.get("batch")), []).append(at)
        elif (row := told.read(at)) is not None:
            fresh.setdefault(row.kind, []).append(at)
    for group in sent.values():
        told.follow(group)
    for batch, group in doubted.items():
        told.again(batch, group)
    for group in fresh.values():
        told.send(group)
    return [told.outcomes.get(at) for at in range(len(works))]


class _Telling:
    """One round of it; calls are known by their places."""

    def __init__(self, together: Together, works: Sequence[Work]) -> None:
        self._together = together
        self._works = works
        self._rows: dict[int, Row] = {}
        self.outcomes: dict[int, Outcome] = {}

    def read(self, at: int) -> Row | None:
        """None: nothing is sent of it, and why is noted."""
        try:
            return self._rows.setdefault(at, self._together.row(self._works[at]))
        except Outcome as outcome:
            self.outcomes[at] = outcome
            return None

    def follow(self, group: Sequence[int]) -> None:
        """Asks once what became of what was sent, for all of it."""
        if self._together.follow is None:
            return
        first = self._works[group[0]]
        kept = first.journal.find(NAME)
        assert kept is not None
        if self._ask(group, lambda: _followed(self._together, first, kept)):
            return
        # Some of it went wrong, and it is not said which. Where it may be sent again, halves tell.
        if isinstance(self.outcomes[group[0]], GiveUp) and self._together.find is None and len(group) > 1:
            self._halve([at for at in group if self.read(at) is not None])

    def again(self, batch: str, group: Sequence[int]) -> None:
        """Looks for what may have been sent, and sends it where it is not there: under an id of its own, for not all
        of the calls that the first one had may be at hand."""
        first, find = self._works[group[0]], self._together.find
        found: list[Made] = []

        def look() -> None:
            if find is not None and (made := find(first, batch)) is not None:
                found.append(made)

        if not self._ask(group, look):
            return
        if found:
            self._keep(group, found[0])
            return
        for at in group:
            self._works[at].journal.forget(NAME)
        self.send([at for at in group if self.read(at) is not None])

    def send(self, group: Sequence[int]) -> None:
        """In as many requests as they need."""
        for start in range(0, len(group), self._together.most):
            self._send(group[start : start + self._together.most])

    def _send(self, group: Sequence[int]) -> None:
        batch = str(new_id())
        for at in group:
            self._works[at].journal.begin(NAME, {"batch": batch})
        first, rows, made = self._works[group[0]], [self._rows[at] for at in group], list[Made]()
        if self._ask(group, lambda: made.append(self._together.send(first, batch, rows))):
            self._keep(group, made[0])
            return
        outcome = self.outcomes[group[0]]
        if isinstance(outcome, GiveUp) and len(group) > 1:
            self._halve(group)
        elif not outcome.in_doubt:
            for at in group:
                self._works[at].journal.forget(NAME)

    def _halve(self, group: Sequence[int]) -> None:
        for half in (group[: len(group) // 2], group[len(group) // 2 :]):
            for at in half:
                self.outcomes.pop(at, None)
                self._works[at].journal.forget(NAME, is_made=True)
            if half:
                self._send(half)

    def _keep(self, group: Iterable[int], made: Made) -> None:
        for at in group:
            self._works[at].journal.keep(NAME, made)
            if self._together.follow is not None:
                self.outcomes[at] = processing("it was taken; what became of it is asked for", FIRST_LOOK_S)

    def _ask(self, group: Sequence[int], ask: Callable[[], None]) -> bool:
        """Whether it went through. What was said is noted for every call of the group, of the bodies its own row
        alone: nobody's ledger tells of somebody else's call."""
        line = self._works[group[0]].line
        begun, outcome = len(line.exchanges), None
        try:
            ask()
        except Outcome as one:
            outcome = one
        said = line.exchanges[begun:]
        del line.exchanges[begun:]
        for at in group:
            own = json.dumps(self._rows[at].value, ensure_ascii=False) if at in self._rows else ""
            self._works[at].line.exchanges += [replace(one, sent=own if one.sent else "") for one in said]
            if outcome is not None:
                self.outcomes[at] = outcome
        return outcome is None


def processing(detail: str, after_s: float = LOOK_AGAIN_S) -> Later:
    """The other side has it, and has not said yet what became of it."""
    return Later("processing", detail, after_s=after_s)


def _followed(together: Together, work: Work, kept: Kept) -> None:
    assert together.follow is not None
    assert kept.made is not None
    try:
        together.follow(work, kept.made)
    except Later as outcome:
        if outcome.word == "processing" and kept.begun_at and work.now - kept.begun_at > LONGEST_PROCESSING:
            raise GiveUp("not_processed", f"taken a day ago, and never worked off: {outcome.detail}") from outcome
        raise


def gathering_s(together: Together | None, ended_at_s: float, now_s: float) -> float:
    """Seconds until the span that a call ended in is over; 0: it is."""
    if together is None or together.gather_s <= 0:
        return 0.0
    return max(0.0, (ended_at_s // together.gather_s + 1) * together.gather_s - now_s)
