"""`dialtrace work pools` as a process: it takes the turn, places numbers, and another takes over when it is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import text


@pytest.fixture
def manage(database_url, tmp_path):
    started = []

    def start():
        environment = {**os.environ, "DIALTRACE_DATABASE_URL": database_url, "DIALTRACE_DATA_DIR": str(tmp_path)}
        path = tmp_path / f"pools-{len(started)}.log"
        with path.open("wb") as log:
            command = [sys.executable, "-m", "dialtrace", "work", "pools"]
            started.append(process := subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        until(lambda: b"ready to look after" in path.read_bytes(), within_s=40)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(condition, within_s=20.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_given_nodes_that_come_and_drain_then_within_five_seconds_numbers_follow_and_a_killed_manager_is_replaced(
    manage, stock, owner_engine, database_url
):
    def firsts():
        with owner_engine.connect() as connection:
            return {row[0] for row in connection.execute(text("SELECT DISTINCT first_node FROM pool_numbers"))}

    stock.node("a")
    stock.pool(20)
    first = manage()
    until(lambda: firsts() == {"a"})
    second = manage()
    # What would move, before it moves.
    command = [sys.executable, "-m", "dialtrace", "pool", "plan", "--node", "b=100"]
    told = subprocess.run(
        command, env={**os.environ, "DIALTRACE_DATABASE_URL": database_url}, capture_output=True, text=True, check=True
    ).stdout
    moved = int(told.splitlines()[-1].split()[0])
    assert told.splitlines()[0].split() == ["a", "20", "->", str(20 - moved)]
    assert firsts() == {"a"}
    stock.node("b")
    until(lambda: firsts() == {"a", "b"}, within_s=5)
    with owner_engine.connect() as connection:
        counted = text("SELECT count(*) FROM pool_numbers WHERE first_node = 'b'")
        assert connection.execute(counted).scalar_one() == moved
    first.send_signal(signal.SIGKILL)
    first.wait()
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE nodes SET drain_asked_at = now() WHERE name = 'a'"))
    until(lambda: firsts() == {"b"}, within_s=5)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=5) == 0
