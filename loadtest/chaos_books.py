"""The books of one drill: what its callers saw against what the platform kept. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dialtrace.demo.books import OUTCOMES, Line, Recording, balance

#: Who may have made a call's plan: the live one, or the one made ahead.
DECIDED = ("worker", "fallback")


@dataclass(frozen=True)
class Result:
    """One drill, done. ``faults``: what went wrong beside the books. ``notes``: what it saw, for people."""

    name: str
    sent: int
    satisfied: int
    cdrs: int
    decided: Mapping[str, int]
    recordings: int
    lines: Sequence[Line]
    seconds: float
    faults: Sequence[str] = ()
    notes: Sequence[str] = field(default=())

    @property
    def balanced(self) -> bool:
        return not self.faults and all(line.balances for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "drill": self.name, "balanced": self.balanced, "sent": self.sent, "satisfied": self.satisfied,
            "cdrs": self.cdrs, "decided": dict(self.decided), "recordings": self.recordings,
            "seconds": round(self.seconds, 1), "faults": list(self.faults), "notes": list(self.notes),
            "unbalanced": [
                {"what": line.what, "expected": line.expected, "found": line.found}
                for line in self.lines
                if not line.balances
            ],
        }  # fmt: skip


def count_up(
    name: str,
    *,
    sent: Mapping[str, int],
    satisfied: Mapping[str, int],
    cdrs: Sequence[Mapping[str, Any]],
    recordings: Sequence[Recording],
    seconds: float,
    lost: int | None = None,
    faults: Sequence[str] = (),
    notes: Sequence[str] = (),
    more: Sequence[Line] = (),
    missed: Mapping[str, str] | None = None,
) -> Result:
    """Closes a drill's books. ``lost``: so many calls at most stood on a node that was killed, and only they may have
    failed; each must still have its record, as `node_lost` or as what it had come to. None: not one may fail. ``more``:
    further comparisons. ``missed``: call → why it has no recording, after a disk that was full."""
    decided = Counter(str(cdr["decided_by"]) for cdr in cdrs)
    if missed is not None:
        lines = after_full_disk(sent, satisfied, cdrs, recordings, missed)
    elif lost is None:
        lines = balance(sent, satisfied, cdrs, recordings)
    else:
        lines = _with_losses(sent, satisfied, cdrs, lost)
    # What a dead node took with it includes who decided; nobody was asked about what a node refused by itself.
    told = len(cdrs) - (_lost(cdrs) if lost is not None else 0) - sent.get("refused", 0)
    lines.append(Line("CDRs / decided by worker or fallback", told, sum(decided[who] for who in DECIDED)))
    lines += more
    return Result(
        name=name,
        sent=sum(sent.values()),
        satisfied=sum(satisfied.values()),
        cdrs=len(cdrs),
        decided=dict(decided),
        recordings=sum(recording.sha256_matches for recording in recordings),
        lines=lines,
        seconds=seconds,
        faults=faults,
        notes=notes,
    )


def _with_losses(
    sent: Mapping[str, int], satisfied: Mapping[str, int], cdrs: Sequence[Mapping[str, Any]], lost: int
) -> list[Line]:
    """Every call has one record; those of dissatisfied callers are no more than what stood on the node."""
    total = sum(sent.values())
    failed = total - sum(satisfied.values())
    settled = sum(cdr["recording"] != "pending" for cdr in cdrs)
    known = {*(OUTCOMES[kind] for kind in sent), "node_lost"}
    return [
        Line("calls sent / CDRs", total, len(cdrs)),
        Line("CDRs / distinct calls", len(cdrs), len({cdr["id"] for cdr in cdrs})),
        Line("CDRs / with an outcome that can be", len(cdrs), sum(cdr["outcome"] in known for cdr in cdrs)),
        Line("CDRs / recordings settled", len(cdrs), settled),
        Line("callers that failed beyond those on the node", 0, max(0, failed - lost)),
        Line("calls lost beyond those on the node", 0, max(0, _lost(cdrs) - lost)),
    ]


def after_full_disk(
    sent: Mapping[str, int],
    satisfied: Mapping[str, int],
    cdrs: Sequence[Mapping[str, Any]],
    recordings: Sequence[Recording],
    missed: Mapping[str, str],
) -> list[Line]:
    """Every call has one record, every caller heard what he should, and of every answered call there is a recording
    whose bytes are right, or its reason is the disk. What was cut off when the disk was full is a recording too: voices
    are not asked for."""
    answered = [cdr["id"] for cdr in cdrs if cdr["outcome"] == "answered"]
    fetched = {one.call_id for one in recordings if one.fetched}
    accounted = sum(call in fetched or missed.get(call) == "disk_full" for call in answered)
    lines = [
        Line("calls sent / CDRs", sum(sent.values()), len(cdrs)),
        Line("CDRs / distinct calls", len(cdrs), len({cdr["id"] for cdr in cdrs})),
        Line("CDRs / recordings settled", len(cdrs), sum(cdr["recording"] != "pending" for cdr in cdrs)),
        Line("recordings fetched / checksums equal", len(fetched), sum(one.sha256_matches for one in recordings)),
        Line("answered / recording fetched, or the full disk named", len(answered), accounted),
    ]
    for kind, count in sent.items():
        found = sum(cdr["outcome"] == OUTCOMES[kind] for cdr in cdrs)
        lines.append(Line(f"{kind}: sent / callers satisfied", count, satisfied.get(kind, 0)))
        lines.append(Line(f"{kind}: sent / CDRs {OUTCOMES[kind]}", count, found))
    return lines


def _lost(cdrs: Iterable[Mapping[str, Any]]) -> int:
    return sum(cdr["outcome"] == "node_lost" for cdr in cdrs)
