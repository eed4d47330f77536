"""Counts what came of the telephones' calls, by kind, and says it as lines of JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Count:
    """Calls of one kind: begun, ended exactly as the kind expects, ended otherwise. The rest still stands."""

    created: int = 0
    successful: int = 0
    failed: int = 0


class Tally:
    """The counts of one process."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.counts = {kind: Count() for kind in kinds}

    def begin(self, kind: str) -> None:
        self.counts[kind].created += 1

    def end(self, kind: str, *, successful: bool) -> None:
        count = self.counts[kind]
        assert count.successful + count.failed < count.created, "a call ends once, after it has begun"
        if successful:
            count.successful += 1
        else:
            count.failed += 1

    def line(self, seconds: float, *, done: bool) -> str:
        """One line for the counts file; ``done`` on the last."""
        found = {kind: asdict(count) for kind, count in self.counts.items()}
        return json.dumps({"seconds": round(seconds, 1), "done": done, "counts": found}) + "\n"
