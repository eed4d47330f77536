"""What listeners of a stream are told: everything first, then what has changed. Pure.

One reading of the database serves all listeners. Each has a place of its own that holds the newest state of every call
that it has not been told of yet, so a slow reader is told less often and never makes anything grow beyond the number of
calls that stand: there is nothing to overflow.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from .model import ShownCall

#: What a call is compared by: that nobody has spoken for it for a second more is no change.
_TOLD = (
    "client_id", "number_id", "number", "caller", "flow_id", "node", "state", "started_at", "ringing_at", "answered_at",
    "connected_at", "queued_at", "target_id", "is_unknown",
)  # fmt: skip


def shown(call: ShownCall) -> dict[str, Any]:
    """A call as JSON members, as `GET /v1/calls/live` has them."""
    told = {name: getattr(call, name) for name in _TOLD}
    texts = {name: _text(value) for name, value in told.items()}
    return {"id": str(call.id), "agency_id": str(call.agency_id), **texts, "source": dict(call.source)}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.isoformat(timespec=precision).replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def message(event: str, data: Mapping[str, Any]) -> bytes:
    """One server-sent event (HTML, 9.2). JSON has no line breaks of its own."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=True, separators=(',', ':'))}\n\n".encode()


class Reading:
    """What one look at the database found, by agency."""

    def __init__(self, calls: Iterable[ShownCall]) -> None:
        self._by_agency: dict[UUID, dict[str, ShownCall]] = defaultdict(dict)
        for call in calls:
            self._by_agency[call.agency_id][str(call.id)] = call

    def of(self, agency_id: UUID, client_id: UUID | None) -> dict[str, dict[str, Any]]:
        """A tenant's calls, shown, by id. ``client_id`` None: all of the agency's."""
        found = self._by_agency.get(agency_id, {})
        return {
            call_id: shown(call) for call_id, call in found.items() if client_id is None or call.client_id == client_id
        }


class Listener:
    """One tenant's ear, and what it has been told."""

    def __init__(self, agency_id: UUID, client_id: UUID | None) -> None:
        self.agency_id = agency_id
        self.client_id = client_id
        self._told: dict[str, dict[str, Any]] | None = None
        self._newest: dict[str, dict[str, Any]] | None = None
        self._stale = self._told_stale = False

    def look(self, reading: Reading) -> bool:
        """A new reading is there; whether it holds anything to tell."""
        self._newest = reading.of(self.agency_id, self.client_id)
        self._stale = False
        return self._told is None or self._newest != self._told or self._told_stale

    def miss(self) -> bool:
        """The database could not be read; whether that is news."""
        self._stale = True
        return not self._told_stale

    def take(self) -> list[bytes]:
        """Everything that is to be told now: a whole picture first, then changes only."""
        messages = []
        if self._stale != self._told_stale:
            self._told_stale = self._stale
            messages.append(message("state", {"state": "stale" if self._stale else "fresh"}))
        newest, told = self._newest, self._told
        if newest is None:
            return messages
        if told is None:
            messages.append(message("snapshot", {"calls": list(newest.values()), "unknown_nodes": _unknown(newest)}))
        else:
            messages += _changes(told, newest)
        self._told = newest
        return messages


def _changes(told: Mapping[str, dict[str, Any]], newest: Mapping[str, dict[str, Any]]) -> list[bytes]:
    messages = [message("call", call) for call_id, call in newest.items() if told.get(call_id) != call]
    messages += [message("gone", {"id": call_id}) for call_id in told if call_id not in newest]
    if _unknown(newest) != _unknown(told):
        messages.append(message("nodes", {"unknown_nodes": _unknown(newest)}))
    return messages


def _unknown(calls: Mapping[str, dict[str, Any]]) -> Sequence[str]:
    return sorted({call["node"] for call in calls.values() if call["is_unknown"]})
