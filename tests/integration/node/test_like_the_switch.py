"""The same plans as once on a real FreeSWITCH: the node must leave the same facts (tests/data/node/README.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .calls import call_id, fresh_number
from .phone import Dialog, Phone, Target, answers, refuses, rings_for_ever, stays_silent
from .switch import Events, Switch, Worker
from .test_sound import write_tone

FACTS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "node" / "switch_facts.json").read_text(encoding="utf-8")
)
# What the node does not imitate, each with its reason.
KNOWN_ABSENT = {
    "dialtrace_number": "of the earlier dialplan",
    "dialtrace_guard": "of the earlier dialplan",
    "transfer_history": "the earlier dialplan transferred every call to its plan",
    "transfer_source": "the earlier dialplan transferred every call to its plan",
    "sip_contact_params": "nothing reads it",
    "sip_contact_user": "the test's telephones name none",
    "sip_to_port": "sippy writes a To without a port",
}
# Threads of the real switch race here; both orders were seen.
RACING = {"CHANNEL_UNBRIDGE", "CHANNEL_HANGUP", "RECORD_STOP"}
# The test's announcement is shorter than the one that was played then.
NOT_COMPARED = {"playback_ms"}


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    made = {
        "answers": Target(answers(0.1), hertz=1000.0),
        "busy": Target(refuses(486, ring=True)),
        "rings": Target(rings_for_ever),
        "unavailable": Target(refuses(503)),
        "declines": Target(refuses(603, ring=True)),
        "answers_and_leaves": Target(answers(0.1, hang_up_after_s=0.3), hertz=1000.0),
        "closed": Target(stays_silent),
    }
    made["closed"].close()
    yield made
    for name, target in made.items():
        if name != "closed":
            target.close()


def place(switch: Switch, phone: Phone, number: str, caller: list[str]) -> Dialog:
    """The caller's part: cancel, hang up, or wait, as the captured one did."""
    dialog = phone.call(switch.sip, number, hertz=440.0)
    if ">CANCEL" in caller:
        if "<180" in caller:
            dialog.wait_for("180 INVITE")
        else:
            time.sleep(0.2)
        dialog.cancel()
        dialog.final()
    elif dialog.final().status == 200:
        if ">BYE" in caller:
            time.sleep(0.4)
            dialog.bye()
        else:
            dialog.wait_for("BYE")
    return dialog


@pytest.mark.parametrize("kind", FACTS)
def test_given_a_plan_that_ran_on_a_real_switch_when_the_node_runs_it_then_caller_events_and_records_agree(
    kind: str, switch: Switch, worker: Worker, events: Events, phone: Phone, targets: dict[str, Target], tmp_path: Path
) -> None:
    wanted = FACTS[kind]
    number = fresh_number()
    (switch.spool / "recordings" / "like").mkdir(exist_ok=True)
    names = {name: f"127.0.0.1:{target.port}" for name, target in targets.items()}
    names |= {
        "recording": f"{switch.spool}/recordings/like/{kind}.wav",
        "voicemail": f"{switch.spool}/recordings/like/{kind}-voicemail.wav",
        "prompt": str(write_tone(tmp_path / "prompt.wav", 600, 0.3)),
    }
    worker.plans[number] = [fill(plan, names) for plan in wanted["plans"]]
    if not wanted["plans"]:
        worker.handlers[number] = lambda connection, headers: connection.at_end() and None
    dialog = place(switch, phone, number, wanted["caller"])
    statuses = [seen.split()[0] for seen in dialog.seen if seen.endswith("INVITE")]
    assert statuses == [text[1:] for text in wanted["caller"] if text in {"<100", "<180", "<183"}] + statuses[-1:]
    assert f"<{statuses[-1]}" in wanted["caller"]
    call = call_id(events, number)
    events.wait_for(call, "CHANNEL_DESTROY")
    records = switch.cdrs(call, len(wanted["legs"]) - 1)
    legs = [records["a"], *sorted(records["b"], key=lambda record: record["variables"].get("dialtrace_target", ""))]
    for record, leg in zip(legs, wanted["legs"], strict=True):
        compare(record, leg, events)


def fill(plan: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        plan = plan.replace("{" + name + "}", value)
    return plan


def compare(record: dict[str, Any], leg: dict[str, Any], events: Events) -> None:
    variables = record["variables"]
    assert list(record) == leg["keys"]
    facts = {name: value for name, value in leg["facts"].items() if name not in NOT_COMPARED}
    assert {name: variables.get(name) for name in facts} == facts
    assert [name for name in leg["absent"] if name in variables] == []
    happened = sorted(name[:-7] for name, value in variables.items() if name.endswith("_uepoch") and value != "0")
    assert happened == leg["happened"]
    causes = [
        part.rpartition(";")[2] for part in variables.get("originate_causes", "").removeprefix("ARRAY::").split("|:")
    ]
    assert [cause for cause in causes if cause] == leg["causes"]
    # Recorded when a plan was transferred to; it now runs inside the extension that asked for it, and a leg takes the
    # name of its caller's dialplan.
    flows = [one for one in leg["flows"] if one != "inline"] or ["XML"]
    assert [flow["dialplan"] for flow in record["callflow"]] == flows
    told = [name for name in events.of(variables["uuid"]) if name in set(leg["events"])]
    assert sorted(told) == sorted(leg["events"])
    assert [name for name in told if name not in RACING] == [name for name in leg["events"] if name not in RACING]
    assert [name for name in leg.get("variables", []) if name not in variables and name not in KNOWN_ABSENT] == []
