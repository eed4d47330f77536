"""A demonstration without SIPp: the node's own SIP stack places the calls and answers them, and the books balance."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dialtrace.demo.phones import Phones, PhonesFailed, PhonesOfKind
from dialtrace.demo.sipp import Counts, SippFailed, free_media_port, target
from dialtrace.demo.stage import check_begun
from dialtrace.launch import free_port
from dialtrace.node.phones_plan import PhoneCall, PhonesPlan, PlannedTarget

HOST = "127.0.0.1"


@pytest.mark.timeout(120)
def test_given_own_callers_when_the_demo_runs_then_its_books_balance_and_it_says_who_called() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "dialtrace", "demo", "--calls", "10", "--rate", "5", "--callers", "own"],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(ran.stdout.strip().splitlines()[-1])
    assert summary["demo"] == "balanced"
    assert summary["callers"] == "own"
    assert "the node's own SIP stack places the calls and answers them" in ran.stderr
    both_voices = next(line for line in summary["books"] if line["what"].endswith("both voices on their own side"))
    assert both_voices["found"] == 6


def phones(folder: Path, name: str, **more: object) -> Phones:
    plan = PhonesPlan(HOST, free_port(socket.SOCK_DGRAM), str(folder / f"{name}.counts"), 700, 30, **more)  # type: ignore[arg-type]
    return Phones(name, folder, plan)


@pytest.fixture
def targets(tmp_path: Path):
    """Telephones that can be called without a node between."""
    found = phones(
        tmp_path, "targets", targets=tuple(PlannedTarget(kind, 100) for kind in ("answers", "busy", "unanswered"))
    )
    found.start()
    yield found
    found.stop()


def call(kind: str, dialled: str, to: int, *, hold_ms: int = 200, moment_ms: int = 0) -> PhoneCall:
    return PhoneCall(kind, dialled, "+447700900001", HOST, to, moment_ms, hold_ms)


def ended(found: Phones, timeout_s: float = 15.0) -> int:
    assert found.process is not None
    return found.process.wait(timeout_s)


def test_given_telephones_that_call_each_other_when_all_have_ended_then_each_kind_is_counted_as_it_went(
    tmp_path: Path, targets: Phones
) -> None:
    port = targets.plan.sip_port
    callers = phones(
        tmp_path,
        "callers",
        calls=(
            call("answered", "answers", port),
            call("answered", "busy", port),  # refused: not what its kind expects
            call("busy", "busy", port, moment_ms=300),
            call("busy", "answers", port),  # answered: not what its kind expects
            call("cancelled", "unanswered", port),
            call("unknown", "nobody", port),
        ),
    )
    callers.start()
    assert ended(callers) == 0
    assert PhonesOfKind(callers, "answered").counts() == Counts(2, 1, 1)
    assert callers.counts("busy") == Counts(2, 1, 1)
    assert callers.counts("cancelled") == Counts(1, 1, 0)
    assert callers.counts("unknown") == Counts(1, 1, 0)
    assert "a call of kind answered came to '486', expected '200 to BYE'" in callers.log_path.read_text()
    targets.stop()
    assert targets.counts("answers") == Counts(2, 2, 0)
    assert targets.counts("busy") == Counts(2, 2, 0)
    assert targets.counts("unanswered") == Counts(1, 1, 0)


def test_given_a_node_that_is_gone_when_called_then_the_call_has_failed_soon(tmp_path: Path) -> None:
    callers = phones(tmp_path, "callers", calls=(call("answered", "x", free_port(socket.SOCK_DGRAM)),))
    began_s = time.monotonic()
    callers.start()
    assert ended(callers) == 0
    assert callers.counts("answered") == Counts(1, 0, 1)
    assert time.monotonic() - began_s < 10


def test_given_a_standing_call_when_told_to_stop_then_it_is_hung_up_and_counted(
    tmp_path: Path, targets: Phones
) -> None:
    callers = phones(tmp_path, "callers", calls=(call("answered", "answers", targets.plan.sip_port, hold_ms=60_000),))
    callers.start()
    assert comes_true(lambda: targets.counts("answers").created == 1)
    time.sleep(0.5)  # It is answered 100 ms after it was taken.
    assert callers.process is not None
    callers.process.send_signal(signal.SIGTERM)
    assert ended(callers) == 0
    assert callers.counts("answered") == Counts(1, 0, 1)
    targets.stop()
    assert targets.counts("answers") == Counts(1, 1, 0), "it was told by a BYE"


def test_given_telephones_whose_starter_is_killed_when_they_notice_then_they_end_too(tmp_path: Path) -> None:
    plan = phones(tmp_path, "targets", targets=(PlannedTarget("busy"),)).plan
    (tmp_path / "plan").write_text(plan.to_json())
    command = [sys.executable, "-m", "dialtrace", "phones", "--plan", str(tmp_path / "plan")]
    start = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], start_new_session=True); time.sleep(60)"
    counts = Path(plan.counts)
    with subprocess.Popen([sys.executable, "-c", start, *command]) as starter:
        assert comes_true(lambda: counts.exists() and counts.read_text().count("\n") >= 2)
        starter.kill()
    assert comes_true(lambda: '"done": true' in counts.read_text())


def comes_true(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_given_a_port_that_is_taken_when_started_then_the_error_says_so(tmp_path: Path) -> None:
    found = phones(tmp_path, "targets", targets=(PlannedTarget("busy"),))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, found.plan.sip_port))
        with pytest.raises(PhonesFailed, match=f"SIP cannot listen on udp {HOST}:{found.plan.sip_port}"):
            found.start()


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
def test_given_a_media_port_that_is_taken_when_sipp_is_started_then_the_error_says_so_at_once(tmp_path: Path) -> None:
    audio = tmp_path / "tone.ulaw"
    audio.write_bytes(b"\xff" * 8000)
    media = free_media_port()
    sipp = target(
        "busy", "target_busy.xml", tmp_path, audio, sip_port=free_port(socket.SOCK_DGRAM), media_port=media, ring_ms=0
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, media))
        sipp.start()
        try:
            with pytest.raises(SippFailed, match=f"Unable to bind audio RTP socket .*{media}"):
                check_begun([sipp])
        finally:
            sipp.stop()
