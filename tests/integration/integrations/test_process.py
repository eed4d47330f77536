"""`dialtrace work integrations` as processes: what it tells, and one that is killed in the middle."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

from sqlalchemy import text

from tests.vendors.server import Fault

QUICK = {
    "DIALTRACE_INTEGRATION_DELAYS_S": "0.1,0.2,0.3,0.5,0.5,0.7,0.7,1,1,1,1",
    "DIALTRACE_INTEGRATION_TIMEOUT_S": "1",
    "DIALTRACE_INTEGRATION_DOUBT_S": "1",
}


@contextmanager
def telling(database_url, **settings):
    """The process, as `dialtrace up` starts it; ready when this returns."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind("")
        told.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "dialtrace", "work", "integrations"],
            env={
                **os.environ,
                **QUICK,
                "DIALTRACE_DATABASE_URL": database_url,
                "DIALTRACE_MASTER_KEYS": base64.b64encode(bytes(range(32))).decode(),
                "DIALTRACE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
                "NOTIFY_SOCKET": "@" + told.getsockname()[1:].decode(),
                **settings,
            },
        )
        try:
            assert told.recv(100) == b"READY=1"
            yield process
        finally:
            process.kill()
            process.wait(5)


def eventually(look, timeout_s=40.0):
    until_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < until_s, "it did not come to be in time"
        time.sleep(0.05)
    return found


def test_given_two_processes_and_one_that_is_killed_then_every_call_is_told(
    database_url, platform, notices, telegram, owner_engine
):
    with telling(database_url) as first, telling(database_url):
        platform.end_calls([{} for _ in range(6)])
        platform.sequence()
        eventually(lambda: len(telegram.messages) == 6)
        telegram.mood = lambda _: Fault("lose")
        platform.end_calls([{} for _ in range(4)])
        platform.sequence()
        eventually(lambda: len(telegram.requests) > 6)
        first.send_signal(signal.SIGKILL)
        first.wait(5)
        # As if the time of every claim were over: of the killed one's too.
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE integration_deliveries SET claimed_until = now() WHERE state = 'sending'"))
        telegram.mood = lambda _: None
        eventually(lambda: all(one.state == "done" for one in platform.ledger(notices)))
    assert len(platform.ledger(notices)) == 10


def test_given_a_process_that_is_told_to_stop_then_what_it_had_in_hand_is_in_doubt(
    database_url, platform, notices, telegram
):
    telegram.mood = lambda _: Fault("lose")
    with telling(database_url, DIALTRACE_INTEGRATION_TIMEOUT_S="30") as process:
        platform.end_call()
        platform.sequence()
        eventually(lambda: telegram.requests)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    (entry,) = platform.ledger(notices)
    assert (entry.state, entry.reason) == ("sent", "stopped")
