"""The books: what the callers counted against what the platform kept. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: How a call of each kind must read in its CDR.
OUTCOMES = {
    "answered": "answered",
    "busy": "busy",
    "unanswered": "no_answer",
    "cancelled": "caller_cancelled",
    "unknown": "unallocated",
}
#: The same of calls that no demonstration makes: by a node that takes no more.
OTHER_OUTCOMES = {"refused": "congestion"}


@dataclass(frozen=True)
class Line:
    """One comparison; it balances when both sides are equal."""

    what: str
    expected: int
    found: int

    @property
    def balances(self) -> bool:
        return self.expected == self.found


@dataclass(frozen=True)
class Recording:
    """What was fetched for one call that should be recorded."""

    call_id: str
    fetched: bool
    sha256_matches: bool
    heard_on_both_sides: bool


def balance(
    sent: Mapping[str, int],
    as_expected: Mapping[str, int],
    cdrs: Iterable[Mapping[str, Any]],
    recordings: Iterable[Recording],
) -> list[Line]:
    """All comparisons: per kind of call, what the callers saw and what the CDRs say; then the recordings."""
    cdrs, recordings = list(cdrs), list(recordings)
    outcomes = Counter(cdr["outcome"] for cdr in cdrs)
    lines = [
        Line("calls sent / CDRs", sum(sent.values()), len(cdrs)),
        Line("CDRs / distinct calls", len(cdrs), len({cdr["id"] for cdr in cdrs})),
    ]
    for kind, count in sent.items():
        lines.append(Line(f"{kind}: sent / callers satisfied", count, as_expected.get(kind, 0)))
        outcome = OUTCOMES.get(kind) or OTHER_OUTCOMES[kind]
        lines.append(Line(f"{kind}: sent / CDRs {outcome}", count, outcomes.get(outcome, 0)))
    answered = sent.get("answered", 0)
    lines += [
        Line("answered / recordings fetched", answered, sum(r.fetched for r in recordings)),
        Line("answered / checksums equal", answered, sum(r.sha256_matches for r in recordings)),
        Line("answered / both voices on their own side", answered, sum(r.heard_on_both_sides for r in recordings)),
    ]
    return lines


def as_json(lines: Iterable[Line], **more: Any) -> dict[str, Any]:
    """The one line of JSON at the end of a demonstration."""
    lines = list(lines)
    return {
        "demo": "balanced" if all(line.balances for line in lines) else "not balanced",
        "books": [{**asdict(line), "balances": line.balances} for line in lines],
        **more,
    }
