"""The receivers of docs/howto/webhooks.md, as they stand there, against real messages."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dialtrace.demo.receiver import Receiver
from dialtrace.outgoing.signing import format_secret, signed_headers
from dialtrace.webhooks.model import WebhookValues

HOWTO = (Path(__file__).parents[3] / "docs" / "howto" / "webhooks.md").read_text(encoding="utf-8")
LANGUAGES = {"python": ("receiver.py", [sys.executable]), "javascript": ("receiver.mjs", ["node"])}


@pytest.fixture(params=LANGUAGES)
def theirs(request, tmp_path, platform):
    """A receiver of the how-to as a process, and the secret of the webhook that was made for it."""
    name, command = LANGUAGES[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (code,) = re.findall(rf"```{request.param}\n(.*?)```", HOWTO, re.DOTALL)
    (tmp_path / name).write_text(code, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = WebhookValues(url=f"http://127.0.0.1:{port}/")
    hook, secret = platform.webhooks.create_webhook(platform.client.agency_id, None, values)
    process = subprocess.Popen(
        [*command, str(tmp_path / name), str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "WEBHOOK_SECRET": format_secret(secret.key)},
    )  # fmt: skip
    until_s = time.monotonic() + 15
    while time.monotonic() < until_s and not _listens(port):
        time.sleep(0.05)
    yield process, hook, secret, port
    process.kill()
    process.wait(5)
    process.stdout.close()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status_of(port, headers, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_given_real_messages_then_the_receiver_takes_each_once(platform, theirs):
    process, hook, _, _ = theirs
    call = platform.end_call()
    platform.end_call(call, talk_ms=2000)
    platform.sequence()
    platform.work()
    (first, *_) = platform.webhooks.list_deliveries(hook.agency_id, None, hook.id, _all()).items[::-1]
    platform.webhooks.replay_delivery(hook.agency_id, None, hook.id, first.id)
    platform.work()
    platform.webhooks.rotate_secret(hook.agency_id, None, hook.id)
    platform.end_call()
    platform.sequence()
    platform.work()
    assert [process.stdout.readline().strip() for _ in range(3)] == ["call.ended", "call.revised", "call.ended"]
    assert {row.state for row in platform.webhooks.list_deliveries(hook.agency_id, None, hook.id, _all()).items} == {
        "delivered"
    }


def _all():
    from dialtrace.webhooks.model import DeliveryFilters

    return DeliveryFilters()


def test_given_what_is_forged_or_old_then_the_receiver_refuses_it(theirs):
    _, _, secret, port = theirs
    now, body = int(time.time()), b'{"type":"call.ended"}'

    def signed(keys, at_s=now, of=body):
        return signed_headers(keys, message_id="m1", timestamp_s=at_s, body=of)

    assert status_of(port, signed([bytes(32), secret.key]), body) == 204
    assert status_of(port, signed([bytes(32)]), body) == 401
    assert status_of(port, signed([secret.key], at_s=now - 301), body) == 401
    assert status_of(port, signed([secret.key]), body + b" ") == 401
    assert status_of(port, {**signed([secret.key]), "webhook-id": "m2"}, body) == 401
    assert status_of(port, {**signed([secret.key]), "webhook-signature": "v2,x v1 v1,%%% "}, body) == 401
    assert status_of(port, {}, body) == 401


def test_given_the_vector_of_standard_webhooks_then_our_signature_is_the_one_that_is_wanted():
    """reference/contracts/08: computed apart from this code."""
    body = b'{"type":"call.completed","timestamp":"2026-08-20T07:15:42Z","data":{"id":"call_01J0TEST"}}'
    headers = signed_headers([bytes(range(32))], message_id="msg_test_0001", timestamp_s=1787210142, body=body)
    assert headers["webhook-signature"] == "v1,7mXb/8SHtSqNZjvO1x+uL7krbsM/YXXL5cJdlTyadgo="


def test_given_the_receiver_of_the_drills_then_it_tells_what_is_missing_forged_and_out_of_order():
    """What judges the drills must be able to say no."""
    judge = Receiver()
    judge._keep(
        {"webhook-id": "1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"},
        b'{"position": 2, "data": {"call_id": "c", "rank": 4, "revision": 1}}', 200,
    )  # fmt: skip
    judge.keys = [bytes(32)]
    body = b'{"position": 1, "data": {"call_id": "c", "rank": 1, "revision": 1}}'
    judge._keep(signed_headers([bytes(32)], message_id="2", timestamp_s=int(time.time()), body=body), body, 200)
    judge._keep(signed_headers([bytes(32)], message_id="3", timestamp_s=int(time.time()), body=body), body, 500)
    told = judge.faults(["2", "3"])
    assert len(told) == 4, told
    assert judge.repeats() == 0
