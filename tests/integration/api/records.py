"""Call records and recordings as the agent would store them, for the tests that read them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from dialtrace.api.app import ApiServices
from dialtrace.calls.live import Batch, LiveCall, Owner
from dialtrace.calls.live_rows import LiveRows
from dialtrace.cdr.model import CallFacts, LegFacts, Outcome
from dialtrace.clock import to_microseconds
from dialtrace.recording.model import Due, node_path

START = datetime(2026, 11, 3, 9, 30, 0, 125_250, tzinfo=UTC)


def wav(seconds: float = 0.5) -> bytes:
    """Stereo, 8 kHz, 16 bits; every frame differs, so that a range that is off by a byte shows."""
    data = b"".join(struct.pack("<hh", index % 30_000, -(index % 30_000)) for index in range(int(8000 * seconds)))
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16,
                         b"data", len(data))  # fmt: skip
    return header + data


def store_call(
    services: ApiServices,
    agency: str,
    client: str,
    *,
    minute: int = 0,
    outcome: Outcome = "answered",
    number: str = "+442079460123",
    caller: str | None = "+442079460999",
    recorded: bool = False,
    target: str | None = None,
    number_id: str | None = None,
    is_test: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> UUID:
    """One call with one leg."""
    call_id, started = uuid4(), START + timedelta(minutes=minute)
    connected = started + timedelta(seconds=4) if outcome == "answered" else None
    leg = LegFacts(
        id=uuid4(), call_id=call_id, call_started_at=started, outcome=outcome, agency_id=UUID(agency),
        client_id=UUID(client), target_id=UUID(target) if target else None, address="sip:desk@pbx.example",
        started_at=started + timedelta(seconds=1), connected_at=connected, ended_at=started + timedelta(seconds=20),
        ring_ms=3000, talk_ms=16_000, hangup_cause="NORMAL_CLEARING", cause_q850=16,
    )  # fmt: skip
    call = CallFacts(
        id=call_id, started_at=started, node="node-1", number=number, outcome=outcome, agency_id=UUID(agency),
        client_id=UUID(client), caller=caller, caller_raw=caller, decided_by="worker", connected_at=connected,
        answered_at=connected, ended_at=started + timedelta(seconds=20), duration_ms=20_000, ring_ms=3000,
        talk_ms=16_000 if connected else 0, billed_ms=16_000, hangup_cause="NORMAL_CLEARING", cause_q850=16,
        sip_status=200, hangup_side="caller", should_record=recorded, legs_expected=1,
        connected_leg_id=leg.id if connected else None, segments=(1,) if recorded else (), is_test=is_test,
        number_id=UUID(number_id) if number_id else None, facts=facts or {},
    )  # fmt: skip
    stored = services.cdr.store_batch([call, leg])
    assert all(one.changed and one.refused is None for one in stored), [(one.changed, one.refused) for one in stored]
    return call_id


def put_live_call(
    services: ApiServices,
    agency: str,
    client: str,
    call_id: UUID,
    *,
    node: str = "node-1",
    caller: str | None = "+442079460999",
    started: datetime = START,
    answered: datetime | None = None,
    target: str | None = None,
) -> None:
    """A call that stands, as its node's monitor writes it."""
    call = LiveCall(str(call_id), started_us=to_microseconds(started), dialled="+442079460123", caller=caller)
    call.owner = Owner(UUID(agency), UUID(client), source={"campaign": "spring"})
    call.answered_us = to_microseconds(answered) if answered else None
    call.target_id = UUID(target) if target else None
    LiveRows(services.database).put(node, Batch([call], [], []))


def due_of(call_id: UUID, agency: str, client: str, *, minute: int = 0, answered: bool = True) -> Due:
    started = START + timedelta(minutes=minute)
    return Due(
        agency_id=UUID(agency),
        client_id=UUID(client),
        call_id=call_id,
        started_at=started,
        segment=1,
        answered=answered,
    )


def bring_home(services: ApiServices, due: Due, folder: Path, audio: bytes | None) -> str:
    """Brings a recording home (``audio`` None: its file is nowhere); returns its SHA-256."""
    path = folder / node_path(due.started_at, due.call_id, due.segment)
    path.parent.mkdir(parents=True, exist_ok=True)
    if audio is not None:
        path.write_bytes(audio)
    services.recordings.finish_recording(due, folder=folder, node="node-1")
    return hashlib.sha256(audio or b"").hexdigest()
