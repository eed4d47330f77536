"""Events and what they speak of, as messages. Pure: whoever calls has read both.

A call that stands is known from its live row, later from its record; one that is in neither (just ended, or removed) is
told of by its ids alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..events.model import RANKS, Event
from .model import (
    BODIES,
    AccountChanged,
    Attestation,
    AttributionRevised,
    AttributionTold,
    BalanceLow,
    Body,
    CallOver,
    CallProgress,
    CallRecord,
    Envelope,
    NumberQuarantined,
    PersonErased,
    PoolResized,
    RecordingReady,
    RecordingTold,
    StatementMade,
    WebhookChanged,
    WebhookTest,
)

Row = Mapping[str, Any]

#: Whose data is the body.
_AS_IT_IS: Mapping[str, type[Body]] = {
    "pool.resized": PoolResized,
    "balance.low": BalanceLow,
    "account.changed": AccountChanged,
    "statement.made": StatementMade,
    "webhook.test": WebhookTest,
}
_LIVE_TYPES = frozenset({"call.started", "call.ringing", "call.answered"})
_RECORD_TYPES = frozenset({"call.ended", "call.revised"})
#: Of a live event's data; whatever else stands there is the source's words.
_IDS = frozenset({"number_id", "flow_id"})


@dataclass(frozen=True)
class Around:
    """What a batch of events speaks of, by id."""

    calls: Mapping[UUID, Row] = field(default_factory=dict)
    live: Mapping[UUID, Row] = field(default_factory=dict)
    recordings: Mapping[UUID, Row] = field(default_factory=dict)
    #: Of each call: revision → attribution.
    attributions: Mapping[UUID, Mapping[int, Row]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What must be read for a batch."""

    calls: frozenset[UUID]
    live: frozenset[UUID]
    recordings: frozenset[UUID]
    attributions: frozenset[UUID] = frozenset()


def wanted_by(events: Sequence[Event]) -> Wanted:
    """Ids of what these events speak of."""
    live = {event.call_id for event in events if event.type in _LIVE_TYPES and event.call_id}
    over = {event.call_id for event in events if event.type in _RECORD_TYPES and event.call_id}
    recordings = {UUID(event.data["recording_id"]) for event in events if event.type == "recording.ready"}
    attributed = over | {event.call_id for event in events if event.type == "attribution.revised" and event.call_id}
    return Wanted(frozenset(live | over), frozenset(live), frozenset(recordings), frozenset(attributed))


def render(event: Event, around: Around, *, whole_agency: bool) -> dict[str, Any]:
    """The message as it leaves: plain JSON members. ``whole_agency``: the reader may see the log's positions."""
    version, _, _ = BODIES[event.type]
    envelope = Envelope(
        id=event.id,
        type=event.type,
        version=version,
        timestamp=event.occurred_at,
        position=event.position if whole_agency else None,
        agency_id=event.agency_id,
        client_id=event.client_id,
        data=body_of(event, around).model_dump(mode="json"),
    )
    return envelope.model_dump(mode="json")


def body_of(event: Event, around: Around) -> Body:
    """What the event says besides."""
    data = event.data
    of_call: dict[str, Any] = {"call_id": event.call_id, "revision": event.revision, "rank": RANKS[event.type]}
    if event.type in _LIVE_TYPES:
        return _progress(event, of_call, around)
    if event.type in _RECORD_TYPES:
        row = around.calls.get(event.call_id) if event.call_id else None
        found = around.attributions.get(event.call_id, {}) if event.call_id else {}
        return CallOver(**of_call, call=_record(row, found) if row is not None else None)
    if event.type == "recording.ready":
        row = around.recordings.get(UUID(data["recording_id"]))
        return RecordingReady(**of_call, recording=_recording(row) if row is not None else None)
    if event.type == "attribution.revised":
        found = around.attributions.get(event.call_id, {}) if event.call_id else {}
        return AttributionRevised(**of_call, attribution=_attribution(found, event.revision))
    if event.type == "person.erased":
        return PersonErased(**{"call_ids": [], "call_count": 0, "objects": [], **data})
    if event.type == "number.quarantined":
        return NumberQuarantined(**{"pool_id": None, "calls": 0, **data})
    if event.type in _AS_IT_IS:
        return _AS_IT_IS[event.type](**data)
    return WebhookChanged(**{"failing_since": None, **data})


def _progress(event: Event, of_call: Mapping[str, Any], around: Around) -> CallProgress:
    assert event.call_id is not None, "an event of a call names it"
    row = around.live.get(event.call_id) or around.calls.get(event.call_id) or {}
    source = {name: str(value) for name, value in event.data.items() if name not in _IDS}
    known = {name: row.get(name) for name in ("number", "caller", "target_id", "node")}
    ids = {name: event.data.get(name) or row.get(name) for name in _IDS}
    return CallProgress.model_validate({**of_call, **known, **ids, "source": source})


def _attribution(found: Mapping[int, Row], revision: int) -> AttributionTold | None:
    row = found.get(revision)
    return AttributionTold(**{name: row[name] for name in AttributionTold.model_fields}) if row is not None else None


def _record(row: Row, attributions: Mapping[int, Row]) -> CallRecord:
    facts = row["facts"]
    told: dict[str, Any] = {
        name: facts.get(name, empty) for name, empty in (("consent", None), ("tags", []), ("variables", {}))
    }
    told["attestation"] = _attestation(row)
    told["attribution"] = _attribution(attributions, max(attributions, default=0))
    return CallRecord(**{name: row[name] for name in CallRecord.model_fields if name not in told}, **told)


def _attestation(row: Row) -> Attestation | None:
    claimed = row["facts"].get("attestation_claimed")
    if row["verstat"] is None and claimed is None:
        return None
    return Attestation(
        level=row["attestation"], verstat=row["verstat"], verified_by=row["attested_by"], claimed=claimed
    )


def _recording(row: Row) -> RecordingTold:
    sha256 = bytes(row["sha256"]).hex() if row["sha256"] is not None else None
    href = f"/v1/calls/{row['call_id']}/recording?segment={row['segment']}"
    kept = ("id", "segment", "size_bytes", "duration_ms", "channels", "stored_at")
    return RecordingTold(**{name: row[name] for name in kept}, sha256=sha256, href=href)
