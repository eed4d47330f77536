"""`dialtrace work hooks` as a process: it asks, ends cleanly, and may be killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from dialtrace.clock import SystemClock
from dialtrace.tenancy.service import TenancyService

from .conftest import CUSTOMER


@contextmanager
def hooks(database_url):
    """The process, as `dialtrace up` starts it; ready when this returns."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind("")
        told.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "dialtrace", "work", "hooks"],
            env={
                **os.environ,
                "DIALTRACE_DATABASE_URL": database_url,
                "DIALTRACE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
                "NOTIFY_SOCKET": "@" + told.getsockname()[1:].decode(),
            },
        )
        try:
            assert told.recv(100) == b"READY=1"
            yield process
        finally:
            process.kill()
            process.wait(5)


class Silent:
    """Takes connections and says nothing."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.taken = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.taken.append(self._listener.accept()[0])
            except OSError:
                return

    @property
    def url(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self.taken:
            sock.close()


@pytest.fixture
def silent():
    listening = Silent()
    yield listening
    listening.close()


def eventually(look, timeout_s=15.0):
    until_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < until_s, f"waited {timeout_s} s in vain"
        time.sleep(0.02)
    return found


def settled(row_of, decision):
    return lambda: row_of(decision).state in {"answered", "failed"}


def test_given_the_process_when_calls_arrive_then_they_are_answered_long_before_their_time_is_over(
    database_url, arrive, receiver, row_of
):
    with hooks(database_url) as process:
        # The first one makes connections and first-time work.
        eventually(settled(row_of, arrive(receiver.url, timeout_s=20)))
        for _ in range(5):
            begun_s = time.monotonic()
            decision = arrive(receiver.url, caller=CUSTOMER)
            eventually(settled(row_of, decision))
            assert time.monotonic() - begun_s < 2.5
            assert row_of(decision).answer == "sales"
            time.sleep(0.13)
        process.send_signal(signal.SIGTERM)
        assert process.wait(4) == 0


def test_given_forty_slow_questions_then_they_run_side_by_side_and_other_clients_do_not_wait(
    database_url, arrive, receiver, silent, row_of, database, client
):
    slow = TenancyService(database, SystemClock()).create_client(client.agency_id, "Slow")
    with hooks(database_url):
        eventually(settled(row_of, arrive(receiver.url, timeout_s=20)))
        slow_ones = [arrive(silent.url, of=slow, timeout_s=6) for _ in range(40)]
        eventually(lambda: len(silent.taken) == 16)
        begun_s = time.monotonic()
        quick = arrive(receiver.url)
        eventually(settled(row_of, quick))
        assert time.monotonic() - begun_s < 2.5
        assert row_of(quick).answer == "sales"
        assert len(silent.taken) == 16
        eventually(lambda: all(row_of(one).state == "failed" for one in slow_ones), timeout_s=30)
        # Those whose turn came with little of their time left are asked for so long, or are too late; which, and how
        # many, is the machine's speed.
        assert {row_of(one).fault for one in slow_ones} <= {"timed_out", "late", "unasked"}


def test_given_sigterm_with_a_question_on_its_way_then_it_is_given_back_and_the_next_process_asks_it(
    database_url, arrive, silent, row_of
):
    with hooks(database_url) as process:
        decision = arrive(silent.url, timeout_s=20)
        eventually(lambda: silent.taken)
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(8) == 0
        assert time.monotonic() - begun_s < 5
        assert row_of(decision).state == "waiting"
    with hooks(database_url):
        eventually(lambda: len(silent.taken) == 2)
        first, second = (sock.recv(65536) for sock in silent.taken)
        assert f"webhook-id: {decision}".encode() in first
        assert f"webhook-id: {decision}".encode() in second


def test_given_kill_nine_in_the_middle_then_the_question_is_closed_when_its_time_is_over(
    database_url, arrive, silent, row_of
):
    with hooks(database_url) as process:
        decision = arrive(silent.url, timeout_s=1)
        eventually(lambda: silent.taken)
        process.kill()
        process.wait(5)
    assert row_of(decision).state == "asking"
    with hooks(database_url):
        eventually(settled(row_of, decision), timeout_s=20)
    assert row_of(decision).fault == "unanswered"
