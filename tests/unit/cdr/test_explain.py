"""Explanations of captured calls against the files beside them, and of calls as no capture has them.

A golden file has one line per entry: moment, kind, sentence, data. After a wanted change of a sentence write them anew:
`cd tests && DIALTRACE_WRITE_GOLDEN=1 pytest unit/cdr/test_explain.py`, and read the difference.
"""

from __future__ import annotations

import json
import os
import string
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dialtrace.cdr.explain import Explanation, explain, left_because
from dialtrace.cdr.explain_facts import EventFacts, NumberFacts, Surroundings
from dialtrace.cdr.explain_texts import TEXTS
from dialtrace.cdr.interpret import interpret, lost_document
from dialtrace.cdr.model import Call, CallDetail, CallFacts, Leg, LegFacts, as_columns, attempts_without_leg
from dialtrace.cdr.service import ledger_rows
from dialtrace.recording.model import Recording

DATA = Path(__file__).parents[2] / "data"
GOLDEN = DATA / "explain"
MADE = datetime(2026, 11, 1, 8, tzinfo=UTC)
TARGETS = {UUID(f"01990000-0000-7000-8000-0000000000e{index}"): f"Desk {index}" for index in (1, 2)}
AROUND = Surroundings(
    client_name="North", number=NumberFacts(kind="static", label="Shop window", created_at=MADE), flow_name="Sales",
    targets=TARGETS,
)  # fmt: skip


def captured() -> dict[str, list[Path]]:
    """Every captured call: the caller's file first, then its legs'."""
    plain = {
        path.name.removesuffix(".a.json"): [path, *sorted(path.parent.glob(path.name[:3] + "*.b?.json"))]
        for path in (DATA / "cdr").glob("*.a.json")
    }
    folders = (DATA / "contract" / "captures").iterdir()
    return plain | {
        f"contract-{one.name}": sorted(
            one.glob("*.cdr.json"), key=lambda path: (not path.name.startswith("a_"), path.name)
        )
        for one in folders
        if one.is_dir()
    }


CAPTURED = captured()


def kept(facts: CallFacts) -> Call:
    """As the table has it."""
    columns = as_columns(facts)
    columns |= {"target_id": next(iter(TARGETS)) if facts.connected_at else None, "revision": 1}
    columns |= {"created_at": MADE, "updated_at": MADE, "client_id": facts.client_id or UUID(int=2)}
    columns |= {"agency_id": facts.agency_id or UUID(int=1)}
    columns |= dict.fromkeys(("cost", "cost_currency", "cost_revision"))
    return Call(**{name: columns[name] for name in Call.__dataclass_fields__})


def kept_leg(facts: LegFacts) -> Leg:
    return Leg(**{name: as_columns(facts).get(name, 1) for name in Leg.__dataclass_fields__})


def on_node(row: Mapping[str, Any]) -> Recording:
    unknown = dict.fromkeys(("size_bytes", "sha256", "duration_ms", "channels", "last_error", "stored_at"))
    return Recording(**{**unknown, "attempts": 0, **row})


def detail_of(documents: list[Any]) -> CallDetail:
    read = [interpret(document, node="node-1") for document in documents]
    (facts,) = [one for one in read if isinstance(one, CallFacts)]
    unordered = [kept_leg(one) for one in read if isinstance(one, LegFacts)]
    legs = sorted(unordered, key=lambda leg: leg.started_at or MADE)
    planned = [UUID(attempt) for attempt in facts.facts.get("attempts", [])]
    owned = replace(facts, agency_id=facts.agency_id or UUID(int=1))
    return CallDetail(
        call=kept(facts),
        legs=legs,
        recordings=[on_node(row) for row in ledger_rows(owned)],
        attempts_without_leg=attempts_without_leg(
            planned, legs, outcome=facts.outcome, legs_expected=facts.legs_expected
        ),
    )


def changed(case: str, **variables: str) -> CallDetail:
    """A captured call with other variables in the caller's file."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in CAPTURED[case]]
    documents[0]["variables"].update(variables)
    return detail_of(documents)


def lines(explanation: Explanation) -> str:
    told = [
        f"{entry.at.isoformat() if entry.at else '-'} | {entry.kind} | {entry.text} | "
        + json.dumps(dict(entry.data), ensure_ascii=False, sort_keys=True)
        for entry in explanation.entries
    ]
    return "\n".join([f"{explanation.outcome}", *told]) + "\n"


def matches(name: str, explanation: Explanation) -> None:
    path, text = GOLDEN / f"{name}.txt", lines(explanation)
    if os.environ.get("DIALTRACE_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def texts(explanation: Explanation, kind: str) -> list[str]:
    return [entry.text for entry in explanation.entries if entry.kind == kind]


@pytest.mark.parametrize("case", sorted(CAPTURED))
def test_given_a_captured_call_when_explained_then_every_entry_is_the_one_written_beside_it(case: str) -> None:
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in CAPTURED[case]]
    matches(case, explain(detail_of(documents), AROUND))


def test_given_a_call_through_a_flow_of_version_two_when_explained_then_each_step_limit_and_word_is_told() -> None:
    detail = changed(
        "07-failover-busy-answered",
        dialtrace_trail="welcome@1795325748,gate@1795325748,menu=1@1795325749,sales@1795325749",
        dialtrace_consent="given",
        dialtrace_tags="vip,sales",
        dialtrace_v_basket="large",
        dialtrace_spam="30",
        dialtrace_spam_rules="rate:40,known:-10",
        dialtrace_test="true",
    )
    stored = replace(
        detail.recordings[0],
        state="stored",
        stored_at=detail.call.ended_at,
        duration_ms=4000,
        size_bytes=128_044,
        sha256=b"\1" * 32,
    )
    event = EventFacts(
        type="call.ended", revision=1, occurred_at=detail.call.ended_at, recorded_at=detail.call.ended_at, position=7
    )
    around = replace(AROUND, events=[event])
    matches("version-2", explain(replace(detail, recordings=[stored]), around))


def test_given_a_caller_who_refused_to_be_recorded_when_explained_then_that_is_why_there_is_no_recording() -> None:
    detail = changed(
        "01-answered", dialtrace_consent="refused", dialtrace_segments="0", dialtrace_recordings="",
        dialtrace_record="yes",
    )  # fmt: skip
    found = explain(detail, AROUND)
    assert texts(found, "consent") == ["The caller refused to be recorded."]
    assert texts(found, "recording") == ["Recording, segment 1: there is none, because the caller refused it."]


@pytest.mark.parametrize(
    ("variables", "kind", "sentence"),
    [
        ({"dialtrace_over": "client_calls"}, "limits", "A limit was reached: calls at a time of the client."),
        ({"dialtrace_blocked": "number"}, "limits", "A block list held: the caller's number is on it."),
        ({"dialtrace_over": "trunk_7"}, "limits", "A limit was reached: trunk_7."),
        ({"dialtrace_refused": "{x}"}, "limits", "No limit and no block list held the call back."),
        ({"dialtrace_refused": "odd"}, "refusal", "The call was refused on purpose: odd."),
    ],
)
def test_given_a_limit_or_a_refusal_when_explained_then_it_is_named_even_if_there_is_no_word_for_it(
    variables: dict[str, str], kind: str, sentence: str
) -> None:
    assert sentence in texts(explain(changed("03-busy", **variables), AROUND), kind)


def test_given_a_call_that_went_with_its_node_when_explained_then_nobody_pretends_to_know_its_end() -> None:
    row = lost_document(
        call_id=str(UUID(int=7)), core_uuid=str(UUID(int=8)), started_us=1_795_325_719_000_000, dialled="74955550601",
        caller=None, caller_name=None, segments=[1],
    )  # fmt: skip
    found = explain(detail_of([row]), Surroundings())
    assert [entry.kind for entry in found.entries] == ["arrived", "number", "decision", "end", "recording"]
    assert texts(found, "end") == ["Nobody knows how the call ended: its node took it with it."]


def test_given_a_step_whose_second_is_before_the_calls_microsecond_then_it_is_not_told_before_the_call() -> None:
    detail = changed("01-answered", dialtrace_trail="desk@1795325718")
    kinds = [entry.kind for entry in explain(detail, AROUND).entries]
    assert kinds.index("arrived") < kinds.index("step") < kinds.index("leg")


LEG = kept_leg(
    LegFacts(id=UUID(int=1), call_id=UUID(int=2), call_started_at=MADE, outcome="no_answer", hangup_cause="NO_ANSWER")
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "no_answer"),
        ({"connected_at": MADE + timedelta(seconds=1), "outcome": "answered"}, "talked"),
        ({"facts": {"answered_not_connected": True}}, "not_accepted"),
        ({"hangup_cause": "PROGRESS_TIMEOUT", "outcome": "unreachable"}, "progress_timeout"),
        ({"hangup_cause": "LOSE_RACE"}, "another_was_faster"),
        ({"outcome": "caller_cancelled"}, "caller_left"),
        ({"outcome": "busy"}, "busy"),
    ],
)
def test_given_a_leg_when_asked_why_it_was_left_then_one_word_says_it(change: dict[str, Any], why: str) -> None:
    assert left_because(replace(LEG, **change)) == why


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_given_every_language_then_it_has_the_same_sentences_with_the_same_places() -> None:
    english = TEXTS["en"]
    for language, table in TEXTS.items():
        assert table.keys() == english.keys(), language
        assert all(places(table[key]) == places(english[key]) for key in english), language
