"""What a killed supervisor leaves behind is found again, and never confused with a stranger's process."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dialtrace.leftovers import UNKNOWN_CODE, adopt, describe, end_session, read_record, write_record
from dialtrace.supervisor import ChildSpec, Supervisor

SWITCH = ChildSpec("switch", ["sleep", "60"], holds_calls=True)
WORKER = ChildSpec("worker", ["sleep", "60"])


#: Supervisors that were "killed"; they are kept until their children are gone.
KILLED: list[Supervisor] = []


def killed_supervisor(record: Path, *specs: ChildSpec) -> dict[str, int]:
    """Children as a supervisor leaves them that is killed: running and on record. Their ids by name."""
    supervisor = Supervisor()
    supervisor.start(specs)
    KILLED.append(supervisor)
    write_record(record, [child.entry for child in supervisor.children.values() if child.entry is not None])
    pids = {name: child.pid for name, child in supervisor.children.items()}
    return {name: pid for name, pid in pids.items() if pid is not None}


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "children"
    yield path
    while KILLED:
        KILLED.pop().stop()


def test_given_a_killed_supervisor_when_the_next_starts_then_the_switch_goes_on_and_the_rest_is_begun_again(
    record: Path,
) -> None:
    before = killed_supervisor(record, SWITCH, WORKER)
    with Supervisor(record=record) as supervisor:
        assert supervisor.settle_leftovers([SWITCH, WORKER]) == (["switch"], ["worker"])
        assert runs(before["switch"])
        assert not runs(before["worker"])
        supervisor.start([SWITCH, WORKER])
        assert supervisor.children["switch"].pid == before["switch"]
        assert supervisor.children["worker"].pid != before["worker"]
        supervisor.tend()
        assert supervisor.restarts() == {"switch": 0, "worker": 0}
    assert not runs(before["switch"])
    assert read_record(record) == []


def test_given_a_switch_that_is_to_run_differently_when_the_next_supervisor_starts_then_the_old_one_is_ended(
    record: Path,
) -> None:
    before = killed_supervisor(record, SWITCH)
    changed = replace(SWITCH, environment={"PORT": "5080"})
    with Supervisor(record=record) as supervisor:
        assert supervisor.settle_leftovers([changed]) == ([], ["switch"])
        assert not runs(before["switch"])


def test_given_an_adopted_switch_that_dies_when_tended_then_it_is_started_again_and_counted(record: Path) -> None:
    before = killed_supervisor(record, SWITCH)
    with Supervisor(record=record) as supervisor:
        supervisor.settle_leftovers([SWITCH])
        supervisor.start([SWITCH])
        os.kill(before["switch"], signal.SIGKILL)
        until_s = time.monotonic() + 5
        while supervisor.restarts()["switch"] == 0 and time.monotonic() < until_s:
            supervisor.tend()
            time.sleep(0.01)
        assert supervisor.restarts()["switch"] == 1
        assert supervisor.children["switch"].pid != before["switch"]
        assert [entry.pid for entry in read_record(record)] == [supervisor.children["switch"].pid]


def test_given_a_start_that_fails_before_the_switch_is_taken_over_then_it_runs_on_and_stays_on_record(
    record: Path,
) -> None:
    before = killed_supervisor(record, SWITCH)
    supervisor = Supervisor(record=record)
    supervisor.settle_leftovers([SWITCH])
    supervisor.__exit__(RuntimeError)
    assert runs(before["switch"])
    assert [entry.pid for entry in read_record(record)] == [before["switch"]]


def test_given_an_id_that_is_somebody_elses_by_now_when_adopted_then_it_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        entry = describe("switch", stranger.pid, "same")
        assert entry is not None
        assert adopt(replace(entry, start_ticks=entry.start_ticks - 1)) is None
        assert adopt(replace(entry, boot="another")) is None
        end_session(stranger.pid, entry.start_ticks + 1)
        assert runs(stranger.pid)
        stranger.kill()


def test_given_an_adopted_process_when_it_ends_then_waiting_for_it_ends_too() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        entry = describe("switch", child.pid, "same")
        assert entry is not None
        process = adopt(entry)
        assert process is not None
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(5) == UNKNOWN_CODE
        process.kill()


def test_given_a_server_killed_with_9_when_tended_then_the_workers_that_it_left_go_before_it_starts_again(
    tmp_path: Path,
) -> None:
    script = f"sleep 60 & echo $! >> {tmp_path}/workers; wait"
    with Supervisor() as supervisor:
        supervisor.start([ChildSpec("server", ["sh", "-c", script])])
        child = supervisor.children["server"]
        until_s = time.monotonic() + 5
        while not (tmp_path / "workers").exists() and time.monotonic() < until_s:
            time.sleep(0.01)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        while supervisor.restarts()["server"] == 0 and time.monotonic() < until_s:
            supervisor.tend()
            time.sleep(0.01)
        left = int((tmp_path / "workers").read_text().split()[0])
        while runs(left) and time.monotonic() < until_s:
            time.sleep(0.01)
        assert not runs(left)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "x"}]', "null"])
def test_given_a_broken_record_when_read_then_it_names_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "children").write_text(text)
    assert read_record(tmp_path / "children") == []


def test_given_a_record_that_cannot_be_written_when_started_then_the_children_run(tmp_path: Path) -> None:
    with Supervisor(record=tmp_path / "missing" / "children") as supervisor:
        supervisor.start([WORKER])
        assert supervisor.children["worker"].alive


def test_given_entries_when_written_then_they_are_read_back(record: Path) -> None:
    entry = describe("self", os.getpid(), "mark")
    assert entry is not None
    write_record(record, [entry])
    assert read_record(record) == [entry]
    record.unlink()
