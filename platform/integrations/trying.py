"""Dry runs: what a delivery would send, by the very code that sends, with nothing that leaves.

Every request is answered as the other side would that knows nothing of the call yet: a search finds nothing, and what
is made then gets an id. That is what a caller's first call does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from .accounts import hide
from .model import Answer, Exchange, Kept, Made, System


@dataclass(frozen=True, slots=True)
class Planned:
    """A request that would leave; ``body`` as it would be, or as text where it is no JSON."""

    method: str
    url: str
    body: Any


@dataclass
class DryLine:
    """Answers everything by itself, and remembers what was asked."""

    system: System
    secrets: Sequence[str]
    planned: list[Planned] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def ask(self, method: str, url: str, *, what: str, headers: Mapping[str, str], body: bytes) -> Answer:
        text = body.decode("utf-8", "replace")
        read: Any = text
        if headers.get("Content-Type", "").startswith("application/json"):
            read = json.loads(text)
        elif headers.get("Content-Type") == "application/x-www-form-urlencoded":
            read = dict(parse_qsl(text, keep_blank_values=True))
        shown = json.loads(hide(json.dumps(read, ensure_ascii=False), self.secrets)) if read else None
        self.planned.append(Planned(method, hide(url, self.secrets), shown))
        said = self.system.pretend(method, what, read if isinstance(read, dict) else {"items": read})
        return Answer(200, {"content-type": "application/json"}, json.dumps(said).encode())


class DryJournal:
    """Knows nothing of the call, and forgets everything."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def find(self, name: str) -> Kept | None:
        return self._kept.get(name)

    def begin(self, name: str, asked: Mapping[str, Any]) -> None:
        self._kept[name] = Kept(None, asked=asked)

    def keep(self, name: str, made: Made) -> None:
        self._kept[name] = Kept(made)

    def forget(self, name: str, *, is_made: bool = False) -> None:
        self._kept.pop(name, None)
