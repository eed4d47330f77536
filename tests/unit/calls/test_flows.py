"""The flow document and what is published of it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from dialtrace.calls.errors import FlowFaulty, RouteUnreadable
from dialtrace.calls.flows import compile_flow, parse_flow, read_compiled, target_ids
from dialtrace.calls.model import Target

AGENCY, CLIENT, FIRST, SECOND = (UUID(int=n) for n in range(1, 5))
TONE = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 400}}


def target(target_id=FIRST, *, address="sip:1@10.0.0.1", ring_timeout_s=20):
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return Target(target_id, AGENCY, CLIENT, "desk", address, ring_timeout_s, 1, then, then)


def ring(*ids, **more):
    return {"type": "ring", "targets": [str(one) for one in ids], **more}


def document(*steps, **more):
    return {"version": 1, "steps": list(steps), **more}


def faults_of(value):
    with pytest.raises(FlowFaulty) as caught:
        parse_flow(value)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_given_a_flow_when_compiled_then_targets_are_resolved_with_the_steps_ring_time_before_their_own():
    flow = document(TONE, ring(FIRST), ring(SECOND, ring_timeout_s=7), record=True)
    compiled = compile_flow(flow, [target(FIRST, ring_timeout_s=33), target(SECOND, address="sip:2@pbx:5062")])
    assert compiled == {
        "version": 1,
        "record": True,
        "steps": [
            TONE,
            {"type": "ring", "targets": [{"id": str(FIRST), "address": "sip:1@10.0.0.1", "ring_timeout_s": 33}]},
            {"type": "ring", "targets": [{"id": str(SECOND), "address": "sip:2@pbx:5062", "ring_timeout_s": 7}]},
        ],
    }
    assert read_compiled(compiled).model_dump(mode="json") == compiled


def test_given_a_flow_that_rings_a_target_twice_then_it_is_needed_once():
    assert target_ids(parse_flow(document(ring(SECOND, FIRST), ring(SECOND)))) == [SECOND, FIRST]


def test_given_a_target_of_somebody_else_when_compiled_then_its_place_is_told():
    with pytest.raises(FlowFaulty) as caught:
        compile_flow(document(ring(FIRST, SECOND)), [target(FIRST)])
    assert [(f.pointer, f.code) for f in caught.value.faults] == [("/steps/0/targets/1", "unknown_target")]


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ([], [("", "invalid")]),
        ({"version": 2, "steps": [TONE]}, [("/version", "not_allowed")]),
        ({"version": 1}, [("/steps", "required")]),
        (document(), [("/steps", "too_few")]),
        (document(*[TONE] * 21), [("/steps", "too_many")]),
        (document(TONE, extra=1), [("/extra", "unknown_field")]),
        (document({"type": "dance"}), [("/steps/0", "unknown_kind")]),
        (document({"prompt": {}}), [("/steps/0", "required_kind")]),
        (document({**TONE, "x": 1}), [("/steps/0/x", "unknown_field")]),
        (document({"type": "announce"}), [("/steps/0/prompt", "required")]),
        (
            document({"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 9999, "duration_ms": "1"}}),
            [("/steps/0/prompt/frequency_hz", "out_of_range"), ("/steps/0/prompt/duration_ms", "invalid")],
        ),
        (
            document({"type": "announce", "prompt": {"kind": "file", "name": "../etc/passwd"}}),
            [("/steps/0/prompt/name", "invalid")],
        ),
        (
            document({"type": "announce", "prompt": {"kind": "file", "name": "notice\n"}}),
            [("/steps/0/prompt/name", "invalid")],
        ),
        (document(ring()), [("/steps/0/targets", "too_few")]),
        (document(ring("x")), [("/steps/0/targets/0", "invalid")]),
        (document(ring(FIRST, ring_timeout_s=0)), [("/steps/0/ring_timeout_s", "out_of_range")]),
        (document(ring(*[FIRST] * 21)), [("/steps/0/targets", "too_many")]),
        (document(*[ring(*[FIRST] * 11)] * 2), [("/steps", "too_many_targets")]),
        (document({"type": "hangup", "cause": "dead"}), [("/steps/0/cause", "not_allowed")]),
        (document({"type": "hangup", "cause": "busy"}, TONE), [("/steps/1", "unreachable")]),
        (document(TONE, record="yes"), [("/record", "invalid")]),
    ],
)
def test_given_a_faulty_document_then_each_fault_has_its_place_and_code(value, faults):
    assert faults_of(value) == faults


@pytest.mark.parametrize(
    "compiled",
    [
        {},
        {"version": 1, "record": False, "steps": [{"type": "menu"}]},
        {
            "version": 1,
            "record": False,
            "steps": [{"type": "ring", "targets": [{"id": str(FIRST), "address": "sip:a,b@h", "ring_timeout_s": 5}]}],
        },
    ],
)
def test_given_a_published_flow_of_another_release_when_read_then_the_error_says_so(compiled):
    with pytest.raises(RouteUnreadable, match="newer"):
        read_compiled(compiled)
