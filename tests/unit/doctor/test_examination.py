"""What an examination makes of what it sees."""

import os
from importlib.resources import files

import pytest

from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.doctor.machine import disks, found_programs, private_files
from dialtrace.doctor.model import Finding, at_most, examine, worst
from dialtrace.doctor.nodes import differences, release
from dialtrace.nodesfile import NodeSettings

DIALPLAN = files("dialtrace.freeswitch").joinpath("dialplan", "inbound.xml").read_text(encoding="utf-8")
WELL = Finding("machine", "disk", "well", "fine")
FAULT = Finding("machine", "disk", "fault", "full", "make room")


def test_given_a_check_that_cannot_be_made_then_it_says_why_and_the_next_is_made():
    def away():
        raise DatabaseUnavailable("the server is away")

    found = examine("database", [("roles", away), ("clock", lambda: [Finding("database", "clock", "well", "0 ms")])])
    assert [(one.what, one.state) for one in found] == [("roles", "unknown"), ("clock", "well")]
    assert "the server is away" in found[0].found


def test_given_a_mistake_of_ours_in_a_check_then_it_is_not_taken_for_a_finding():
    with pytest.raises(ZeroDivisionError):
        examine("machine", [("disk", lambda: [1 / 0])])


@pytest.mark.parametrize("values", [("attic", "disk", "well", "x"), ("machine", "disk", "fine", "x")])
def test_given_an_area_or_a_state_that_is_none_then_it_is_no_finding(values):
    with pytest.raises(ValueError, match="not a finding"):
        Finding(*values)


def test_given_a_fault_without_a_way_to_mend_it_then_it_is_no_finding():
    with pytest.raises(ValueError, match="not a finding"):
        Finding("machine", "disk", "fault", "full")


def test_given_findings_then_the_worst_decides():
    assert worst([]) == "well"
    assert worst([WELL, FAULT, WELL]) == "fault"
    assert worst([WELL, Finding("machine", "x", "unknown", "x")]) == "unknown"


@pytest.mark.parametrize(("value", "state"), [(0.79, "well"), (0.8, "note"), (0.95, "fault")])
def test_given_a_figure_then_its_limits_belong_to_the_worse_side(value, state):
    found = at_most("machine", "disk", "x", value, note=0.8, fault=0.95, mend="make room")
    assert (found.state, bool(found.mend)) == (state, state != "well")


# --- the dialplan ---


def test_given_our_own_dialplan_as_a_switch_started_with_other_values_has_it_then_nothing_differs():
    assert differences(DIALPLAN, DIALPLAN) == []
    assert "$${" in DIALPLAN
    loaded = DIALPLAN
    while "$${" in loaded:
        start = loaded.index("$${")
        loaded = loaded[:start] + "whatever/it-is" + loaded[loaded.index("}", start) + 1 :]
    assert differences(DIALPLAN, loaded) == []


def test_given_an_action_that_somebody_changed_then_its_extension_is_named():
    before, context, ours = DIALPLAN.partition('<context name="inbound">')
    assert 'application="hangup"' in ours
    changed = before + context + ours.replace('application="hangup"', 'application="answer"', 1)
    assert len(differences(DIALPLAN, changed)) == 1


def test_given_an_extension_of_somebody_elses_then_it_is_named():
    context = '<context name="inbound">'
    more = DIALPLAN.replace(context, context + '<extension name="theirs"><condition/></extension>')
    assert differences(DIALPLAN, more) == ["theirs"]


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("FreeSWITCH Version 1.10.12-release", "well"),
        ("FreeSWITCH Version 1.11.0", "well"),
        ("1.10.9", "note"),
        ("", "note"),
    ],
)
def test_given_a_release_then_those_that_the_suite_knows_are_well(tmp_path, version, state):
    node = NodeSettings("node-1", "freeswitch", "127.0.0.1:5060", "127.0.0.1:8021", "password", tmp_path)
    assert release(node, version).state == state


# --- the machine ---


def test_given_a_folder_that_is_not_there_then_its_disk_is_a_fault_and_the_others_are_looked_at(tmp_path):
    found = list(disks([tmp_path / "gone", tmp_path]))
    assert [one.state == "fault" and "gone" in one.mend for one in found] == [True, False]


def test_given_two_folders_on_one_disk_then_it_is_told_once(tmp_path):
    (tmp_path / "a").mkdir()
    assert len(list(disks([tmp_path, tmp_path / "a"]))) == 1


def test_given_a_program_that_is_not_there_then_it_is_a_fault_with_what_installs_it():
    (found,) = found_programs(["no-such-voice"])
    assert (found.state, "no-such-voice" in found.mend) == ("fault", True)


@pytest.mark.parametrize(("mode", "state"), [(0o600, "well"), (0o640, "fault"), (0o604, "fault")])
def test_given_a_key_that_others_may_read_then_it_is_a_fault(tmp_path, mode, state):
    key = tmp_path / "operator-key"
    key.write_text("x")
    os.chmod(key, mode)
    (found,) = private_files(tmp_path)
    assert found.state == state
