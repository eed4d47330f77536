"""Questions to clients' web hooks, and what their answers mean. No I/O.

The answer is somebody else's text and becomes a word in the switch, so only a word that the flow itself names is taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

#: Of the message's type, as receivers see it.
TYPE = "call.decision"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A call waits at a step for its client's web hook. ``waited_ms`` until it was taken up; ``left_ms`` from then on.
    ``keys``: what signs it, newest first; empty: the client has no secret yet."""

    agency_id: UUID
    id: UUID
    client_id: UUID
    call_id: UUID
    step: str
    url: str
    choices: Sequence[str]
    body: Mapping[str, Any]
    asked_at: datetime
    waited_ms: int
    left_ms: int
    keys: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer, or the fault in its place: a word of a bounded set."""

    answer: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class HookSecret:
    """What signs the questions to a client's web hooks. ``previous_until``: so long the secret before it signs too."""

    key: bytes
    made_at: datetime
    previous_until: datetime | None


def message_of(question: Question) -> bytes:
    """The body that is sent. The question's own id is the message's, so it is the same on every attempt."""
    message = {
        "type": TYPE,
        "timestamp": question.asked_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            **question.body,
            "call_id": str(question.call_id),
            "client_id": str(question.client_id),
            "step": question.step,
            "choices": list(question.choices),
            "timeout_ms": question.left_ms,
        },
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def read_verdict(status: int, body: bytes, *, is_whole: bool, choices: Sequence[str]) -> Verdict:
    """What an answer decides: its ``choice``, if the flow names that."""
    if not 200 <= status < 300:
        return Verdict(fault="status")
    if not is_whole:
        return Verdict(fault="too_long")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Verdict(fault="not_json")
    choice = said.get("choice") if isinstance(said, dict) else None
    if not isinstance(choice, str):
        return Verdict(fault="no_choice")
    return Verdict(answer=choice) if choice in choices else Verdict(fault="unexpected")
