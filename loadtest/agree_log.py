"""SIPp's log of messages against call records: codes exactly, moments within a tolerance. Pure.

A dialog's moments are read from the log as its telephone saw them; records are joined by the SIP Call-ID.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dialtrace.loadruns.seen import lines_of


@dataclass
class Dialog:
    """One dialog as a telephone of SIPp's saw it; moments in seconds since 1970, each the first of its kind."""

    call_id: str
    #: The INVITE, a sign of ringing, the 2xx, and what ended the dialog: BYE, CANCEL or a refusal.
    began_s: float | None = None
    ringing_s: float | None = None
    answered_s: float | None = None
    ended_s: float | None = None
    status: int | None = None
    #: Whether this telephone sent the BYE or CANCEL, or refused.
    ended_here: bool = False
    cancelled: bool = False

    def take(self, moment_s: float, *, sent: bool, method: str, first_line: str, calls: bool) -> None:
        """One message. ``calls``: the telephone is the caller."""
        status = int(first_line[8:11]) if first_line.startswith("SIP/2.0 ") else 0
        if method == "INVITE" and not status:
            self.began_s = self.began_s or moment_s
        elif method == "INVITE":
            self._answer(moment_s, status, calls=calls)
        elif method in ("BYE", "CANCEL") and not status and self.ended_s is None:
            self.ended_s, self.ended_here, self.cancelled = moment_s, sent, method == "CANCEL"

    def _answer(self, moment_s: float, status: int, *, calls: bool) -> None:
        if status in (180, 183):
            self.ringing_s = self.ringing_s or moment_s
        elif 200 <= status < 300:
            self.answered_s, self.status = self.answered_s or moment_s, self.status or status
        elif status >= 300:
            self.status = self.status or status
            if self.ended_s is None:
                self.ended_s, self.ended_here = moment_s, not calls


def read_dialogs(lines: Iterable[str], *, calls: bool) -> dict[str, Dialog]:
    """Call-ID → dialog, of a ``-trace_shortmsg`` file."""
    found: dict[str, Dialog] = {}
    for moment_s, sent, call_id, method, first_line in lines_of(lines):
        dialog = found.setdefault(call_id, Dialog(call_id))
        dialog.take(moment_s, sent=sent, method=method, first_line=first_line, calls=calls)
    return found


@dataclass
class Agreement:
    """What was compared: differences of codes, and by field how far the moments are apart, in ms with their sign.
    ``stalls``: from when to when the machine stood still (seconds since 1970, in order); what was stamped then says
    nothing of who stamped it, and is left out."""

    stalls: Sequence[tuple[float, float]] = ()
    left_out: int = 0
    calls: int = 0
    legs: int = 0
    codes: int = 0
    faults: list[str] = field(default_factory=list)
    apart_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def same(self, what: str, call_id: str, told: object, seen: object) -> None:
        self.codes += 1
        if told != seen:
            self.faults.append(f"{call_id}: {what}: the record says {told}, SIPp saw {seen}")

    def near(self, what: str, call_id: str, told: str | None, seen_s: float | None) -> bool:
        """Both must be there, or neither; False: one is not, or the machine stood still between the two stamps."""
        if told is None or seen_s is None:
            self.same(f"{what} is there", call_id, told is not None, seen_s is not None)
            return False
        told_s = _seconds(told)
        if self._stood_still(min(told_s, seen_s), max(told_s, seen_s)):
            self.left_out += 1
            return False
        self.apart_ms[what].append((told_s - seen_s) * 1000)
        return True

    def _stood_still(self, from_s: float, until_s: float) -> bool:
        """Whether a stall lies between two moments, both included."""
        after = bisect_right(self.stalls, (until_s, float("inf")))
        return after > 0 and self.stalls[after - 1][1] >= from_s


def compare(
    records: Sequence[Mapping[str, Any]],
    callers: Mapping[str, Dialog],
    targets: Mapping[str, Dialog],
    stalls: Sequence[tuple[float, float]] = (),
) -> Agreement:
    """Every call and every leg, from both sides: what SIPp saw has a record, what has a record SIPp saw."""
    found = Agreement(stalls=stalls)
    by_call_id = {record["sip_call_id"]: record for record in records}
    found.same("calls without a record", "-", sorted(set(callers) - set(by_call_id))[:5], [])
    found.same("records without a call", "-", sorted(set(by_call_id) - set(callers))[:5], [])
    legs = {leg["sip_call_id"]: leg for record in records for leg in record["legs"]}
    found.same("dialogs of targets without a leg", "-", sorted(set(targets) - set(legs))[:5], [])
    found.same("legs without a dialog", "-", sorted(set(legs) - set(targets))[:5], [])
    for call_id in callers.keys() & by_call_id.keys():
        own = [targets[leg["sip_call_id"]] for leg in by_call_id[call_id]["legs"] if leg["sip_call_id"] in targets]
        _compare_call(found, by_call_id[call_id], callers[call_id], own)
    for call_id in targets.keys() & legs.keys():
        _compare_leg(found, legs[call_id], targets[call_id])
    return found


def _compare_call(found: Agreement, record: Mapping[str, Any], seen: Dialog, legs: Sequence[Dialog]) -> None:
    found.calls += 1
    found.same("status", seen.call_id, record["sip_status"], seen.status)
    by_target = any(leg.ended_here and leg.answered_s for leg in legs)
    side = "caller" if seen.ended_here else "target" if by_target else None
    if side and (seen.answered_s or side == "caller"):
        found.same("who hung up", seen.call_id, record["hangup_side"], side)
    began = found.near("start", seen.call_id, record["started_at"], seen.began_s)
    if record["ringing_at"] and seen.ringing_s:
        found.near("ringing", seen.call_id, record["ringing_at"], seen.ringing_s)
    answered = found.near("answer", seen.call_id, record["answered_at"], seen.answered_s)
    # The switch's own BYE goes out as it stamps; a caller's BYE is seen when the call's thread looks for it next.
    end, billed = ("caller's end", "billed, caller's end") if seen.ended_here else ("end", "billed time")
    ended = found.near(end, seen.call_id, record["ended_at"], seen.ended_s)
    if began and answered and seen.answered_s and seen.began_s:
        told_s = _seconds(record["answered_at"]) - _seconds(record["started_at"])
        found.apart_ms["set-up (INVITE to 200)"].append((told_s - (seen.answered_s - seen.began_s)) * 1000)
    if answered and ended and record["billed_ms"] is not None and seen.answered_s and seen.ended_s:
        found.apart_ms[billed].append(record["billed_ms"] - (seen.ended_s - seen.answered_s) * 1000)


def _compare_leg(found: Agreement, leg: Mapping[str, Any], seen: Dialog) -> None:
    found.legs += 1
    found.same("status of the leg", seen.call_id, leg["sip_status"], seen.status)
    if seen.answered_s or not seen.cancelled:
        found.same("target ended the leg", seen.call_id, leg["hangup_side"] == "target", seen.ended_here)
    found.near("leg's start", seen.call_id, leg["started_at"], seen.began_s)
    found.near("leg's ringing", seen.call_id, leg["ringing_at"], seen.ringing_s)
    found.near("leg's answer", seen.call_id, leg["answered_at"], seen.answered_s)
    found.near("leg's end", seen.call_id, leg["ended_at"], seen.ended_s)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@dataclass(frozen=True)
class Spread:
    """How far apart the moments of one kind are, in ms; ``within`` is the share inside the tolerance."""

    count: int
    median: float
    p95: float
    most: float
    within: float


def spread_of(values: Sequence[float], *, tolerance_ms: float) -> Spread:
    """Median with its sign; the others of the distance."""
    signed, far = sorted(values), sorted(map(abs, values))
    within = sum(value <= tolerance_ms for value in far) / len(far)
    return Spread(len(far), signed[len(far) // 2], far[min(len(far) - 1, len(far) * 95 // 100)], far[-1], within)
