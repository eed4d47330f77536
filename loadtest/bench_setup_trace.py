"""What callers saw, read from SIPp's trace of messages, which holds microseconds (its table of response times counts in
steps of 4 ms). Pure: text in, calls and distributions out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dialtrace.loadruns.figures import percentile
from dialtrace.loadruns.seen import lines_of

#: A caller that took this much longer than it should to send its INVITEs did not keep its rate.
KEPT_RATE = 1.10
#: What a caller may be late in any case: SIPp's own timer ticks every 10 ms, and the machine is shared.
SLACK_S = 0.2
P99_LIMIT_MS = 500.0
#: Upper ends of the printed distribution, in ms.
BUCKETS_MS = (10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)


@dataclass
class TracedCall:
    """One call as its caller saw it; moments in seconds since 1970."""

    began_s: float
    answered_s: float | None = None
    #: The status that refused it.
    refused: str | None = None
    ended: bool = False

    @property
    def setup_ms(self) -> float | None:
        """From the first INVITE to the 200."""
        return None if self.answered_s is None else (self.answered_s - self.began_s) * 1000


@dataclass(frozen=True)
class Trial:
    """A number of calls at a rate, and what came of them. A call is good if it was answered, and its BYE too."""

    rate: float
    asked: int
    good: int
    #: INVITE → 200 of every call that was answered, sorted.
    setup_ms: tuple[float, ...]
    #: Between the first INVITE and the last.
    sending_s: float
    #: Statuses that refused calls, and how many each.
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return self.asked - self.good

    def fault(self) -> str | None:
        """Why the rate was not sustained; None if it was."""
        if self.failed:
            refused = ", ".join(f"{count} with {status}" for status, count in self.refused.items())
            return f"{self.failed} of {self.asked} calls failed" + (f" ({refused})" if refused else "")
        if self.sending_s > (self.asked - 1) / self.rate * KEPT_RATE + SLACK_S:
            return f"the caller fell behind: {self.asked} calls took {self.sending_s:.1f} s"
        p99_ms = percentile(self.setup_ms, 99)
        return f"p99 {p99_ms:.0f} ms" if p99_ms >= P99_LIMIT_MS else None


def read_trace(lines: Iterable[str]) -> list[TracedCall]:
    """The calls of one ``-trace_shortmsg`` file."""
    calls: dict[str, TracedCall] = {}
    for moment_s, sent, call_id, method, first_line in lines_of(lines):
        if sent and first_line.startswith("INVITE "):
            calls.setdefault(call_id, TracedCall(moment_s))  # a retransmission does not begin the call anew
        elif not sent and call_id in calls:
            _receive(calls[call_id], moment_s, method, first_line.removeprefix("SIP/2.0 ")[:3])
    return list(calls.values())


def _receive(call: TracedCall, moment_s: float, method: str, status: str) -> None:
    if method == "INVITE" and status >= "300":
        call.refused = status
    elif method == "INVITE" and status.startswith("2") and call.answered_s is None:
        call.answered_s = moment_s
    call.ended |= method == "BYE" and status == "200"


def is_lost(calls: Iterable[TracedCall], *, asked: int, now_s: float) -> bool:
    """Whether a trial can no longer be sustained: already more calls than one in a hundred were refused, or are waiting
    longer for their 200, or have waited longer, than p99 may be."""
    limit_s = P99_LIMIT_MS / 1000
    slow = sum(call.refused is not None or (call.answered_s or now_s) - call.began_s >= limit_s for call in calls)
    return slow > asked / 100


def trial_of(calls: Sequence[TracedCall], *, rate: float, asked: int) -> Trial:
    """What a trace says of a trial; a call that was never sent is a failed one."""
    begins = [call.began_s for call in calls]
    return Trial(
        rate=rate,
        asked=asked,
        good=sum(call.answered_s is not None and call.ended for call in calls),
        setup_ms=tuple(sorted(call.setup_ms for call in calls if call.setup_ms is not None)),
        sending_s=max(begins) - min(begins) if begins else 0.0,
        refused=Counter(call.refused for call in calls if call.refused is not None),
    )


def joined(trials: Sequence[Trial]) -> Trial:
    """Several turns at one rate as one."""
    return Trial(
        rate=trials[0].rate,
        asked=sum(trial.asked for trial in trials),
        good=sum(trial.good for trial in trials),
        setup_ms=tuple(sorted(value for trial in trials for value in trial.setup_ms)),
        sending_s=sum(trial.sending_s for trial in trials),
        refused=sum((Counter(trial.refused) for trial in trials), Counter()),
    )


def shares(ordered: Sequence[float]) -> list[tuple[str, float]]:
    """The distribution in :data:`BUCKETS_MS`: each bucket's name and its share of all, those at the ends that hold
    nothing left out."""
    edges = (0, *BUCKETS_MS, math.inf)
    found = [
        (
            f"{low}-{high} ms" if math.isfinite(high) else f"{low} ms and more",
            sum(low <= value < high for value in ordered) / max(1, len(ordered)),
        )
        for low, high in pairwise(edges)
    ]
    filled = [index for index, (_, share) in enumerate(found) if share]
    return found[filled[0] : filled[-1] + 1] if filled else []
