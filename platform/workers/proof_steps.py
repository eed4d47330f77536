"""What a proof's call has shown, as steps that went well or did not. Pure: from what the telephone heard and what the
API says of the call to a verdict.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np

from ..node.proving import TONE_HZ, Heard
from ..numbers.model import InService, ProofStep

#: Why a call may rightly have no recording.
_RIGHTLY_ABSENT = frozenset({"rule_off", "consent_refused", "not_answered"})
#: The share of the caller's side that our tone must have where it speaks at all.
_TONE_SHARE = 0.3


def heard_steps(heard: Heard, *, answers: bool) -> list[ProofStep]:
    """What the telephone itself can tell. ``answers``: a target of ours was to give the tone back."""
    signs = [moment for moment in (heard.rang_ms, heard.answered_ms) if moment is not None]
    if not signs:
        return [ProofStep("reached", False, heard.ended_ms, f"neither ringing nor an answer: {heard.outcome}")]
    steps = [ProofStep("reached", True, min(signs))]
    if heard.answered_ms is not None:
        steps.append(ProofStep("answered", True, heard.answered_ms))
    if answers:
        fault = "our target did not give our tone back"
        steps.append(ProofStep("echo", heard.echo_ms is not None, heard.echo_ms, None if heard.echo_ms else fault))
    elif heard.answered_ms is None or heard.sound_ms is not None:
        detail = "ringing without sound of its own" if heard.sound_ms is None else None
        steps.append(ProofStep("heard", True, heard.sound_ms or heard.rang_ms, detail))
    else:
        fault = f"answered, but no sound came ({heard.packets} packets)"
        steps.append(ProofStep("heard", False, None, fault))
    lost = heard.outcome.startswith("no answer")
    return [*steps, ProofStep("ended", not lost, heard.ended_ms, heard.outcome)]


def flow_steps(number: InService, call: Mapping[str, Any]) -> list[ProofStep]:
    """What the record says of the way the call took."""
    steps = []
    if not call["is_test"]:
        fault = "the node did not know the mark: its DIALTRACE_NODE_TEST_TOKEN is another"
        steps.append(ProofStep("marked", False, None, fault))
    if call["flow_id"] is None or UUID(call["flow_id"]) != number.flow_id:
        fault = f"the call followed flow {call['flow_id']}, the number has {number.flow_id}"
        return [*steps, ProofStep("flow", False, None, fault)]
    if call["decided_by"] != "worker":
        fault = f"no worker decided, but {call['decided_by']} ({call['fallback_reason']})"
        return [*steps, ProofStep("flow", False, None, fault)]
    return [*steps, ProofStep("flow", True, None, f"version {call['flow_version']}: {call['outcome']}")]


def recording_step(call: Mapping[str, Any], ms: int) -> ProofStep:
    """Where the ledger says that the recording is."""
    if call["recording"] == "pending":
        return ProofStep("recording", False, ms, "still on its node")
    reasons = [str(one["absence_reason"]) for one in call["recordings"] if one["state"] == "absent"]
    wrong = [reason for reason in reasons if reason not in _RIGHTLY_ABSENT]
    if wrong:
        return ProofStep("recording", False, ms, f"there is none: {', '.join(wrong)}")
    return ProofStep("recording", True, ms, "stored" if call["recording"] == "stored" else "nothing to record")


def spoken_step(audio: bytes) -> ProofStep:
    """Whether our tone is on the caller's side of the recording."""
    share = tone_share(audio)
    detail = None if share >= _TONE_SHARE else f"our tone has {share:.0%} of what the caller's side holds"
    return ProofStep("spoken", share >= _TONE_SHARE, None, detail)


def tone_share(audio: bytes) -> float:
    """The share of the left channel's power that our tone has; 0 for silence and for what is no WAV file."""
    try:
        with wave.open(io.BytesIO(audio)) as file:
            channels, rate = file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return 0.0
    left = np.frombuffer(raw, np.int16)[::channels].astype(np.float64)
    power = float(np.sum(left**2))
    if power == 0.0:
        return 0.0
    # In pieces of 100 ms: over seconds the clocks of switch and telephone part.
    piece = rate // 10
    whole = left[: len(left) // piece * piece].reshape(-1, piece)
    reference = np.exp(-2j * np.pi * TONE_HZ * np.arange(piece) / rate)
    return float(np.sum(2 * np.abs(whole @ reference) ** 2 / piece) / power)
