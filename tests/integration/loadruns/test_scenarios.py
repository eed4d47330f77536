"""SIPp itself reads and plays what is composed: each caller against the target that it is for, no switch between."""

import re
import shutil
import time
import xml.etree.ElementTree as ET
from contextlib import ExitStack

import pytest

from dialtrace.demo.sound import ulaw_tone
from dialtrace.loadruns import scenarios
from dialtrace.loadruns.allow import AllowList
from dialtrace.loadruns.books import against_sipp
from dialtrace.loadruns.generators import MediaProcess, SippProcess, calls_file, free_block, placing_arguments
from dialtrace.loadruns.hosts import LocalMachine, await_end
from dialtrace.loadruns.plan import PlannedCall
from dialtrace.loadruns.seen import Reader
from dialtrace.loadruns.tables import BEHAVIOURS, Calls, Target

CALLS = 3
PLAYS = {
    "answers": ("hangs_up", 200),
    "silent": ("hangs_up", 200),
    "early_media": ("hangs_up", 200),
    "hangs_up": ("waits", 200),
    "busy": ("hangs_up", 486),
    "rejects": ("hangs_up", 603),
    "no_answer": ("gives_up", 487),
}


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS))
def test_given_a_target_then_its_scenario_is_xml_whose_words_are_all_filled(behaviour):
    text = scenarios.target(Target(name="t", behaviour=behaviour), speaks=True)
    ET.fromstring(text)
    assert set(re.findall(r"@([A-Z_]+)@", text)) <= {"MEDIA", "MEDIA_PORT", "KIND"}


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
@pytest.mark.parametrize("behaviour", sorted(PLAYS))
def test_given_a_target_when_called_then_each_call_ends_as_it_must_and_sipp_counts_the_same(behaviour):
    caller, status = PLAYS[behaviour]
    with ExitStack() as stack:
        machine, taken = LocalMachine("here", "127.0.0.1"), set()
        stack.callback(machine.close)
        media = {side: MediaProcess(machine, f"media-{side}", free_block(machine, taken)) for side in ("c", "t")}

        def words(side, base_s=0.0):
            return {"MEDIA": "127.0.0.1", "MEDIA_PORT": str(media[side].port), "KIND": side, "BASE": f"{base_s:.0f}"}

        target = SippProcess(
            machine, "target", scenarios.target(Target(name="t", behaviour=behaviour, ring_s=0.1), speaks=True),
            free_block(machine, taken), ["-timeout", "60s"], words("t"),
        )  # fmt: skip
        calls = [PlannedCall("k", place * 0.2, "+447700900001", 600) for place in range(CALLS)]
        machine.put("k.calls", calls_file(calls, ["+441632960100"]))
        for side in ("c", "t"):
            log = machine.path("k.logs" if side == "c" else "target.logs")
            media[side].start([log], ulaw_tone(700, 1.0), AllowList(), drop=0.0, seed=1, limit_s=90)
            stack.callback(media[side].stop)
            media[side].await_ready(within_s=60)
        base_s = float(int(time.time()) + 2)
        arguments = placing_arguments(
            ("127.0.0.1", target.port), "k.calls", calls, tail=".k@load", standing=10, limit_s=60
        )
        kind = Calls(name="k", share=1.0, targets=["t"], caller=caller, after_s=0.5)
        placing = SippProcess(
            machine, "k", scenarios.caller(kind, speaks=True), free_block(machine, taken), arguments, words("c", base_s)
        )
        for one in (target, placing):
            one.start()
            stack.callback(one.stop)
        assert await_end([placing.running], time.monotonic() + 70)
        placing.check()
        target.check()
        reader = Reader(calls, tail=".k@load", base_s=base_s, expected={"k": status})
        reader.feed(placing.more_trace())
        counted = placing.counted()
    assert [call.status for call in reader.calls] == [status] * CALLS
    assert all(call.good for call in reader.calls)
    assert (counted.created, counted.successful, counted.failed) == (CALLS, CALLS, 0)
    assert [line.what for line in against_sipp(reader.calls, [counted]) if not line.balances] == []
    # Never before its moment: a call that came early would be one that nobody planned.
    assert all(call.late_ms >= -5 for call in reader.calls)
