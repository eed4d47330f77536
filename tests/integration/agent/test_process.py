"""The agent as a process of its own: it follows a hang-up within two seconds, survives kill -9, and stops in order."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from dialtrace.ids import new_id
from dialtrace.nodesfile import NodeSettings, write_nodes

from .conftest import tone


@pytest.fixture
def environment(node, database_url, tmp_path) -> dict[str, str]:
    nodes = tmp_path / "nodes.json"
    write_nodes(
        nodes, [NodeSettings("node-1", "freeswitch", "127.0.0.1:24060", "127.0.0.1:24021", "x" * 12, node.spool)]
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "DIALTRACE_DATA_DIR": str(tmp_path),
        "DIALTRACE_DATABASE_URL": database_url.replace("postgresql+psycopg2", "postgresql"),
        "DIALTRACE_NODES_FILE": str(nodes),
        "DIALTRACE_RECORDINGS_URL": str(node.objects.root),
        "DIALTRACE_LOG_FORMAT": "json",
    }


def start(environment: dict[str, str], log) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dialtrace", "agent"], env=environment, stderr=log, stdout=log, cwd="/"
    )


@contextmanager
def running(environment: dict[str, str], tmp_path) -> Iterator[subprocess.Popen[bytes]]:
    with open(tmp_path / "agent.log", "ab") as log:
        process = start(environment, log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(timeout=10)


def wait_until(condition, timeout_s: float, what: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        if condition():
            return time.monotonic() - began
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def put_call(node, *, recorded: bool = True) -> None:
    """One answered call that began now: its recording first, then its files in the order of the switch."""
    call, started = new_id(), datetime.now(UTC) - timedelta(seconds=5)
    if recorded:
        node.put_recording(call, tone(0.05), day=f"{started:%Y%m%d}")
    node.put_cdr("01-answered.b1", as_call=call, started=started)
    node.put_cdr("01-answered.a", as_call=call, started=started)


def count(node, what: str) -> int:
    return node.rows(f"SELECT count(*) FROM {what}")[0][0]


def test_given_a_running_agent_when_calls_end_then_each_is_recorded_within_two_seconds(node, environment, tmp_path):
    with running(environment, tmp_path) as agent:
        put_call(node)
        wait_until(lambda: count(node, "calls") == 1, 60, "the agent is up")
        delays = []
        for number in range(2, 12):
            put_call(node)
            delays.append(
                wait_until(lambda wanted=number: count(node, "events WHERE type = 'call.ended'") == wanted, 60, "call")
            )
        wait_until(lambda: count(node, "recordings WHERE state = 'verified'") == 11, 60, "recordings")
        wait_until(lambda: node.files("recordings-due") == [], 60, "reminders")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=30) == 0

    # The others may meet a machine that is busy with something else.
    assert min(delays) < 2.0
    assert [node.files(folder) for folder in ("cdr", "recordings", "cdr-broken")] == [[], [], []]
    assert count(node, "calls WHERE revision > 1") == 0


def test_given_an_agent_killed_again_and_again_when_calls_come_then_each_is_there_once(node, environment, tmp_path):
    chance = random.Random(7)
    total = 0
    for _ in range(5):
        with running(environment, tmp_path) as agent:
            wait_until(lambda: "agent ready" in (tmp_path / "agent.log").read_text(), 60, "the agent is up")
            began = time.monotonic()
            lives_s = chance.uniform(0.8, 2.2)
            while time.monotonic() - began < lives_s:
                put_call(node, recorded=total % 3 > 0)
                total += 1
                time.sleep(0.02)
            agent.kill()
            agent.wait(timeout=10)
        (tmp_path / "agent.log").write_text("")
    with running(environment, tmp_path):
        done = "recordings WHERE state IN ('verified', 'absent')"
        wait_until(lambda: count(node, "calls") == total and count(node, done) == total, 60, f"{total} calls")
        wait_until(lambda: node.files("recordings-due") == [], 10, "reminders")

    assert total > 60
    assert count(node, "legs") == total
    assert node.rows(
        "SELECT count(*), count(DISTINCT call_id) FROM events WHERE revision = 1 AND type = 'call.ended'"
    ) == [(total, total)]
    stored = sum(1 for number in range(total) if number % 3 > 0)
    assert count(node, "recordings WHERE state = 'verified'") == stored
    assert count(node, "recordings WHERE absence_reason = 'missing'") == total - stored
    assert len([path for path in node.objects.root.rglob("*.wav") if path.is_file()]) == stored
    assert [node.files(folder) for folder in ("cdr", "recordings", "cdr-broken")] == [[], [], []]


def test_given_a_second_agent_on_the_spool_when_the_first_is_killed_then_it_takes_over(node, environment, tmp_path):
    with running(environment, tmp_path) as first:
        put_call(node)
        wait_until(lambda: count(node, "calls") == 1, 60, "the first is up")
        with running(environment, tmp_path):
            said = "another agent has the spool"
            wait_until(lambda: said in (tmp_path / "agent.log").read_text(), 60, "the second says why it waits")
            first.kill()
            first.wait(timeout=10)
            put_call(node)
            wait_until(lambda: count(node, "calls") == 2, 10, "the second works")


def test_given_no_database_when_the_agent_runs_then_it_waits_and_goes_on_when_it_is_back(node, environment, tmp_path):
    good = environment["DIALTRACE_DATABASE_URL"]
    put_call(node)
    away = environment | {"DIALTRACE_DATABASE_URL": "postgresql://nobody@127.0.0.1:24197/none"}
    with running(away, tmp_path) as agent:
        wait_until(lambda: "they wait on disk" in (tmp_path / "agent.log").read_text(), 60, "it says so")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=30) == 0
    assert len(node.files("cdr")) == 2

    with running(environment | {"DIALTRACE_DATABASE_URL": good}, tmp_path):
        wait_until(lambda: count(node, "calls") == 1, 60, "it goes on")
    lines = [json.loads(line) for line in (tmp_path / "agent.log").read_text().splitlines() if line.startswith("{")]
    assert lines
    assert not any("74955550123" in json.dumps(line) for line in lines), "no telephone number is logged"


def test_given_a_running_agent_when_calls_end_then_their_events_get_positions(node, environment, tmp_path):
    with running(environment, tmp_path):
        for _ in range(3):
            put_call(node, recorded=False)
        wait_until(lambda: count(node, "events WHERE position IS NOT NULL") == 3, 60, "every event has a position")
    assert [row[0] for row in node.rows("SELECT position FROM events ORDER BY 1")] == [1, 2, 3]
