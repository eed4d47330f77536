"""The platform's own call worker and monitor beside a real FreeSWITCH: from a number in the database to the record."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..calls.conftest import Tenant
from ..calls.processes import Processes, journal_rows, kill
from ..node.phone import Phone, Target, answers, refuses
from .switch import RealSwitch, eventually, variables

pytestmark = pytest.mark.freeswitch
MakeTarget = Callable[..., Target]


@pytest.fixture
def processes(database_url: str, switch: RealSwitch, tmp_path: Path) -> Iterator[Processes]:
    found = Processes(database_url, tmp_path)
    found.worker_port = switch.worker_port
    yield found
    found.close()


def test_given_numbers_in_the_database_when_called_then_worker_and_fallback_connect_refuse_and_record(
    switch: RealSwitch,
    processes: Processes,
    tenant: Tenant,
    phone: Phone,
    target: MakeTarget,
) -> None:
    desk, busy = target(answers(0.1), hertz=600.0), target(refuses(486))
    connects = tenant.target(f"sip:t@127.0.0.1:{desk.port}")
    engaged = tenant.target(f"sip:t@127.0.0.1:{busy.port}")
    notice = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 200}}
    tenant.number("+74955550401", tenant.flow({"type": "ring", "targets": [str(engaged), str(connects)]}, record=True))
    tenant.number("+74955550402", tenant.flow(notice, {"type": "ring", "targets": [str(engaged)]}))
    worker = processes.worker()
    processes.monitor(switch.node)
    eventually(lambda: list((switch.spool / "plans").glob("401/74955550401.plan")), 10)

    call = phone.call(switch.sip, "+74955550401", hertz=300.0)
    call.answered()
    eventually(lambda: len(call.audio.heard) > 8000)
    call.bye()
    found = switch.records("74955550401", legs=3)
    assert found["a"]["dialtrace_decided"] == "worker"
    assert {leg["dialtrace_target"] for leg in found["b"]} == {str(connects), str(engaged)}
    assert found["a"]["dialtrace_attempts"] == f"{engaged},{connects}"
    recording = next((switch.spool / "recordings").glob(f"*/{found['a']['dialtrace_recordings']}"))
    with wave.open(str(recording)) as sound:
        assert sound.getnchannels() == 2
        assert sound.getnframes() > 4000
    assert found["a"]["uuid"] in journal_rows(switch.node)

    # Announced, so answered, before the target turns out to be busy: the end is a BYE.
    announced = phone.call(switch.sip, "+74955550402")
    announced.answered()
    assert announced.ended.wait(5)
    assert phone.call(switch.sip, "+74955550499").final().status == 404

    known = {one["uuid"] for one in eventually(lambda: len(_a_legs(switch)) >= 3 and _a_legs(switch))}
    kill(worker)
    again = phone.call(switch.sip, "74955550401")
    again.answered()
    again.bye()
    fallback = eventually(lambda: next((one for one in _a_legs(switch) if one["uuid"] not in known), None))
    assert (fallback["dialtrace_decided"], fallback["dialtrace_fallback"]) == ("fallback", "plan")


def _a_legs(switch: RealSwitch) -> list[dict[str, str]]:
    """What was written of the callers of this test."""
    read = [variables(path) for path in (switch.spool / "cdr").glob("a_*.cdr.json")]
    return [one for one in read if one.get("dialtrace_dialled", "").startswith("749555504")]
