"""Calls without a CDR file: from the hang-up event, and from the journal's row."""

import json
from pathlib import Path

import pytest

from dialtrace.cdr.interpret import event_document, interpret, lost_document
from dialtrace.cdr.model import CallFacts, as_columns

DATA = Path(__file__).parents[2] / "data" / "cdr"
QUALITY = ("loss_percent", "jitter_ms", "r_factor", "mos")
CASES = sorted(path.name.removesuffix(".a.json") for path in DATA.glob("*.a.json"))


def hangup_event(case: str) -> dict[str, object]:
    """The event that the switch sends for this call: the last profile's headers, the variables, the times."""
    cdr = json.loads((DATA / f"{case}.a.json").read_text(encoding="utf-8"))
    last = cdr["callflow"][0]
    names = {
        "created_time": "Created", "answered_time": "Answered", "progress_time": "Progress",
        "progress_media_time": "Progress-Media", "bridged_time": "Bridged", "hangup_time": "Hangup",
    }  # fmt: skip
    return {
        "Event-Name": "CHANNEL_HANGUP_COMPLETE",
        "Core-UUID": cdr["core-uuid"],
        "Unique-ID": cdr["variables"]["uuid"],
        "Call-Direction": "inbound",
        "Caller-Caller-ID-Number": last["caller_profile"]["caller_id_number"],
        "Caller-Caller-ID-Name": last["caller_profile"]["caller_id_name"],
        "Caller-Destination-Number": last["caller_profile"]["destination_number"],
        **{f"Caller-Channel-{header}-Time": last["times"][name] for name, header in names.items()},
        **{f"variable_{name}": value for name, value in cdr["variables"].items()},
    }


@pytest.mark.parametrize("case", [case for case in CASES if "voicemail" not in case])
def test_given_only_the_hangup_event_when_interpreting_then_it_tells_what_the_file_would_have_told(case: str) -> None:
    cdr = json.loads((DATA / f"{case}.a.json").read_text(encoding="utf-8"))
    from_file = as_columns(interpret(cdr, node="node-1"))
    from_event = as_columns(interpret(event_document(hangup_event(case)), node="node-1"))

    told, known = dict(from_event.pop("facts")), dict(from_file.pop("facts"))
    if dict(known.get("media", {})).get("flaws"):
        # An event has no log of errors, so that nobody knows what of them was loss.
        assert [from_event.pop(name) for name in QUALITY] == [None] * len(QUALITY)
        known["media"] = {name: value for name, value in known["media"].items() if name != "packets_lost"}
        from_file = {name: value for name, value in from_file.items() if name not in QUALITY}
    assert told == {"source": "event", **known}
    assert from_event == from_file


def test_given_only_times_in_the_headers_when_interpreting_then_they_count() -> None:
    event = {name: value for name, value in hangup_event("01-answered").items() if "_uepoch" not in name}
    facts = interpret(event_document(event), node="node-1")

    assert isinstance(facts, CallFacts)
    assert (facts.outcome, facts.talk_ms, facts.billed_ms, facts.ring_ms) == ("answered", 4039, 4039, 1040)


def test_given_a_journal_row_of_hostile_text_when_interpreting_then_it_is_cleaned() -> None:
    row = lost_document(
        call_id="8adbf110-dccb-4047-b40c-ecda6bb8a575",
        core_uuid="",
        started_us=1795325718709881,
        dialled="\x00\n{}",
        caller="anonymous",
        caller_name="\x1b[31m\ud800",
        segments=[2, 1, 1],
    )
    facts = interpret(json.loads(json.dumps(row)), node="node-1")

    assert isinstance(facts, CallFacts)
    assert (facts.number, facts.caller, facts.caller_name) == ("␀␊{}", None, "␛[31m�")
    assert (facts.segments, facts.core_uuid, facts.is_stand_in) == ((1, 2), None, True)


@pytest.mark.parametrize("segments", [None, "x", [None, "a", -1, 0, 10**9, 1.5, True], {"a": 1}])
def test_given_odd_segments_in_a_row_when_interpreting_then_none_is_believed(segments: object) -> None:
    row = {"call_id": "8adbf110-dccb-4047-b40c-ecda6bb8a575", "started_us": 1795325718709881, "segments": segments}
    facts = interpret({"dialtrace_lost": row}, node="node-1")

    assert isinstance(facts, CallFacts)
    assert facts.segments == ()
