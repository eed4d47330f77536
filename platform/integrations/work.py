"""What a system works with while it delivers: the call's facts, its settings, a line to the other side, a journal.

The same code runs for real and as a dry run: only the line and the journal differ. Must not know any system.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from .errors import ClaimLost, Outcome
from .facts import CallFacts
from .model import Answer, Exchange, Kept, Made, Values


class Line(Protocol):
    """A way to one account of the other side; ``exchanges``: what was said on it, without ``secrets``."""

    exchanges: list[Exchange]
    secrets: Sequence[str]

    def ask(
        self, method: str, url: str, *, what: str, headers: Mapping[str, str], body: bytes
    ) -> Answer: ...  # pragma: no cover (a protocol)


class Journal(Protocol):
    """What was made for this call, and what may have been."""

    def find(self, name: str) -> Kept | None: ...  # pragma: no cover (a protocol)

    def begin(self, name: str, asked: Mapping[str, Any]) -> None: ...  # pragma: no cover (a protocol)

    def keep(self, name: str, made: Made) -> None: ...  # pragma: no cover (a protocol)

    def forget(self, name: str, *, is_made: bool = False) -> None: ...  # pragma: no cover (a protocol)


@dataclass
class Work:
    """One delivery, or a connection test (then ``call`` is a made-up one that nothing is told of)."""

    type: str
    call: CallFacts
    settings: Any
    secrets: Any
    line: Line
    journal: Journal
    now: datetime
    is_late: bool = False
    #: Asks for new secrets with the old ones in hand, one process at a time, and keeps what it gets.
    renewing: Callable[[Callable[[Values], Values]], Values] | None = None

    def ask(
        self, method: str, url: str, *, what: str, body: Any = None, form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """Sends a request, JSON unless ``form``; the answer, whatever its status. ``what`` names it in records. Raises
        Retry, Later, Broken."""
        head = {"Accept": "application/json", **(headers or {})}
        raw = b""
        if form is not None:
            head["Content-Type"] = "application/x-www-form-urlencoded"
            raw = urlencode(form).encode()
        elif body is not None:
            head.setdefault("Content-Type", "application/json")
            raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.line.ask(method, url, what=what, headers=head, body=raw)

    def made(self, name: str) -> Made | None:
        """What was made under this name for the same call, now or by an earlier delivery."""
        kept = self.journal.find(name)
        return kept.made if kept is not None else None

    def once(
        self, name: str, make: Callable[[], Made], *, find: Callable[[], Made | None] | None = None,
        look_first: bool = False, asked: Mapping[str, Any] | None = None,
    ) -> Made:  # fmt: skip
        """Makes something in the other system exactly once, whatever happens in between: what was made is kept; what
        may have been made is looked up (``find``) before it is made again. Where the other side has no way to look it
        up, making it twice must be harmless, or the lesser evil. ``look_first``: it may be there although the journal
        does not know it. ``asked`` is kept with the first request, for the next to say the same. Raises Outcome."""
        kept = self.journal.find(name)
        if kept is not None and kept.made is not None:
            return kept.made
        if find is not None and (kept is not None or look_first) and (found := find()) is not None:
            self.journal.keep(name, found)
            return found
        self.journal.begin(name, asked or {})
        try:
            made = make()
        except Outcome as outcome:
            # A refusal of this request says nothing of an earlier one whose answer was lost.
            if not outcome.in_doubt and kept is None:
                self.journal.forget(name)
            raise
        self.journal.keep(name, made)
        return made

    def renew(self, ask: Callable[[Values], Values]) -> None:
        """New secrets for old ones that are over; ``ask`` gets those that are kept now. Raises Outcome."""
        if self.renewing is None:
            raise ClaimLost("there is nobody to keep new secrets")
        self.secrets = self.renewing(ask)
