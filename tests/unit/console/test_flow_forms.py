"""What the flow editor does to documents."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from dialtrace.console.flow_forms import (
    added,
    document_of,
    links_of,
    moved,
    names_of,
    removed,
    rows_of_targets,
    rows_of_tests,
    shaped,
    text_of,
)
from dialtrace.console.flow_kinds import STEPS
from dialtrace.console.flow_picture import Box, picture

KINDS = st.sampled_from(sorted(STEPS))


def step(kind: str, name: str | None, to: str | None) -> dict[str, str]:
    return {"type": kind, **({"name": name} if name else {}), **({"next": to} if to else {})}


STEP = st.builds(
    step, KINDS, st.none() | st.sampled_from("abcdef"), st.none() | st.sampled_from(["a", "step-1", "step-3"])
)


def led_to(steps: list[dict]) -> list[list[int | None]]:
    """What each step leads to, by place."""
    places = {name: place for place, name in enumerate(names_of(steps))}
    return [[places.get(to) for _, to in links_of(step)] for step in steps]


@given(st.lists(STEP, min_size=2, max_size=6, unique_by=lambda one: one.get("name") or object()), st.data())
def test_given_any_steps_when_one_moves_then_all_lead_to_the_same_steps_as_before(steps, data) -> None:
    place = data.draw(st.integers(0, len(steps) - 2))
    after = moved(steps, place, 1)
    order = list(range(len(steps)))
    order[place], order[place + 1] = order[place + 1], order[place]
    new_place = {old: new for new, old in enumerate(order)}
    before = led_to(steps)
    for old, links in enumerate(before):
        assert led_to(after)[new_place[old]] == [None if one is None else new_place[one] for one in links]
    assert len(set(names_of(after))) == len(after)
    assert moved(after, place, 1) == moved(moved(moved(after, place, 1), place, 1), place, 1)


@given(st.lists(STEP, max_size=5), KINDS, st.integers(0, 5))
def test_given_any_steps_when_one_is_added_and_taken_out_then_they_are_as_many(steps, kind, place) -> None:
    told = added(steps, kind, min(place, len(steps)))
    assert told[min(place, len(steps))]["type"] == kind
    assert len(removed(told, 0)) == len(steps)
    assert added(steps, "no kind", 0) == steps


def test_given_a_prompt_with_a_voice_and_a_member_that_has_no_field_then_both_stay() -> None:
    said = {"type": "announce", "prompt": {"kind": "say", "text": "Hello", "voice": "en-gb"}, "later": {"x": 1}}
    form = MultiDict({"steps": "1", "s0-kept": json.dumps(said), "s0-prompt-kind": "say", "s0-prompt-text": "Good day",
                      "s0-prompt-language": "en", "language": "ru", "longest_s": "soon"})  # fmt: skip
    document = document_of(form, {"version": 2, "steps": [said], "more": True})
    assert document["steps"] == [
        {"type": "announce", "prompt": {"kind": "say", "text": "Good day", "voice": "en-gb", "language": "en"},
         "later": {"x": 1}},
    ]  # fmt: skip
    assert (document["longest_s"], document["language"], document["more"]) == ("soon", "ru", True)


def test_given_what_no_form_sends_then_nothing_fails() -> None:
    form = MultiDict({"steps": "3", "s0-kept": "{", "s1-kept": "[]", "s2-kept": '{"type": "no kind"}'})
    assert [one["type"] for one in document_of(form, {})["steps"]] == ["", "", "no kind"]
    assert document_of(MultiDict({"steps": "-1"}), {})["steps"] == []


def test_given_hostile_names_then_the_picture_says_them_and_does_nothing_else() -> None:
    drawn = str(picture([Box(title="<b>", name="<script>", follows=[('"><x', 1), ("again", 0)])] * 2))
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert drawn.count('<a href="#step-') == 2
    assert picture([]) == ""


@given(st.sampled_from(sorted(STEPS)), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.sampled_from(["from", "date", "hours", "mon"]), one),
))  # fmt: skip
def test_given_anything_in_a_document_then_a_form_can_show_what_is_left_of_it(kind, value) -> None:
    told = shaped({"type": kind, **{part.name: value for part in STEPS[kind].parts}})
    links_of(told)
    for part in STEPS[kind].parts:
        text_of(part, told.get(part.name)) if part.kind not in {"ways", "prompt"} else None
        rows_of_targets(told.get(part.name)) if part.kind == "targets" else None
        rows_of_tests(told.get(part.name)) if part.kind == "tests" else None
