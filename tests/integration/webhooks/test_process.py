"""`dialtrace work webhooks` as processes: a receiver's bad day, a sender that is killed, one that is told to stop."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

from dialtrace.demo.receiver import BUSY, FAILING, WELL, Receiver, slow

QUICK = {
    "DIALTRACE_WEBHOOK_DELAYS_S": "0.1,0.2,0.3,0.5,0.5,0.7,0.7,1,1,1,1",
    "DIALTRACE_WEBHOOK_TIMEOUT_S": "1",
    "DIALTRACE_WEBHOOK_PAUSE_AFTER_S": "3600",
}


@contextmanager
def sending(database_url, **settings):
    """The process, as `dialtrace up` starts it; ready when this returns."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind("")
        told.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "dialtrace", "work", "webhooks"],
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


def eventually(look, timeout_s=25.0):
    until_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < until_s, "it did not come to be in time"
        time.sleep(0.05)
    return found


def wanted(platform):
    """Ids of the whole log."""
    from dialtrace.events.service import read_after

    with platform.database.tenant(platform.client.agency_id) as connection:
        return [str(event.id) for event in read_after(connection, 0, 1000)]


def make_calls(platform, count):
    """Each ends, and is revised twice."""
    for _ in range(count):
        call = platform.end_call()
        for talk_ms in (2000, 3000):
            platform.end_call(call, talk_ms=talk_ms)
    platform.sequence()


def test_given_a_receiver_with_a_bad_day_and_a_sender_that_is_killed_then_all_comes_in_order_and_once(
    database_url, platform, receiver
):
    """Away, 500, 429 with Retry-After, slower than the sender waits, and well: the schedule is compressed, the rest is
    as it is."""
    platform.hook(receiver)
    healthy = Receiver().start()
    platform.hook(healthy)
    receiver.stop()
    with sending(database_url) as first, sending(database_url):
        make_calls(platform, 6)
        eventually(lambda: len(healthy.taken()) == 18)
        assert receiver.received == [], "it was away, and that held up nobody else"
        receiver.mood = FAILING
        receiver.start()
        make_calls(platform, 3)
        eventually(lambda: len(receiver.received) >= 4)
        first.send_signal(signal.SIGKILL)
        first.wait(5)
        _let_go(platform)
        receiver.mood = BUSY
        eventually(lambda: any(one.status == 429 for one in receiver.received))
        receiver.mood = slow(1.5)
        eventually(lambda: receiver.taken())
        make_calls(platform, 3)
        receiver.mood = WELL
        with sending(database_url):
            ids = wanted(platform)
            assert len(ids) == 36
            eventually(lambda: not receiver.faults(ids) and not healthy.faults(ids), timeout_s=40)
    assert receiver.repeats() > 0
    healthy.stop()


def _let_go(platform):
    """As if the time of every claim were over: of the killed one's too. What another one has in hand comes twice then,
    under one id."""
    with platform.database.tenant(platform.client.agency_id) as connection:
        connection.exec_driver_sql("UPDATE webhook_deliveries SET claimed_until = now() WHERE state = 'sending'")


def test_given_a_sender_that_is_told_to_stop_then_what_it_had_in_hand_is_given_back(database_url, platform, receiver):
    platform.hook(receiver)
    receiver.mood = slow(30.0)
    with sending(database_url, DIALTRACE_WEBHOOK_TIMEOUT_S="30") as process:
        platform.end_call()
        platform.sequence()
        eventually(lambda: receiver.received)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert (platform.claims.backlog().waiting, platform.claims.backlog().sending) == (1, 0)


def test_given_a_slow_receiver_with_much_to_take_then_others_are_told_in_a_moment(database_url, platform, receiver):
    slow_one = Receiver(mood=slow(0.9)).start()
    platform.hook(slow_one)
    with sending(database_url):
        make_calls(platform, 30)
        eventually(lambda: slow_one.received)
        platform.hook(receiver, event_types=["call.ended"])
        began_s = time.monotonic()
        platform.end_call()
        platform.sequence()
        eventually(lambda: receiver.taken())
        assert time.monotonic() - began_s < 1.0
    slow_one.stop()
