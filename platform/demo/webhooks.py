"""The demonstration's webhook: a receiver of its own that hears of every event, and what the log says it must have
heard.

Must not know how anything is sent: it subscribes and listens, as any partner's system does.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from ..apiclient import ApiClient
from .books import Line
from .receiver import Receiver
from .stage import Demo

#: After the last record is there.
TOLD_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class Told:
    """What came of the webhook. ``ended_s``: from each hang-up until the receiver had `call.ended`."""

    events: int
    received: int
    faults: Sequence[str]
    by_type: Counter[str]
    ended_s: Sequence[float]

    def line(self) -> Line:
        """For the books."""
        return Line("events in the log / received, signed, in order", self.events, 0 if self.faults else self.received)

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"events": self.events, "received": self.received, "faults": list(self.faults)}
        if self.ended_s:
            found |= {f"ended_p{share}_s": round(percentile(self.ended_s, share / 100), 3) for share in (50, 99)}
        return found


@contextmanager
def subscribed(own: ApiClient) -> Iterator[Receiver]:
    """A receiver that is told of every event of the agency, and knows the secret by which they are signed."""
    receiver = Receiver().start()
    try:
        subscribe(receiver, own)
        yield receiver
    finally:
        receiver.stop()


def subscribe(receiver: Receiver, own: ApiClient) -> str:
    """From now on the receiver is told of everything; the webhook's id."""
    made = own.post("/v1/webhooks", {"url": receiver.url})
    receiver.keys.append(base64.b64decode(made["secret"].removeprefix("whsec_")))
    return str(made["id"])


def events_of(own: ApiClient) -> list[dict[str, Any]]:
    """The whole log, by its cursor."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = own.get("/v1/events", limit=500, **cursor)
        found += page["data"]
        cursor = {"after": page["next_cursor"]}
        if not page["has_more"]:
            return found


def await_all(receiver: Receiver, own: ApiClient, demo: Demo, timeout_s: float = TOLD_WITHIN_S) -> Told:
    """When everything that is in the log has come, or when the time is over."""
    until_s = time.monotonic() + timeout_s
    while True:
        demo.supervisor.tend()
        events = events_of(own)
        faults = receiver.faults([event["id"] for event in events])
        if not faults or time.monotonic() > until_s:
            taken = receiver.taken()
            types = Counter(str(one.message["type"]) for one in taken.values())
            return Told(len(events), len(taken), faults, types, seconds_until_told(receiver))
        time.sleep(_LOOK_EVERY_S)


def seconds_until_told(receiver: Receiver) -> list[float]:
    """From each hang-up until the receiver had `call.ended`."""
    return [
        one.at_s - datetime.fromisoformat(one.message["timestamp"]).timestamp()
        for one in receiver.taken().values()
        if one.message["type"] == "call.ended"
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def show_webhooks(console: Console, told: Told) -> None:
    """What the receiver was told, and how soon."""
    table = Table(title="Webhook", title_justify="left")
    table.add_column("event")
    table.add_column("received", justify="right")
    table.add_column("after the hang-up", justify="right")
    for kind, count in sorted(told.by_type.items()):
        soon = ""
        if kind == "call.ended" and told.ended_s:
            soon = f"p50 {percentile(told.ended_s, 0.5):.2f} s, p99 {percentile(told.ended_s, 0.99):.2f} s"
        table.add_row(kind, str(count), soon)
    console.print(table)
