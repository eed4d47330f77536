"""Documents made into what plans are made of."""

from uuid import UUID

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from dialtrace.calls.compiled import read_compiled
from dialtrace.calls.compiling import compile_flow
from dialtrace.calls.errors import FlowFaulty
from dialtrace.prompts.model import MOST_POSITIONS, apology, position, prompt_name, waiting

from .flow_documents import (
    ANNOUNCE,
    BUSY,
    FIRST,
    SAY,
    SECOND,
    TARGETS,
    THIRD,
    TONE,
    document,
    documents,
    menu,
    ring,
    target,
)

OTHER, MAIN = UUID(int=77), UUID(int=78)
QUEUE = {"type": "queue", "targets": [str(FIRST)], "music": TONE}


def compiled(*steps, flows=None, **more):
    about = {name: more.pop(name) for name in ("time_zone", "backup") if name in more}
    row = compile_flow(document(*steps, **more), TARGETS, flows=flows, flow_id=MAIN, **about)
    return read_compiled(row)


def faults_of(*steps, flows=None):
    with pytest.raises(FlowFaulty) as caught:
        compiled(*steps, flows=flows)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_given_a_flow_of_version_1_when_compiled_then_its_targets_have_the_steps_ring_time_before_their_own():
    flow = document(ANNOUNCE, ring(FIRST), ring(SECOND, ring_timeout_s=7), version=1, record=True)
    row = compile_flow(flow, [target(FIRST, ring_timeout_s=33), target(SECOND, address="sip:2@pbx:5062")])
    found = read_compiled(row)
    assert (found.record, found.entry, found.apology) == (True, "step-1", None)
    assert [
        (one.address, one.ring_timeout_s) for step in ("step-2", "step-3") for one in found.steps[step].targets
    ] == [
        ("sip:1@10.0.0.1", 33),
        ("sip:2@pbx:5062", 7),
    ]
    assert [found.steps[one].otherwise for one in ("step-2", "step-3")] == ["step-3", None]


def test_given_steps_when_compiled_then_each_says_what_follows_it():
    flow = compiled(
        {"type": "schedule", "weekly": {"mon": [["09:00", "24:00"]]}, "closed": "late"},
        menu({"1": "sales"}, name="hello"),
        ring(FIRST, name="sales", otherwise="hello"),
        {"type": "voicemail", "prompt": SAY, "name": "late"},
    )
    assert flow.steps["step-1"].weekly == {"mon": [(540, 1440)]}
    assert (flow.steps["step-1"].open, flow.steps["step-1"].closed) == ("hello", "late")
    assert (flow.steps["hello"].choices, flow.steps["hello"].otherwise) == ({"1": "sales"}, "sales")
    assert flow.steps["sales"].otherwise == "hello"
    assert flow.steps["late"].next is None


def test_given_next_without_otherwise_when_compiled_then_failing_leads_there_too():
    flow = compiled(menu({"1": "busy"}, next="late"), {**BUSY, "name": "busy"}, {**ANNOUNCE, "name": "late"})
    assert flow.steps["step-1"].otherwise == "late"


def test_given_a_whisper_that_tells_sources_when_compiled_then_its_text_stays_and_the_general_one_is_a_file():
    whisper = {"kind": "say", "text": "Звонок: {source|сайт}, {campaign}.", "language": "ru"}
    flow = compiled(ring(FIRST, whisper=whisper, name="desk"))
    general = prompt_name("ru", "", "Звонок: сайт, неизвестно.")
    assert flow.steps["desk"].whisper.model_dump() == {
        "kind": "told", "text": whisper["text"], "language": "ru", "voice": "", "name": general,
    }  # fmt: skip
    assert general in [one.name for one in flow.prompts]
    assert flow.needs == ["visit"]
    plain = compiled(ring(FIRST, whisper={"kind": "say", "text": "A call."}, name="desk"))
    assert (plain.steps["desk"].whisper.kind, plain.needs) == ("file", [])


def test_given_texts_when_compiled_then_they_are_files_and_listed_once_each():
    flow = compiled(
        {"type": "announce", "prompt": SAY},
        {"type": "announce", "prompt": {**SAY, "language": "en"}},
        {"type": "announce", "prompt": {**SAY, "voice": "en-us"}},
        language="ru",
    )
    names = [prompt_name(language, voice, SAY["text"]) for language, voice in (("ru", ""), ("en", ""), ("ru", "en-us"))]
    assert [flow.steps[f"step-{n}"].prompt.name for n in (1, 2, 3)] == names
    assert [(one.name, one.language, one.voice) for one in flow.prompts] == [
        (names[0], "ru", ""),
        (names[1], "en", ""),
        (names[2], "ru", "en-us"),
    ]


def test_given_a_schedule_without_a_time_zone_then_it_has_the_clients():
    step = {"type": "schedule", "weekly": {}, "closed": "late", "open": "late"}
    flow = compiled(
        step,
        {**step, "time_zone": "Asia/Tokyo", "name": "late", "open": "end", "closed": "end"},
        {**BUSY, "name": "end"},
        time_zone="Europe/Moscow",
    )
    assert [flow.time_zone, flow.steps["step-1"].time_zone, flow.steps["late"].time_zone] == [
        "Europe/Moscow",
        "Europe/Moscow",
        "Asia/Tokyo",
    ]


def test_given_a_geo_step_when_compiled_then_prefixes_and_countries_are_apart():
    flow = compiled({"type": "geo", "match": {"+7495": "end", "GB": "end"}}, {**BUSY, "name": "end"})
    step = flow.steps["step-1"]
    assert (step.prefixes, step.countries, step.otherwise) == ({"+7495": "end"}, {"GB": "end"}, "end")


def test_given_a_flow_that_rings_then_an_apology_in_its_language_is_ready_and_the_clients_backup_with_it():
    flow = compiled(ring(FIRST), language="ru", backup=target(THIRD, address="tel:+442079460100", ring_timeout_s=9))
    assert flow.apology.name == apology("ru").name
    assert (flow.backup.id, flow.backup.address, flow.backup.ring_timeout_s) == (THIRD, "tel:+442079460100", 9)
    assert compiled(BUSY).apology is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, []),
        ({"announce_every_s": 20}, [waiting("en")]),
        (
            {"announce_every_s": 20, "announce_position": True},
            [waiting("en"), *(position(n, "en") for n in range(1, MOST_POSITIONS + 1))],
        ),
    ],
)
def test_given_a_queue_then_what_it_announces_is_listed_by_place(more, said):
    flow = compiled({**QUEUE, **more})
    assert [one.name for one in flow.steps["step-1"].announcements] == [one.name for one in said]


def test_given_weights_and_plain_ids_then_both_are_targets():
    flow = compiled(
        {"type": "ring", "strategy": "weighted", "targets": [str(FIRST), {"target": str(SECOND), "weight": 7}]}
    )
    assert [(one.id, one.weight) for one in flow.steps["step-1"].targets] == [(FIRST, 1), (SECOND, 7)]


@pytest.mark.parametrize(
    ("steps", "needs"),
    [
        ([ring(FIRST, strategy="weighted")], []),
        ([ring(FIRST, sticky_days=3), ring(FIRST, strategy="longest_idle")], ["idle", "sticky"]),
        ([ring(FIRST, strategy="round_robin")], ["rotation"]),
        (
            [
                {
                    "type": "condition",
                    "when": [{"fact": "repeat", "is": True}, {"fact": "spam", "at_most": 5}, {"fact": "hour", "is": 1}],
                    "then": "end",
                },
                {"type": "condition", "when": [{"fact": "campaign", "is": "x"}], "then": "end", "name": "end-2"},
                {**BUSY, "name": "end"},
            ],
            ["repeat", "spam", "visit"],
        ),
    ],
)
def test_given_steps_that_need_facts_then_the_flow_says_which(steps, needs):
    assert compiled(*steps).needs == needs


def test_given_a_target_of_somebody_else_when_compiled_then_its_place_is_told():
    stranger = UUID(int=99)
    assert faults_of(ring(FIRST, stranger), {**QUEUE, "targets": [{"target": str(stranger)}]}) == [
        ("/steps/0/targets/1", "unknown_target"),
        ("/steps/1/targets/0/target", "unknown_target"),
    ]


# --- going to other flows ---


def goto(flow=OTHER, **more):
    return {"type": "goto", "flow": str(flow), **more}


def test_given_a_flow_that_goes_to_another_then_that_ones_steps_are_merged_in_once_under_names_of_their_own():
    other = document(ANNOUNCE, ring(SECOND), language="ru")
    flow = compiled(menu({"1": "a", "2": "b"}), goto(name="a"), goto(name="b"), flows={OTHER: other})
    assert list(flow.steps) == ["step-1", "f1.step-1", "f1.step-2", "a", "b"]
    assert [flow.steps[one].next for one in ("a", "b", "f1.step-1")] == ["f1.step-1", "f1.step-1", "f1.step-2"]
    assert flow.steps["f1.step-2"].targets[0].id == SECOND


def test_given_flows_that_go_round_through_each_other_with_a_menu_between_then_the_way_back_leads_to_the_flow_itself():
    back = document(menu({"1": "step-2"}), goto(MAIN))
    flow = compiled(ANNOUNCE, goto(), flows={OTHER: back})
    assert flow.steps["f1.step-2"].next == "step-1"


def test_given_flows_that_go_round_without_a_pause_then_the_place_of_the_goto_is_told():
    assert faults_of(ANNOUNCE, goto(), flows={OTHER: document(ANNOUNCE, goto(MAIN))}) == [("/steps/1/flow", "endless")]
    assert faults_of(goto(MAIN)) == [("/steps/0/flow", "endless")]


def test_given_a_flow_of_version_1_then_one_may_go_to_it():
    flow = compiled(goto(), flows={OTHER: document(ring(SECOND), version=1)})
    assert flow.steps["f1.step-1"].targets[0].id == SECOND


@pytest.mark.parametrize(
    ("flows", "code"),
    [
        ({}, "unknown_flow"),
        ({OTHER: {"version": 9}}, "unusable_flow"),
        ({OTHER: document(ring(UUID(int=99)))}, "unknown_target"),
        ({OTHER: document(goto(THIRD))}, "unknown_flow"),
    ],
)
def test_given_a_flow_that_one_cannot_go_to_then_the_place_of_the_goto_is_told(flows, code):
    assert faults_of(ANNOUNCE, goto(), flows=flows) == [("/steps/1/flow", code)]


def test_given_targets_one_after_another_over_several_flows_then_there_may_not_be_too_many():
    other = document(ring(*[SECOND] * 11))
    assert faults_of(ring(*[FIRST] * 11), goto(), flows={OTHER: other}) == [("/steps", "too_many_targets")]


def test_given_too_many_flows_or_steps_together_then_that_is_told():
    chain = {UUID(int=100 + n): document(goto(UUID(int=101 + n))) for n in range(21)}
    assert faults_of(goto(UUID(int=100)), flows=chain) == [("/steps/0/flow", "too_many_flows")]
    long = document(*[menu({"1": f"step-{n}"}) for n in range(1, 51)])
    fan = {UUID(int=100 + n): long for n in range(4)}
    steps = [menu({str(n): f"g-{n}" for n in range(4)}), *(goto(UUID(int=100 + n), name=f"g-{n}") for n in range(4))]
    assert faults_of(*steps, flows=fan) == [("/steps", "too_many")]


@settings(max_examples=50)
@given(documents())
def test_given_any_document_that_is_taken_then_its_compiled_form_reads_back_equal(value):
    try:
        row = compile_flow(value, TARGETS)
    except FlowFaulty:
        reject()
    assert read_compiled(row).model_dump(mode="json") == row


def going_to(value, flow_id):
    """The document with its last step replaced by one that goes to another flow."""
    *steps, last = value["steps"]
    return value | {"steps": [*steps, goto(flow_id, name=last["name"])]}


@settings(max_examples=50)
@given(documents(), documents(), st.booleans())
def test_given_any_two_flows_when_one_goes_to_the_other_then_both_are_whole_in_it_or_the_fault_has_its_place(
    one, other, back
):
    flows = {OTHER: going_to(other, MAIN) if back else other}
    faults = []
    try:
        row = compile_flow(going_to(one, OTHER), TARGETS, flows=flows, flow_id=MAIN)
    except FlowFaulty as error:
        faults = error.faults
    assert all(fault.pointer.startswith("/steps") for fault in faults)
    if not faults:
        names = set(read_compiled(row).steps)
        assert {name for name in names if not name.startswith("f1.")} == {step["name"] for step in one["steps"]}
        assert {name for name in names if name.startswith("f1.")} == {f"f1.{step['name']}" for step in other["steps"]}
