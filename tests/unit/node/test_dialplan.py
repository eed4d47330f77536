"""The dialplan file is hunted as the switch hunts it; what the node does not understand is refused when it is read."""

from importlib.resources import files
from pathlib import Path

import pytest

from dialtrace.node.dialplan import Dialplan, inline, load
from dialtrace.node.errors import BadDialplan
from dialtrace.node.model import Action, Profile, Times

GLOBALS = {
    "dialtrace_worker": "127.0.0.1:8040", "dialtrace_node": "n1", "dialtrace_spool": "/spool",
    "dialtrace_max_calls": "500", "dialtrace_max_rate": "200/1", "dialtrace_test_token": "none",
    "dialtrace_edges": "192.0.2.1|192.0.2.2",
}  # fmt: skip


def profile(destination: str, context: str = "inbound") -> Profile:
    return Profile(
        "u", "inbound", "+7", "Name", destination, context=context, times=Times(created=5, profile_created=5)
    )


def shipped() -> Dialplan:
    return load(Path(str(files("dialtrace.freeswitch"))) / "dialplan" / "inbound.xml", GLOBALS)


def write(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "plan.xml"
    path.write_text(f"<include><context name='inbound'>{body}</context></include>")
    return path


@pytest.mark.parametrize("dialled", ["74951234567", "+74951234567"])
def test_given_the_shipped_dialplan_when_a_number_is_hunted_then_its_digits_and_the_nodes_own_values_are_filled_in(
    dialled: str,
) -> None:
    extension, captures = shipped().hunt(profile(dialled), {}.get)
    assert extension is not None
    assert extension.name == "number"
    assert captures == [dialled, "74951234567"]
    assert Action("socket", "127.0.0.1:8040 async full") in extension.actions
    first = next(one for one in extension.actions if one.application == "multiset")
    assert {"dialtrace_dialled=74951234567", "dialtrace_call=${uuid}"} <= set(first.data.split(";"))


@pytest.mark.parametrize(
    ("source", "told", "taken"),
    [
        ("192.0.2.2", "TN-Validation-Passed-A", True),
        ("192.0.2.2", "No-TN-Validation", True),
        ("192.0.2.3", "TN-Validation-Passed-A", False),
        ("192.0.2.20", "TN-Validation-Passed-A", False),
        ("192.0.2.2", "TN-Validation-Passed-A;dialtrace_agency=x", False),
        ("192.0.2.2", "", False),
    ],
)
def test_given_an_edges_word_on_the_caller_when_a_number_is_hunted_then_only_a_named_edge_is_believed(
    source: str, told: str, taken: bool
) -> None:
    said = {"sip_network_ip": source, "sip_h_X-Dialtrace-Verstat": told}
    extension, _ = shipped().hunt(profile("74951234567"), said.get)

    assert extension is not None
    assert (Action("set", f"dialtrace_verstat={told}") in extension.actions) is taken
    assert any("dialtrace_verstat" in (action.data or "") for action in extension.actions) is taken


@pytest.mark.parametrize("dialled", ["sales", "123", "+0123456789", "749512345671234567"])
def test_given_the_shipped_dialplan_when_it_is_no_number_then_it_is_refused_on_purpose(dialled: str) -> None:
    extension, _ = shipped().hunt(profile(dialled), {}.get)
    assert extension is not None
    assert extension.name == "not-a-number"
    assert extension.actions[-1] == Action("hangup", "UNALLOCATED_NUMBER")


@pytest.mark.parametrize("inside", ["resume", "fallback", "finish"])
def test_given_a_name_of_the_flow_context_when_a_carrier_dials_it_then_it_does_not_get_there(inside: str) -> None:
    assert shipped().hunt(profile(inside, "flow"), {}.get)[0] is not None
    extension, _ = shipped().hunt(profile(inside), {}.get)
    assert extension is not None
    assert extension.name == "not-a-number"


@pytest.mark.parametrize(
    ("disposition", "cause"),
    [
        ("USER_BUSY", "USER_BUSY"),
        ("CALL_REJECTED", "CALL_REJECTED"),
        ("ALLOTTED_TIMEOUT", "NO_ANSWER"),
        ("", "NO_ANSWER"),
    ],
)
def test_given_how_the_last_target_ended_when_finishing_then_the_cause_fits(disposition: str, cause: str) -> None:
    extension, _ = shipped().hunt(profile("finish", "flow"), {"originate_disposition": disposition}.get)
    assert extension is not None
    assert extension.actions == [Action("hangup", cause)]


def test_given_several_conditions_when_one_fails_then_the_next_extension_is_tried(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "<extension name='a'><condition field='destination_number' expression='^1(.)'/>"
        "<condition field='${x}' expression='^(y)$'><action application='set' data='got=$1'/></condition></extension>"
        "<extension name='b'><condition field='destination_number' expression='.'>"
        "<action application='answer'/></condition></extension>",
    )
    plan = load(path, {})
    first, captures = plan.hunt(profile("12"), {"x": "y"}.get)
    second, _ = plan.hunt(profile("12"), {"x": "n"}.get)
    assert first is not None
    assert second is not None
    assert (first.name, first.actions, captures) == ("a", [Action("set", "got=y")], ["y", "y"])
    assert (second.name, second.actions) == ("b", [Action("answer", None)])


def test_given_no_fitting_extension_or_context_when_hunting_then_there_is_no_route(tmp_path: Path) -> None:
    plan = load(write(tmp_path, "<extension name='a'><condition field='context' expression='^x$'/></extension>"), {})
    assert plan.hunt(profile("1"), {}.get)[0] is None
    assert plan.hunt(profile("1", "other"), {}.get)[0] is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<extension name='a' continue='true'/>", "more than this node"),
        ("<extension name='a'><condition field='x' expression='('/></extension>", "unterminated|missing"),
        ("<extension name='a'><condition wday='2'/></extension>", "does not understand"),
        (
            "<extension name='a'><condition><anti-action application='x'/></condition></extension>",
            "does not understand",
        ),
        ("<extension name='a'><condition><action data='x'/></condition></extension>", "does not understand"),
        ("<extension name='$${nothing}'/>", "not a variable of this node"),
        ("<extension", "plan.xml"),
    ],
)
def test_given_something_the_node_does_not_understand_when_the_file_is_read_then_it_says_what_and_where(
    body: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(BadDialplan, match=why):
        load(write(tmp_path, body), {})


def test_given_no_file_when_it_is_read_then_the_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDialplan, match=r"absent\.xml"):
        load(tmp_path / "absent.xml", {})


def test_given_an_inline_plan_when_it_is_read_then_its_own_separator_and_escapes_count() -> None:
    plan = inline("m:~:set:a=b,c~bridge:[x=1,y=2]sofia/external/t@h~transfer:finish\\sXML\\sflow~hangup")
    assert plan.actions == [
        Action("set", "a=b,c"),
        Action("bridge", "[x=1,y=2]sofia/external/t@h"),
        Action("transfer", "finish XML flow"),
        Action("hangup", None),
    ]
    assert inline("answer, hangup:USER_BUSY").actions == [Action("answer"), Action("hangup", "USER_BUSY")]


def test_given_more_actions_than_the_switch_takes_when_a_plan_is_read_then_the_tail_is_lost_as_there() -> None:
    assert len(inline("m:~:" + "~".join(["answer"] * 135)).actions) == 128


def test_given_a_profile_when_the_call_is_transferred_then_answered_time_stays_and_bridged_time_does_not() -> None:
    before = profile("1")
    before.times.answered, before.times.bridged = 7, 8
    after = before.transferred("finish", "XML", "flow", 9)
    assert (after.rdnis, after.index, after.context) == ("1", 2, "flow")
    assert (after.times.created, after.times.answered, after.times.bridged, after.times.profile_created) == (5, 7, 0, 9)
