"""Which step of a flow begins with a question to a web hook, and what the web hook is told."""

from uuid import UUID

import pytest

from dialtrace.calls.asking import told_of, web_hook_at
from dialtrace.calls.model import Facts, Route
from dialtrace.calls.program import BEGIN

ASK = {
    "type": "webhook", "url": "https://crm.example/", "timeout_s": 3, "choices": {"vip": "bye"}, "otherwise": "bye",
}  # fmt: skip
COMPILED = {
    "version": 2, "record": False, "language": "en", "time_zone": "UTC", "entry": "ask", "backup": None, "needs": [],
    "apology": None, "prompts": [],
    "steps": {"ask": ASK, "bye": {"type": "hangup", "cause": "busy"}},
}  # fmt: skip


def route(**given):
    values = {
        "agency_id": UUID(int=1), "client_id": UUID(int=2), "number_id": UUID(int=3), "status": "active",
        "flow_id": UUID(int=4), "flow_version": 7, "compiled": COMPILED,
    }  # fmt: skip
    return Route(**(values | given))


def test_given_a_call_that_begins_a_web_hooks_step_then_that_step():
    name, step = web_hook_at(route(), f"ask={BEGIN}")
    assert (name, step.url, list(step.choices)) == ("ask", "https://crm.example/", ["vip"])


@pytest.mark.parametrize("point", ["start", "ring", "ask", "ask=vip", "ask=timeout", f"bye={BEGIN}", f"gone={BEGIN}"])
def test_given_any_other_point_then_nobody_is_asked(point):
    assert web_hook_at(route(), point) is None


@pytest.mark.parametrize("found", [None, route(status="suspended"), route(compiled=None)])
def test_given_a_number_that_serves_nobody_then_nobody_is_asked(found):
    assert web_hook_at(found, f"ask={BEGIN}") is None


def test_given_a_call_then_its_facts_are_told_and_a_withheld_caller_is_none():
    told = told_of(route(), Facts(variables={"tier": "gold"}, tags=("vip",), repeat=True), number="+442079460001")
    assert told["number"] == "+442079460001"
    assert told["caller"] is None
    assert (told["variables"], told["tags"], told["repeat"]) == ({"tier": "gold"}, ["vip"], True)
    assert (told["flow_id"], told["flow_version"]) == (str(UUID(int=4)), 7)
