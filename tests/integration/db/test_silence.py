"""A database that stands still, its sockets open: nobody waits for it for ever."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dialtrace.api.health import Readiness
from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database
from dialtrace.db.migrate import upgrade

SCRIPT = """
import sys
if sys.argv[2] == "gevent":
    from gevent import monkey; monkey.patch_all()
from dialtrace.db import green
from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable
(green.patch_psycopg if sys.argv[2] == "gevent" else green.bound_psycopg)(1.0)
database = Database(sys.argv[1])
def ask():
    with database.directory() as connection:
        connection.exec_driver_sql("SELECT 1")
ask()
print("ready", flush=True)
sys.stdin.readline()
try:
    ask()
except DatabaseUnavailable as fault:
    print(fault, flush=True)
sys.stdin.readline()
ask()
print("back", flush=True)
"""


class Server:
    """A server of our own that can be made to stand still."""

    def __init__(self, folder: Path) -> None:
        self.embedded = start_embedded(folder)
        self.url = self.embedded.url
        upgrade(self.url)

    def signal(self, number: int) -> None:
        leader = psutil.Process(int((self.embedded.data_dir / "postmaster.pid").read_text().split()[0]))
        for process in (leader, *leader.children()):
            with suppress(ProcessLookupError):  # a server's process for a connection may just have ended
                os.kill(process.pid, number)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="dialtrace-test-") as folder:
        made = Server(Path(folder) / "postgres")
        yield made
        made.signal(signal.SIGCONT)
        made.embedded.stop()


@pytest.mark.parametrize("kind", ["gevent", "threads"])
def test_given_a_server_that_stands_still_when_asked_then_the_wait_ends_and_it_is_found_again(
    server: Server, kind: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        assert asking.stdout.readline() == "ready\n"
        server.signal(signal.SIGSTOP)
        try:
            asking.stdin.write("\n")
            asking.stdin.flush()
            assert "has not said a word for 1 s" in asking.stdout.readline()
        finally:
            server.signal(signal.SIGCONT)
        asking.stdin.write("\n")
        asking.stdin.flush()
        assert asking.stdout.readline() == "back\n"


def test_given_a_server_that_stands_still_when_readiness_is_asked_for_then_it_says_so_in_time(server: Server) -> None:
    database = Database(server.url)
    readiness = Readiness(database)
    assert readiness.check(10) == {"database": "ok", "migrations": "ok"}
    server.signal(signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        for _ in range(3):
            assert readiness.check(0.1)["database"] == "It has not answered within 0.1 s."
        assert time.monotonic() - began_s < 2
    finally:
        server.signal(signal.SIGCONT)
    until_s = time.monotonic() + 10
    while readiness.check(1)["database"] != "ok" and time.monotonic() < until_s:
        time.sleep(0.05)
    assert readiness.check(5) == {"database": "ok", "migrations": "ok"}
    database.dispose()
