"""The interpreter against captured files, and against what no well-behaved switch would write."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialtrace.cdr.errors import CdrUnreadable
from dialtrace.cdr.interpret import interpret
from dialtrace.cdr.model import OUTCOMES, CallFacts, LegFacts, as_columns, as_json, digest_of_json

DATA = Path(__file__).parents[2] / "data" / "cdr"
CASES = sorted(path.name.removesuffix(".json") for path in DATA.glob("*.json") if ".expected." not in path.name)


def captured(case: str) -> dict:
    return json.loads((DATA / f"{case}.json").read_text(encoding="utf-8"))


def changed(case: str, **variables: object) -> CallFacts:
    cdr = captured(case)
    cdr["variables"].update(variables)
    facts = interpret(cdr, node="node-9")
    assert isinstance(facts, CallFacts)
    return facts


def plain(facts: CallFacts | LegFacts) -> dict:
    columns = {"kind": "call" if isinstance(facts, CallFacts) else "leg", **as_columns(facts)}
    written = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in columns.items()
        if value is not None
    }
    return json.loads(json.dumps(written, default=str))


def test_every_captured_kind_of_call_is_here() -> None:
    assert len([case for case in CASES if case.endswith(".a")]) >= 24


@pytest.mark.parametrize("case", CASES)
def test_given_a_captured_file_when_interpreting_then_the_facts_are_those_written_beside_it(case: str) -> None:
    expected = json.loads((DATA / f"{case}.expected.json").read_text(encoding="utf-8"))

    assert plain(interpret(captured(case), node="node-1")) == expected


@pytest.mark.parametrize("case", CASES)
def test_given_any_file_when_interpreting_then_the_outcome_is_a_word_of_the_glossary(case: str) -> None:
    assert interpret(captured(case), node="node-1").outcome in OUTCOMES


@pytest.mark.parametrize(
    ("privacy", "withheld"),
    [("id", True), ("ID", True), ("session; user", True), ("header", True), ("none", False), ("critical", False)],
)
def test_given_a_carrier_that_tells_the_number_all_the_same_when_privacy_is_asked_for_then_it_is_kept_raw_only(
    privacy: str, withheld: bool
) -> None:
    facts = changed("01-answered.a", sip_Privacy=privacy)

    assert ((facts.caller, facts.caller_name) == (None, None)) is withheld
    assert facts.caller_raw


def test_given_an_announcement_that_answered_when_the_target_is_busy_then_the_call_is_not_connected() -> None:
    facts = changed("13-announce-then-busy.a")

    assert (facts.outcome, facts.connected_at, facts.talk_ms) == ("busy", None, None)
    assert facts.answered_at is not None
    assert facts.billed_ms == 1819


def test_given_stamps_that_cross_a_second_when_measuring_then_lengths_come_from_microseconds() -> None:
    facts = changed(
        "01-answered.a",
        answer_uepoch="1795325719999999",
        bridge_uepoch="1795325719999999",
        end_uepoch="1795325720000999",
        billsec="1",
    )

    assert facts.billed_ms == 1
    assert facts.ended_at == datetime(2026, 11, 22, 5, 35, 20, 999, tzinfo=UTC)


def test_given_a_clock_that_stepped_back_during_the_call_when_measuring_then_no_length_is_negative() -> None:
    facts = changed("01-answered.a", end_uepoch="1795325700000000")

    assert (facts.duration_ms, facts.talk_ms, facts.billed_ms) == (0, 0, 0)


@pytest.mark.parametrize(
    ("refused", "outcome"),
    [("unknown", "unallocated"), ("released", "unallocated"), ("suspended", "blocked"), ("no_flow", "unreachable")],
)
def test_given_a_number_refused_on_purpose_when_interpreting_then_the_outcome_says_why(refused, outcome) -> None:
    assert changed("09-unknown-refused.a", dialtrace_refused=refused).outcome == outcome


@pytest.mark.parametrize(
    ("disposition", "cause", "side"),
    [
        ("recv_bye", "NORMAL_CLEARING", "caller"),
        ("send_bye", "NORMAL_CLEARING", "target"),
        ("send_bye", "SYSTEM_SHUTDOWN", "platform"),
        ("send_bye", "MEDIA_TIMEOUT", "platform"),
        ("send_bye", "ALLOTTED_TIMEOUT", "platform"),
    ],
)
def test_given_a_connected_call_when_it_ends_then_the_side_that_ended_it_is_known(disposition, cause, side) -> None:
    facts = changed("02-answered-target-hangs-up.a", sip_hangup_disposition=disposition, hangup_cause=cause)

    assert (facts.outcome, facts.hangup_side) == ("answered", side)


def test_given_a_caller_who_leaves_during_the_announcement_then_he_cancelled() -> None:
    facts = changed("13-announce-then-busy.a", sip_hangup_disposition="recv_bye", hangup_cause="NORMAL_CLEARING")

    assert (facts.outcome, facts.hangup_side) == ("caller_cancelled", "caller")


def test_given_a_flow_that_only_announces_and_ends_then_nobody_answered() -> None:
    facts = changed(
        "13-announce-then-busy.a",
        sip_hangup_disposition="send_bye",
        hangup_cause="NORMAL_CLEARING",
        originate_disposition="",
        originate_causes="",
        originated_legs="",
    )

    assert (facts.outcome, facts.hangup_side) == ("no_answer", "platform")


def test_given_no_plan_at_all_when_the_call_ends_then_it_is_our_own_failure() -> None:
    facts = changed("10-unknown-fallback.a", hangup_cause="SUBSCRIBER_ABSENT")

    assert (facts.outcome, facts.decided_by, facts.fallback_reason) == ("system_error", "none", "no_plan")


def test_given_a_target_whose_number_is_unallocated_then_the_call_is_unreachable_and_the_leg_unallocated() -> None:
    call = changed("17-target-503.a", originate_disposition="UNALLOCATED_NUMBER")
    leg = captured("17-target-503.b1")
    leg["variables"]["hangup_cause"] = "UNALLOCATED_NUMBER"

    assert call.outcome == "unreachable"
    assert interpret(leg, node="node-1").outcome == "unallocated"


def test_given_an_early_media_bridge_that_nobody_answered_then_the_call_is_not_connected() -> None:
    facts = changed("03-busy.a", bridge_uepoch="1795325732900000")

    assert (facts.outcome, facts.connected_at) == ("busy", None)


def test_given_a_whispered_leg_that_answered_and_was_never_bridged_then_it_is_marked() -> None:
    leg = interpret(captured("22-press1-not-pressed.b1"), node="node-1")

    assert (leg.outcome, leg.connected_at, leg.facts["answered_not_connected"]) == ("no_answer", None, True)


def test_given_no_received_packet_when_reading_media_then_there_is_no_mos_but_a_warning() -> None:
    facts = changed("01-answered.a", rtp_audio_in_media_packet_count="0", rtp_audio_in_mos="4.50")

    assert "mos" not in facts.facts["media"]
    assert facts.facts["media"]["no_audio_in"] is True


def test_given_a_caller_name_of_control_characters_when_interpreting_then_it_is_visible_and_harmless() -> None:
    cdr = captured("01-answered.a")
    for profile in cdr["callflow"]:
        profile["caller_profile"]["caller_id_name"] = "A\x00B\r\nC\ud800\u202e<script>" + "x" * 900
    facts = interpret(cdr, node="node-1")

    assert facts.caller_name.startswith("A␀B␍␊C��<script>xxx")
    assert len(facts.caller_name) == 128
    json.dumps(as_columns(facts), default=str).encode()
    digest_of_json(as_json(facts))


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("+74955550123", "+74955550123"),
        ("0074955550123", "+74955550123"),
        ("74955550123", "+74955550123"),
        ("+1 (212) 555-0100", "+12125550100"),
        ("anonymous", None),
        ("Restricted", None),
        ("0123456", None),
        ("sip:anonymous@anonymous.invalid", None),
        ("sip:x@y", None),
        ("+7495555012345678", None),
        ("٠٧٤٩٥٥٥٥٠١٢٣", None),
        ("89991234567", None),
        ("2125550100", None),
        ("'; DROP TABLE calls; --", None),
    ],
)
def test_given_a_caller_number_when_interpreting_then_it_is_e164_or_nothing_and_the_raw_text_stays(raw, e164) -> None:
    cdr = captured("01-answered.a")
    for profile in cdr["callflow"]:
        profile["caller_profile"]["caller_id_number"] = raw
    facts = interpret(cdr, node="node-1")

    assert (facts.caller, facts.caller_raw) == (e164, raw)


def test_given_recordings_of_another_call_when_interpreting_then_they_are_none_of_this_call() -> None:
    other = "11111111-1111-1111-1111-111111111111"
    own = captured("01-answered.a")["variables"]["uuid"]
    facts = changed(
        "01-answered.a",
        dialtrace_recordings=f"{own}-2.wav,{own}-1.wav,{other}-3.wav,../{own}-4.wav,{own}-0.wav,{own}-5.wav/x",
    )

    assert facts.segments == (1, 2)


def test_given_a_plan_that_was_made_by_the_fallback_when_interpreting_then_the_reason_is_kept() -> None:
    facts = changed("11-fallback-answered.a")

    assert (facts.decided_by, facts.fallback_reason, facts.outcome) == ("fallback", "plan", "answered")


def test_given_a_forged_tenant_when_interpreting_then_only_a_uuid_counts() -> None:
    facts = changed("01-answered.a", dialtrace_agency="a1'; SET ROLE x", dialtrace_client="", dialtrace_number="1")

    assert (facts.agency_id, facts.client_id, facts.number_id) == (None, None, None)


@pytest.mark.parametrize(
    "cdr",
    [
        None,
        [],
        "text",
        {},
        {"variables": []},
        {"variables": {}},
        {"variables": {"uuid": "no"}},
        {"variables": {"uuid": "8adbf110-dccb-4047-b40c-ecda6bb8a575"}},
        {"variables": {"uuid": "8adbf110-dccb-4047-b40c-ecda6bb8a575", "start_uepoch": "0"}},
        {"channel_data": {"direction": "outbound"}, "variables": {"uuid": "8adbf110-dccb-4047-b40c-ecda6bb8a575"}},
        {"dialtrace_lost": {"call_id": "x"}},
        {"dialtrace_event": {"Unique-ID": "x"}},
    ],
)
def test_given_json_that_is_no_cdr_when_interpreting_then_it_is_refused_as_the_files_own_fault(cdr) -> None:
    with pytest.raises(CdrUnreadable) as caught:
        interpret(cdr, node="node-1")

    assert caught.value.file_at_fault


@pytest.mark.parametrize("junk", [None, 7, -1, 1e400, True, [], {}, "ARRAY::", "|:|:", "9" * 400, "\x00", "é" * 3000])
def test_given_any_junk_in_any_variable_when_interpreting_then_there_are_facts_or_a_named_refusal(junk) -> None:
    for case in ("01-answered.a", "01-answered.b1", "24-voicemail-after-noanswer.a"):
        cdr = captured(case)
        for name in list(cdr["variables"]):
            broken = copy.deepcopy(cdr)
            broken["variables"][name] = junk
            try:
                facts = interpret(broken, node="node-1")
            except CdrUnreadable:
                continue
            json.dumps(as_columns(facts), default=str, allow_nan=False).encode()


def test_given_junk_in_place_of_whole_parts_when_interpreting_then_it_still_answers() -> None:
    for part in ("callflow", "app_log", "channel_data", "core-uuid"):
        for junk in (None, 7, "x", [None, 7, {"times": 3, "caller_profile": []}], {"applications": 5}):
            assert interpret(captured("01-answered.a") | {part: junk}, node="node-1").outcome == "answered"


def test_given_the_same_facts_in_another_spelling_when_digesting_then_the_digest_is_the_same() -> None:
    cdr = captured("07-failover-busy-answered.a")
    reordered = json.loads(json.dumps(cdr, sort_keys=True))
    reordered["variables"]["some_new_variable"] = "of a later switch"

    told, again = (digest_of_json(as_json(interpret(one, node="n"))) for one in (cdr, reordered))
    assert told == again
    assert told != digest_of_json(as_json(changed("07-failover-busy-answered.a", read_codec="PCMU")))


def test_given_no_node_in_the_file_when_interpreting_then_the_spools_owner_counts() -> None:
    assert changed("01-answered.a", dialtrace_node="").node == "node-9"
