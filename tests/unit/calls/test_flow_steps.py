"""What a flow document may hold, and that everything else is refused with its place and in plain words."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtrace.calls.errors import Fault, FlowFaulty
from dialtrace.calls.flow_steps import Step, links
from dialtrace.calls.flows import gone_to, parse_flow, stored_form, target_ids

from .flow_documents import ANNOUNCE, BUSY, FIRST, SAY, SECOND, document, documents, menu, ring

WEEK = {"mon": [["09:00", "18:00"]]}


def faults_of(value: object) -> list[tuple[str, str]]:
    with pytest.raises(FlowFaulty) as caught:
        parse_flow(value)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def faults_if_any(value: object) -> list[Fault]:
    try:
        parse_flow(value)
    except FlowFaulty as error:
        return error.faults
    return []


def words_of(value: object) -> str:
    with pytest.raises(FlowFaulty) as caught:
        parse_flow(value)
    return caught.value.faults[0].message


def schedule(**more: Any) -> dict[str, Any]:
    return document({"type": "schedule", "weekly": WEEK, "closed": "late", **more}, {**BUSY, "name": "late"})


def condition(**test: Any) -> dict[str, Any]:
    return document({"type": "condition", "when": [test], "then": "late"}, {**BUSY, "name": "late"})


def webhook(url: str) -> dict[str, Any]:
    return document({"type": "webhook", "url": url, "choices": {"a": "late"}}, {**BUSY, "name": "late"})


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        (None, "", "invalid"),
        ([], "", "invalid"),
        ({}, "/version", "required"),
        ({"version": 3, "steps": [BUSY]}, "/version", "not_allowed"),
        ({"version": True, "steps": [BUSY]}, "/version", "not_allowed"),
        ({"version": "2", "steps": [BUSY]}, "/version", "not_allowed"),
        ({"version": 2}, "/steps", "required"),
        (document(), "/steps", "too_few"),
        (document(*[{"type": "tag", "tags": ["a"]}] * 51), "/steps", "too_many"),
        (document(BUSY, volume=11), "/volume", "unknown_field"),
        (document(BUSY, language="de"), "/language", "not_allowed"),
        (document({"type": "dance"}), "/steps/0", "unknown_kind"),
        (document({}), "/steps/0", "required_kind"),
        (document(None), "/steps/0", "invalid"),
        (document({**BUSY, "next": "step-1"}), "/steps/0/next", "unknown_field"),
        (document({**BUSY, "name": "Front Desk"}), "/steps/0/name", "invalid"),
        (document({**BUSY, "name": "ring"}), "/steps/0/name", "reserved"),
        (document({"type": "announce", "prompt": {"kind": "song"}}), "/steps/0/prompt", "unknown_kind"),
        (document({"type": "announce", "prompt": {**SAY, "text": "a\nb"}}), "/steps/0/prompt/text", "invalid"),
        (document({"type": "announce", "prompt": {**SAY, "text": " "}}), "/steps/0/prompt/text", "invalid"),
        (document({"type": "announce", "prompt": {**SAY, "text": "\ud800"}}), "/steps/0/prompt/text", "invalid"),
        (document({"type": "announce", "prompt": {**SAY, "text": "a" * 1001}}), "/steps/0/prompt/text", "too_long"),
        (document({"type": "announce", "prompt": {**SAY, "voice": "../x"}}), "/steps/0/prompt/voice", "invalid"),
        (
            document({"type": "announce", "prompt": {"kind": "file", "name": "say-0123"}}),
            "/steps/0/prompt/name",
            "invalid",
        ),
        (document(menu({})), "/steps/0/choices", "too_few"),
        (document(menu({"1a": "step-1"})), "/steps/0/choices/1a", "invalid"),
        (document(menu({"1": "Step"})), "/steps/0/choices/1", "invalid"),
        (document(menu({"1": "step-1"}, retries=10)), "/steps/0/retries", "out_of_range"),
        (document(menu({"1": "step-1"}, timeout_s=True)), "/steps/0/timeout_s", "invalid"),
        (document({"type": "consent", "prompt": SAY, "refuse_digit": "10"}), "/steps/0/refuse_digit", "invalid"),
        (schedule(weekly={"funday": []}), "/steps/0/weekly/funday", "not_allowed"),
        (schedule(weekly={"mon": [["9:00", "18:00"]]}), "/steps/0/weekly/mon/0/0", "invalid"),
        (schedule(weekly={"mon": [["09:00"]]}), "/steps/0/weekly/mon/0", "too_few"),
        (schedule(weekly={"mon": [["22:00", "06:00"]]}), "/steps/0/weekly/mon/0", "invalid"),
        (schedule(time_zone="Mars/Olympus"), "/steps/0/time_zone", "invalid"),
        (schedule(time_zone="../../etc/passwd"), "/steps/0/time_zone", "invalid"),
        (schedule(holidays=[{"date": "2026-02-30"}]), "/steps/0/holidays/0/date", "invalid"),
        (schedule(holidays=[{"date": "2026-02-03"}] * 2), "/steps/0/holidays/1/date", "not_unique"),
        (
            schedule(overrides=[{"from": "2026-02-03T10:00", "until": "2026-02-03T09:00", "open": True}]),
            "/steps/0/overrides/0",
            "invalid",
        ),
        (
            schedule(overrides=[{"from": "2026-02-03T25:00", "until": "2026-02-04T09:00", "open": True}]),
            "/steps/0/overrides/0/from",
            "invalid",
        ),
        (document(ring()), "/steps/0/targets", "too_few"),
        (document(ring(*[FIRST] * 21)), "/steps/0/targets", "too_many"),
        (document({"type": "ring", "targets": ["desk"]}), "/steps/0/targets/0", "invalid"),
        (document({"type": "ring", "targets": [7]}), "/steps/0/targets/0", "invalid"),
        (
            document({"type": "ring", "targets": [{"target": str(FIRST), "weight": 0}]}),
            "/steps/0/targets/0/weight",
            "out_of_range",
        ),
        (document(ring(FIRST, strategy="all")), "/steps/0/strategy", "not_allowed"),
        (document(ring(FIRST, progress_timeout_s=31)), "/steps/0/progress_timeout_s", "out_of_range"),
        (document(ring(FIRST, accept_digit="11")), "/steps/0/accept_digit", "invalid"),
        (document({"type": "geo", "match": {"7495": "step-1"}}), "/steps/0/match/7495", "invalid"),
        (document({"type": "geo", "match": {"XX": "step-1"}}), "/steps/0/match/XX", "invalid"),
        (condition(fact="mood", **{"is": "good"}), "/steps/0/when/0", "invalid"),
        (condition(fact="repeat"), "/steps/0/when/0", "invalid"),
        (condition(fact="repeat", **{"is": "yes"}), "/steps/0/when/0", "invalid"),
        (condition(fact="spam", at_least=101), "/steps/0/when/0", "invalid"),
        (condition(fact="spam", at_least=1, at_most=2), "/steps/0/when/0", "invalid"),
        (condition(fact="hour", **{"in": [24]}), "/steps/0/when/0", "invalid"),
        (condition(fact="weekday", **{"is": "monday"}), "/steps/0/when/0", "invalid"),
        (condition(fact="source", **{"is": {}}), "/steps/0/when/0/is", "invalid"),
        (condition(fact="variable:X", **{"is": "a"}), "/steps/0/when/0", "invalid"),
        (condition(fact="variable:x", **{"in": ["a", ""]}), "/steps/0/when/0", "invalid"),
        (document({"type": "tag", "tags": ["two words"]}), "/steps/0/tags/0", "invalid"),
        (document({"type": "set", "variables": {"a": "x;y=z"}}), "/steps/0/variables/a", "invalid"),
        (document({"type": "set", "variables": {"A": "x"}}), "/steps/0/variables/A", "invalid"),
        (webhook("ftp://crm.example.com/"), "/steps/0/url", "invalid"),
        (webhook("https://"), "/steps/0/url", "invalid"),
        (webhook("https://host:99999/"), "/steps/0/url", "invalid"),
        (webhook("https://a:b@crm.example.com/"), "/steps/0/url", "invalid"),
        (webhook("https://crm.example.com/a b"), "/steps/0/url", "invalid"),
        (webhook("https://127.1/"), "/steps/0/url", "invalid"),
        (webhook("https://crm.example.com/" + "a" * 2048), "/steps/0/url", "too_long"),
        (webhook("https://[::1/"), "/steps/0/url", "invalid"),
        (document({"type": "goto", "flow": "main"}), "/steps/0/flow", "invalid"),
        (document({"type": "record", "on": "yes"}), "/steps/0/on", "invalid"),
        (document({"type": "hangup", "cause": "dead"}), "/steps/0/cause", "not_allowed"),
    ],
)
def test_given_a_faulty_document_then_the_fault_has_its_place_and_code(value, pointer, code):
    assert (pointer, code) in faults_of(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (document({"type": "dance"}), "has the type 'dance', which is not known; known are announce, consent, menu"),
        (document({}), "needs a type that says what it is"),
        (document({"type": "menu"}), "is required"),
        (document(menu({"1a": "step-1"})), "must be 1 to 6 keys of a telephone"),
        (document(menu({"1": "step-1"}, retries=10)), "must be 9 or less"),
        (schedule(weekly={"mon": [["22:00", "06:00"]]}), "write hours over midnight as two"),
        (schedule(time_zone="Mars/Olympus"), "such as Europe/Moscow"),
        (document({**BUSY, "cause": "dead"}), "must be one of busy, no_answer, rejected"),
        (document({"type": "ring", "targets": ["desk"]}), "must be an id"),
        (document(ring(*[FIRST] * 21)), "it may have 20"),
        (condition(fact="mood", **{"is": "good"}), "known are repeat, spam, source"),
        (condition(fact="repeat", at_most=1), "cannot ask at_most of repeat; it can ask is"),
        (document(BUSY, record="yes"), "must be true or false"),
    ],
)
def test_given_a_fault_then_it_is_told_in_plain_words(value, words):
    assert words in words_of(value)


@pytest.mark.parametrize("kind", get_args(get_args(Step)[0]))
def test_given_the_example_of_a_kind_of_step_then_it_is_taken(kind):
    [example] = kind.model_config["json_schema_extra"]["examples"]
    named = {name for _, name in links(kind.model_validate(example))} - {example.get("name")}
    flow = parse_flow(
        document(example, *({**BUSY, "name": name} for name in sorted(named or {"end"}) if kind.goes_on or named))
    )
    assert flow.steps[0].type == example["type"]


def test_given_several_faults_then_all_are_told():
    value = document({"type": "menu", "prompt": SAY, "retries": 99}, {"type": "dance"}, record=1)
    assert faults_of(value) == [
        ("/record", "invalid"),
        ("/steps/0/choices", "required"),
        ("/steps/0/retries", "out_of_range"),
        ("/steps/1", "unknown_kind"),
    ]


@pytest.mark.parametrize(
    "url",
    ["https://crm.example.com/route?x=1", "http://10.0.0.1:8080/a", "https://[2001:db8::1]/", "https://localhost"],
)
def test_given_an_address_of_a_web_hook_that_could_be_asked_then_it_is_taken(url):
    assert parse_flow(webhook(url))


def test_given_a_document_then_it_is_kept_as_it_was_understood():
    value = document(menu({"1": "late"}), ring(str(FIRST).upper(), name="late"), language="ru")
    kept = stored_form(parse_flow(value))
    assert kept["steps"][0] == {**menu({"1": "late"}), "timeout_s": 5, "retries": 2}
    assert kept["steps"][1]["targets"] == [str(FIRST)]
    assert kept["language"] == "ru"
    assert stored_form(parse_flow(kept)) == kept


def test_given_a_document_of_version_1_then_it_is_kept_as_one():
    value = document(ANNOUNCE, ring(FIRST), version=1)
    assert stored_form(parse_flow(value)) == {**value, "record": False}


def test_given_a_flow_that_names_targets_and_flows_then_each_is_needed_once():
    flow = parse_flow(
        document(
            menu({"1": "sales", "2": "other"}),
            ring(SECOND, FIRST, name="sales"),
            {"type": "queue", "targets": [{"target": str(FIRST)}], "music": SAY, "otherwise": "other"},
            {"type": "goto", "flow": str(SECOND), "name": "other"},
        )
    )
    assert (target_ids(flow), gone_to(flow)) == ([SECOND, FIRST], [SECOND])


@settings(max_examples=50)
@given(documents())
def test_given_any_document_that_is_taken_then_it_reads_back_equal(value):
    faults = faults_if_any(value)
    assert {fault.code for fault in faults} <= {"unreachable"}
    if not faults:
        flow = parse_flow(value)
        assert parse_flow(stored_form(flow)) == flow


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("\ud800"), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """A document in which something was replaced, removed or added."""
    value = draw(documents(most=3))
    here: Any = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = draw(st.sampled_from(keys)) if keys else None
        if key is not None and isinstance(here[key], dict | list) and draw(st.booleans()):
            here = here[key]
            continue
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "add" or key is None:
            added = draw(_json)
            here.append(added) if isinstance(here, list) else here.update({draw(st.text(max_size=4)): added})
        elif change == "remove":
            del here[key]
        else:
            here[key] = draw(_json)
        return value


@given(_json | broken() | st.builds(lambda steps: {"version": 2, "steps": steps}, _json))
def test_given_anything_then_it_is_taken_or_refused_with_places_and_nothing_else_happens(value):
    faults = faults_if_any(value)
    assert all(fault.pointer == "" or fault.pointer.startswith("/") for fault in faults)
    assert all(fault.code and fault.message for fault in faults)
