"""The compiled form: what workers read, whichever release published it."""

from uuid import UUID

import pytest

from dialtrace.calls.compiled import following, read_compiled
from dialtrace.calls.errors import RouteUnreadable

DESK = {"id": str(UUID(int=1)), "address": "sip:1@10.0.0.1", "ring_timeout_s": 15}
TONE = {"kind": "tone", "frequency_hz": 440, "duration_ms": 400}
OLD = {
    "version": 1,
    "record": True,
    "steps": [
        {"type": "announce", "prompt": TONE},
        {"type": "ring", "targets": [DESK]},
        {"type": "hangup", "cause": "busy"},
    ],
}


def test_given_a_row_of_version_1_when_read_then_its_steps_have_names_and_follow_one_another():
    flow = read_compiled(OLD)
    assert (flow.version, flow.record, flow.entry, flow.backup, flow.needs) == (2, True, "step-1", None, [])
    assert [(name, step.type, list(following(step))) for name, step in flow.steps.items()] == [
        ("step-1", "announce", ["step-2"]),
        ("step-2", "ring", ["step-3"]),
        ("step-3", "hangup", []),
    ]
    assert flow.steps["step-2"].strategy == "in_turn"


def test_given_a_row_of_today_when_read_then_nothing_of_it_is_lost():
    row = read_compiled(OLD).model_dump(mode="json")
    assert read_compiled(row).model_dump(mode="json") == row


@pytest.mark.parametrize(
    "compiled",
    [
        {},
        {"version": 3},
        {"version": 1, "record": False, "steps": []},
        {"version": 1, "record": False, "steps": [None]},
        {"version": 1, "record": False, "steps": [{"type": "menu"}]},
        {"version": 1, "record": False, "steps": [{"type": "ring", "targets": [{**DESK, "address": "sip:a,b@h"}]}]},
        {**read_compiled(OLD).model_dump(mode="json"), "entry": "step-9"},
        {**read_compiled(OLD).model_dump(mode="json"), "backup": {**DESK, "address": "sip:a|b@h"}},
    ],
)
def test_given_a_row_that_this_release_cannot_read_then_the_error_says_so(compiled):
    with pytest.raises(RouteUnreadable, match="newer"):
        read_compiled(compiled)
