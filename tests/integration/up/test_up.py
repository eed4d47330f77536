"""`dialtrace up` for real: killed, started again, started twice, its database killed, its ports taken."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dialtrace.launch import free_port
from dialtrace.leftovers import Entry, end, read_record


class Place:
    """A data folder with ports of its own, and every `up` that was started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sip_port = free_port(socket.SOCK_DGRAM)
        taken: set[int] = set()
        for _ in range(2):
            taken.add(free_port(avoid=taken))
        self.api_port, self.worker_port = taken
        self.runs: list[subprocess.Popen[str]] = []

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("DIALTRACE_")},
            "DIALTRACE_DATA_DIR": str(self.folder),
            "DIALTRACE_API_LISTEN": f"127.0.0.1:{self.api_port}",
            "DIALTRACE_WORKER_LISTEN": f"127.0.0.1:{self.worker_port}",
        }

    def start(self) -> subprocess.Popen[str]:
        run = subprocess.Popen(
            [sys.executable, "-m", "dialtrace", "up", "--sip-port", str(self.sip_port)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.runs.append(run)
        return run

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dialtrace", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def children(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in read_record(self.folder / "up.children")}

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def clear(self) -> None:
        for run in self.runs:
            if run.poll() is None:
                run.send_signal(signal.SIGTERM)
        for run in self.runs:
            run.communicate(timeout=60)
        end([(entry, None) for entry in self.children().values()], 0)


def until(true: Callable[[], bool], timeout_s: float = 40.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def said(run: subprocess.Popen[str], words: str) -> str:
    """What the run prints, up to the line that has these words."""
    assert run.stdout is not None
    text = ""
    for line in run.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"it ended without saying {words!r}:\n{text}")


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="dialtrace-test-") as folder:
        made = Place(Path(folder) / "data")
        yield made
        made.clear()


@pytest.mark.timeout(240)
def test_given_up_killed_with_9_when_started_again_then_its_node_goes_on_and_all_else_is_one_set_of_processes(
    place: Place,
) -> None:
    first = place.start()
    said(first, "platform is up")
    before = place.children()
    server = psutil.Process(before["api"].pid).children()[0]
    first.kill()
    os.kill(before["api"].pid, signal.SIGKILL)

    second = place.start()
    text = said(second, "platform is up")
    assert "goes on with its calls: node-1" in text
    after = place.children()
    assert after["node-1"] == before["node-1"]
    names = [name for name in before if name != "node-1"]
    assert all(not psutil.pid_exists(before[name].pid) or is_zombie(before[name].pid) for name in names)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "the server's own worker went too"

    refused = place.command("up", "--sip-port", str(place.sip_port))
    assert refused.returncode == 1
    assert f"another `dialtrace up` (pid {second.pid}) uses" in refused.stderr

    status = place.command("db", "status")
    assert status.returncode == 0, status.stderr
    assert until(place.is_ready), "db status only joined the database that up keeps"

    examined = place.command("doctor", "--json")
    found = [json.loads(line) for line in examined.stdout.splitlines()]
    assert {one["area"] for one in found} == {"machine", "database", "nodes", "store", "api", "numbers"}
    assert [one for one in found if one["state"] in {"fault", "unknown"} and one["what"] != "disk"] == []

    second.send_signal(signal.SIGTERM)
    rest, _ = second.communicate(timeout=60)
    assert rest.rstrip().endswith("stopped")
    assert second.returncode == 0
    assert place.children() == {}
    assert not psutil.pid_exists(after["node-1"].pid) or is_zombie(after["node-1"].pid)
    assert place.command("db", "status").returncode == 0, "while nothing runs the database is started for the command"
    assert not (place.folder / "postgres" / "postmaster.pid").exists()


@pytest.mark.timeout(120)
def test_given_the_database_killed_with_9_when_up_runs_then_it_is_started_again(place: Place) -> None:
    run = place.start()
    said(run, "platform is up")
    os.kill(int((place.folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    said(run, "the embedded PostgreSQL runs again")
    assert until(place.is_ready, 20)


@pytest.mark.timeout(120)
def test_given_a_port_that_somebody_has_when_started_then_it_is_said_which_and_nothing_stays(place: Place) -> None:
    with socket.create_server(("127.0.0.1", place.worker_port), reuse_port=True):
        run = place.start()
        text, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert f"call workers: 127.0.0.1:{place.worker_port}, held by pid {os.getpid()}" in text
    assert "DIALTRACE_WORKER_LISTEN" in text
    assert "Traceback" not in text
    assert place.children() == {}
    assert not (place.folder / "postgres" / "postmaster.pid").exists()


@pytest.mark.timeout(120)
def test_given_ctrl_c_while_it_starts_then_it_stops_at_once_and_cleanly(place: Place) -> None:
    run = place.start()
    assert until(lambda: "api" in place.children())
    run.send_signal(signal.SIGINT)
    text, _ = run.communicate(timeout=30)
    assert run.returncode == 0
    assert "stopping before everything had started\nstopped" in text
    assert "Traceback" not in text


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.timeout(240)
def test_given_a_platform_that_runs_when_dialtrace_restart_then_all_but_its_node_are_new_and_ready(
    place: Place,
) -> None:
    run = place.start()
    said(run, "platform is up")
    before = place.children()
    asked = place.command("restart")
    assert asked.returncode == 0, asked.stderr
    after = place.children()
    assert [line.split()[3] for line in asked.stdout.splitlines()[:2]] == ["worker-1", "worker-2"]
    assert {name for name in before if before[name] == after[name]} == {"node-1"}
    assert place.is_ready()
    run.send_signal(signal.SIGTERM)
    rest, _ = run.communicate(timeout=60)
    assert "started again while it ran: none" in rest
    again = place.command("restart")
    assert again.returncode == 1
    assert "No `dialtrace up` runs" in again.stderr
