"""The verdict on a test call, from what was heard and what its record says."""

import io
import wave
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from dialtrace.node.proving import TONE_HZ, Heard
from dialtrace.numbers.model import InService, ProofStep
from dialtrace.workers.proof_steps import flow_steps, heard_steps, recording_step, spoken_step, tone_share
from dialtrace.workers.proofs import Edges, NoEdge

FLOW = UUID(int=3)
NUMBER = InService("+442079460201", UUID(int=1), UUID(int=2), UUID(int=4), FLOW)


def verdict(steps: list[ProofStep]) -> dict[str, bool]:
    return {step.name: step.ok for step in steps}


@pytest.mark.parametrize(
    ("heard", "answers", "steps"),
    [
        ({"outcome": "404"}, False, {"reached": False}),
        ({"rang_ms": 90, "outcome": "487 after CANCEL"}, False, {"reached": True, "heard": True, "ended": True}),
        (
            {"answered_ms": 90, "sound_ms": 300, "outcome": "200 to BYE"},
            False,
            {"reached": True, "answered": True, "heard": True, "ended": True},
        ),
        (
            {"answered_ms": 90, "outcome": "200 to BYE"},
            False,
            {"reached": True, "answered": True, "heard": False, "ended": True},
        ),
        (
            {"answered_ms": 90, "sound_ms": 300, "outcome": "200 to BYE"},
            True,
            {"reached": True, "answered": True, "echo": False, "ended": True},
        ),
        (
            {"rang_ms": 90, "outcome": "no answer to CANCEL or BYE"},
            False,
            {"reached": True, "heard": True, "ended": False},
        ),
    ],
)
def test_given_what_a_telephone_heard_then_each_step_says_whether_it_went_well(
    heard: dict[str, Any], answers: bool, steps: dict[str, bool]
) -> None:
    assert verdict(heard_steps(Heard(**heard), answers=answers)) == steps


GOOD = {
    "is_test": True, "flow_id": str(FLOW), "decided_by": "worker", "fallback_reason": None, "flow_version": 3,
    "outcome": "answered",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({}, {"flow": True}),
        ({"is_test": False}, {"marked": False, "flow": True}),
        ({"flow_id": str(UUID(int=9))}, {"flow": False}),
        ({"flow_id": None}, {"flow": False}),
        ({"decided_by": "fallback", "fallback_reason": "plan"}, {"flow": False}),
    ],
)
def test_given_a_record_then_mark_flow_and_who_decided_are_judged(
    change: dict[str, Any], steps: dict[str, bool]
) -> None:
    assert verdict(flow_steps(NUMBER, GOOD | change)) == steps


@pytest.mark.parametrize(
    ("recording", "reason", "ok"),
    [
        ("stored", None, True),
        ("none", None, True),
        ("pending", None, False),
        ("absent", "rule_off", True),
        ("absent", "missing", False),
    ],
)
def test_given_the_ledger_then_only_a_recording_that_should_be_there_and_is_not_is_a_fault(
    recording: str, reason: str | None, ok: bool
) -> None:
    segments = [{"state": recording, "absence_reason": reason}]
    assert recording_step({"recording": recording, "recordings": segments}, 900).ok is ok


def stereo(left: np.ndarray, right: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(np.stack([left, right], axis=1).astype(np.int16).tobytes())
    return file.getvalue()


CLOCK = np.arange(16_000) / 8000
TONE = 6000 * np.sin(2 * np.pi * TONE_HZ * CLOCK)
NOTHING = np.zeros(16_000)


def test_given_a_recording_then_our_tone_is_looked_for_on_the_callers_side_only() -> None:
    assert spoken_step(stereo(TONE, NOTHING)).ok
    assert spoken_step(stereo(np.where(CLOCK > 1, TONE, 0), NOTHING)).ok, "it began later"
    assert not spoken_step(stereo(NOTHING, TONE)).ok
    assert not spoken_step(stereo(6000 * np.sin(2 * np.pi * 440 * CLOCK), TONE)).ok


@pytest.mark.parametrize("audio", [b"", b"RIFF", b"\0" * 100])
def test_given_what_is_no_wav_file_then_it_holds_no_tone(audio: bytes) -> None:
    assert tone_share(audio) == 0.0


NODES = {"node-1": ("127.0.0.1", 5060), "node-2": ("127.0.0.1", 5080), "node-3": ("127.0.0.1", 5100)}


def test_given_nodes_of_which_one_drains_and_one_is_down_when_choosing_then_calls_go_to_the_others_in_turn() -> None:
    edges = Edges(fixed=None, nodes=NODES)
    states = {"node-1": "up", "node-2": "draining"}
    assert [edges.choose(states, turn) for turn in range(3)] == [NODES["node-1"], NODES["node-3"], NODES["node-1"]]
    with pytest.raises(NoEdge):
        edges.choose({"node-1": "down", "node-2": "draining", "node-3": "drained"}, 0)


def test_given_one_edge_for_all_when_any_node_drains_then_it_waits() -> None:
    edges = Edges(fixed=("192.0.2.1", 5060), nodes={})
    assert edges.choose({"node-1": "up"}, 7) == ("192.0.2.1", 5060)
    with pytest.raises(NoEdge):
        edges.choose({"node-1": "up", "node-2": "draining"}, 7)
