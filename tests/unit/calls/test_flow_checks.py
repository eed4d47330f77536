"""What holds for the steps of a flow together."""

import pytest

from dialtrace.calls.errors import FlowFaulty
from dialtrace.calls.flow_checks import Node, find_loops, longest_stretch
from dialtrace.calls.flows import parse_flow

from .flow_documents import ANNOUNCE, BUSY, FIRST, SAY, document, menu, ring


def faults_of(*steps):
    with pytest.raises(FlowFaulty) as caught:
        parse_flow(document(*steps))
    return caught.value.faults


def tag(name, **more):
    return {"type": "tag", "tags": ["a"], "name": name, **more}


@pytest.mark.parametrize(
    ("steps", "pointer", "code"),
    [
        ([{**ANNOUNCE, "next": "nowhere"}], "/steps/0/next", "unknown_step"),
        ([menu({"1": "nowhere"})], "/steps/0/choices/1", "unknown_step"),
        ([ring(FIRST, otherwise="nowhere")], "/steps/0/otherwise", "unknown_step"),
        ([BUSY, ANNOUNCE], "/steps/1", "unreachable"),
        ([tag("a", next="c"), tag("b"), tag("c")], "/steps/1", "unreachable"),
        ([tag("a"), tag("a")], "/steps/1/name", "not_unique"),
        ([tag("step-2"), ANNOUNCE], "/steps/1", "not_unique"),
        ([ring(FIRST, next="step-2", otherwise="step-2"), BUSY], "/steps/0/next", "no_effect"),
        ([tag("a", next="a")], "/steps/0/next", "endless"),
        ([tag("a"), ring(FIRST, otherwise="a")], "/steps/1/otherwise", "endless"),
        ([menu({"1": "b"}, name="a", otherwise="a"), tag("b"), tag("c", next="b")], "/steps/2/next", "endless"),
        ([ring(*[FIRST] * 11)] * 2, "/steps", "too_many_targets"),
        ([tag(f"t-{n}") for n in range(31)], "/steps", "too_many_in_a_row"),
    ],
)
def test_given_steps_that_do_not_fit_together_then_the_fault_has_its_place(steps, pointer, code):
    assert (pointer, code) in [(fault.pointer, fault.code) for fault in faults_of(*steps)]


def test_given_an_endless_loop_then_the_way_round_is_told():
    [fault] = faults_of(tag("a"), tag("b"), {"type": "record", "on": True, "next": "b"})
    assert "b → step-3 → b" in fault.message


@pytest.mark.parametrize(
    "steps",
    [
        [menu({"1": "step-1"}, otherwise="step-1")],
        [
            {"type": "queue", "targets": [str(FIRST)], "music": SAY, "otherwise": "step-2"},
            {**ANNOUNCE, "next": "step-1"},
        ],
        [ring(*[FIRST] * 20), menu({"1": "step-3"}), ring(*[FIRST] * 20)],
        [ring(FIRST, next="step-2"), BUSY],
        [
            {"type": "consent", "prompt": SAY, "next": "step-2", "otherwise": "step-3"},
            {"type": "tag", "tags": ["a"]},
            BUSY,
        ],
    ],
)
def test_given_steps_that_fit_together_then_they_are_taken(steps):
    assert len(parse_flow(document(*steps)).steps) == len(steps)


def test_given_many_branches_when_measured_then_only_the_longest_way_counts():
    graph = {
        "a": Node("ring", ["b", "c"], 2),
        "b": Node("ring", ["d"], 9),
        "c": Node("ring", ["d"], 1),
        "d": Node("ring", [], 3),
    }
    assert longest_stretch(graph) == (14, 3)
    assert longest_stretch(graph | {"b": Node("menu", ["d"])}) == (6, 3)


def test_given_two_ways_to_one_step_then_that_is_no_loop():
    graph = {"a": Node("geo", ["b", "c"]), "b": Node("tag", ["d"]), "c": Node("tag", ["d"]), "d": Node("tag", [])}
    assert find_loops(graph, "a", {"menu"}) == []
    assert find_loops(graph | {"d": Node("tag", ["b"])}, "a", {"menu"}) == [["b", "d", "b"]]
    assert find_loops(graph | {"d": Node("menu", ["b"])}, "a", {"menu"}) == []


@pytest.mark.parametrize(
    "step",
    [
        {"type": "queue", "targets": [str(FIRST)], "music": SAY, "otherwise": "step-1"},
        {"type": "webhook", "url": "https://crm.example.com/", "choices": {"again": "step-1"}, "otherwise": "busy"},
        {"type": "webhook", "url": "https://crm.example.com/", "choices": {"no": "busy"}, "otherwise": "step-1"},
    ],
)
def test_given_a_way_round_that_may_take_no_time_then_it_is_refused_until_the_caller_hears_something_on_it(step):
    end = [] if step["type"] == "queue" else [{**BUSY, "name": "busy"}]
    [fault] = faults_of(step, *end)
    assert fault.code == "endless"
    assert "let the caller hear something" in fault.message
    assert parse_flow(document({**ANNOUNCE, "name": "step-1"}, {**step, "name": "step-2"}, *end))
