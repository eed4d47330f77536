"""A real SIP call on the whole platform that a web hook decides: the receiver of the how-to, the process that asks, the
monitor that wakes the call, on the embedded switch and on a real FreeSWITCH."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dialtrace.apiclient import ApiClient
from dialtrace.demo.stage import Demo, DemoOptions, running_platform
from dialtrace.launch import free_port, is_listening, reserve_rtp_block

from ..node.phone import Phone, Target, answers
from .conftest import CUSTOMER, HOWTO, STRANGER

FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
TIMEOUT_S = 6


@dataclass
class Shop:
    """A client whose number asks its CRM: who is called, and how to call it."""

    demo: Demo
    number: str
    phone: Phone
    desks: dict[str, Target]
    receiver: subprocess.Popen[bytes]

    def rung(self, caller: str) -> tuple[str, float]:
        """Which desk answers a call, and after how many seconds."""
        before = {name: len(desk.taken) for name, desk in self.desks.items()}
        begun_s = time.monotonic()
        call = self.phone.call(self.demo.plan.nodes[0].sip_address, self.number.lstrip("+"), caller=caller)
        call.answered(TIMEOUT_S + 12)
        took_s = time.monotonic() - begun_s
        assert any(seen.startswith(("180", "183")) for seen in call.seen), "the caller heard ringing meanwhile"
        call.bye()
        (name,) = (name for name, desk in self.desks.items() if len(desk.taken) > before[name])
        return name, took_s


def provision(demo: Demo, desks: dict[str, Target], url: str) -> tuple[str, str]:
    """The number, and the secret that its questions are signed with."""
    operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
    agency = operator.post("/v1/agencies", {"name": "Agency"})
    token = operator.post("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "k"})["token"]
    own = ApiClient(demo.plan.api_url, token)
    client = own.post("/v1/clients", {"name": "Shop"})["id"]
    targets = {
        name: own.post(
            "/v1/targets", {"client_id": client, "name": name, "address": f"sip:{name}@127.0.0.1:{desk.port}"}
        )["id"]
        for name, desk in desks.items()
    }
    steps: list[dict[str, Any]] = [
        {
            "type": "webhook", "name": "ask-crm", "url": url, "timeout_s": TIMEOUT_S,
            "choices": {"sales": "ring-sales", "support": "ring-support"}, "otherwise": "ring-reception",
        },
        *({"type": "ring", "name": f"ring-{name}", "targets": [id_]} for name, id_ in targets.items()),
    ]  # fmt: skip
    document = {"version": 2, "record": False, "language": "en", "steps": steps}
    flow = own.post("/v1/flows", {"client_id": client, "name": "asks", "document": document})["id"]
    own.post("/v1/numbers", {"client_id": client, "number": "+442079460001", "flow_id": flow, "label": "shop"})
    secret: str = own.get(f"/v1/clients/{client}/hook-secret")["secret"]
    return "+442079460001", secret


@pytest.fixture(
    scope="module",
    params=["embedded", pytest.param("freeswitch", marks=pytest.mark.freeswitch)],
)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    if request.param == "freeswitch" and FREESWITCH is None:
        pytest.skip("there is no FreeSWITCH here")
    switch = Path(str(FREESWITCH)) if request.param == "freeswitch" else None
    desks = {name: Target(answers(0.1)) for name in ("sales", "support", "reception")}
    phone, port = Phone(), free_port()
    # The telephones of these tests send their sound from ports of this block: the switch must take another.
    claim = reserve_rtp_block(20_000)
    folder = tmp_path_factory.mktemp("receiver")
    code = re.findall(r"```python\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)[0]
    (folder / "receiver.py").write_text(code, encoding="utf-8")
    with running_platform(DemoOptions(calls=1, rate=1, nodes=1, seed=1, freeswitch=switch)) as demo:
        number, secret = provision(demo, desks, f"http://127.0.0.1:{port}/calls/route")
        receiver = subprocess.Popen(
            [sys.executable, str(folder / "receiver.py"), str(port)],
            env={**os.environ, "HOOK_SECRET": secret},
            stderr=subprocess.DEVNULL,
        )
        until_s = time.monotonic() + 10
        while not is_listening(("127.0.0.1", port)):
            assert time.monotonic() < until_s
            time.sleep(0.05)
        try:
            yield Shop(demo, number, phone, desks, receiver)
        finally:
            receiver.kill()
            receiver.wait(5)
    if claim is not None:
        claim.close()
    phone.close()
    for desk in desks.values():
        desk.close()


@pytest.mark.timeout(240)
def test_given_callers_when_the_web_hook_decides_then_each_reaches_the_desk_it_named(shop: Shop) -> None:
    for caller, wanted in ((CUSTOMER, "sales"), (STRANGER, "support"), (CUSTOMER, "sales")):
        name, took_s = shop.rung(caller)
        assert name == wanted
        assert took_s < TIMEOUT_S, "nobody waited for the time-out"


@pytest.mark.timeout(240)
def test_given_a_web_hook_that_is_silent_then_the_default_when_the_time_is_over(shop: Shop) -> None:
    shop.receiver.send_signal(signal.SIGSTOP)
    try:
        name, took_s = shop.rung(CUSTOMER)
    finally:
        shop.receiver.send_signal(signal.SIGCONT)
    assert name == "reception"
    assert TIMEOUT_S - 1 < took_s < TIMEOUT_S + 4


@pytest.mark.timeout(240)
def test_given_the_asker_killed_in_the_middle_then_the_plans_own_time_out_goes_on(shop: Shop) -> None:
    shop.receiver.send_signal(signal.SIGSTOP)
    child = shop.demo.supervisor.children["hooks"]
    assert child.pid is not None
    try:
        os.kill(child.pid, signal.SIGKILL)
        name, took_s = shop.rung(CUSTOMER)
    finally:
        shop.receiver.send_signal(signal.SIGCONT)
    assert name == "reception"
    assert TIMEOUT_S - 1 < took_s < TIMEOUT_S + 4


@pytest.mark.timeout(240)
def test_given_the_asker_started_again_then_web_hooks_decide_as_before(shop: Shop) -> None:
    until_s = time.monotonic() + 60
    while shop.rung(STRANGER)[0] != "support":
        assert time.monotonic() < until_s
        shop.demo.supervisor.tend()
