"""The configuration as text: rules that would be noticed only when it is too late."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from dialtrace.calls.ringing import SIP_PROFILE
from dialtrace.freeswitch_launch import configuration_folder

FILES = sorted(configuration_folder().rglob("*.xml"))


def parameters(path: str) -> dict[str, str]:
    root = ElementTree.parse(configuration_folder() / path)
    return {one.get("name", ""): one.get("value", "") for one in root.iter("param")}


def action_data(application: str) -> list[str]:
    root = ElementTree.parse(configuration_folder() / "dialplan" / "inbound.xml")
    return [one.get("data", "") for one in root.iter("action") if one.get("application") == application]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_given_a_file_when_read_by_the_preprocessor_then_no_line_means_something_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    for line in text.splitlines():
        # switch_xml.c, preprocess: one directive a line, and a line with an include tag is dropped as a whole.
        assert line.count("X-PRE-PROCESS") <= 1
        assert "X-PRE-PROCESS" not in line or line.strip().startswith("<X-PRE-PROCESS")
        assert not re.search(r"</?include>|<\?", line) or line.strip() in {
            "<include>", "</include>", '<?xml version="1.0"?>',
        }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_given_a_file_when_searched_then_it_holds_no_path_port_or_password_of_its_own(path: Path) -> None:
    if path.name != "vars.xml":
        settings = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"/var/|/etc/|/tmp/|ClueCon|:[0-9]{4,5}\b", settings)


def test_given_every_variable_that_is_used_when_looked_up_then_vars_gives_it_a_default() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in FILES}
    used = set(re.findall(r"\$\$\{([a-z_]+)\}", "".join(texts.values())))
    given = set(re.findall(r'cmd="set" data="([a-z_]+)=', texts["vars.xml"]))
    assert used - given == {"dialtrace_password"}


def test_given_the_plans_when_they_name_a_profile_then_it_is_the_one_there_is() -> None:
    root = ElementTree.parse(configuration_folder() / "sip_profiles" / "external.xml")
    assert [f"sofia/{one.get('name')}/" for one in root.iter("profile")] == [SIP_PROFILE]


def test_given_the_profile_when_read_then_strangers_transfers_and_registrations_are_refused() -> None:
    found = parameters("sip_profiles/external.xml")
    assert found["apply-inbound-acl"] == "carriers"
    assert {found[name] for name in ("auth-calls", "auth-calls-acl-only", "disable-transfer", "disable-register")} == {
        "true"
    }


def test_given_every_way_to_a_worker_when_read_then_a_guard_and_a_plan_for_the_worst_come_first() -> None:
    assert action_data("sched_transfer") == ["+2 fallback XML flow"] * 2
    assert action_data("socket") == ["$${dialtrace_worker} async full"] * 2
    questions = [one for one in action_data("multiset") if ";asks=" in one]
    assert len(questions) == 2
    assert all(
        r";socket_resume=true;dialtrace_plan=transfer:fallback\\\\sXML\\\\sflow;asks=" in one for one in questions
    )
    assert [one for one in action_data("set") if "_plan=" in one] == ["dialtrace_plan=hangup:SUBSCRIBER_ABSENT"]
