"""Numbers proven by calls of the installation's own, on the whole platform and on either switch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dialtrace.apiclient import ApiClient
from dialtrace.demo.stage import Demo, DemoOptions, running_platform

FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
ANSWER = "127.0.0.1:31710"


@pytest.fixture(
    params=[
        "embedded",
        pytest.param(
            "freeswitch",
            marks=[pytest.mark.freeswitch, pytest.mark.skipif(FREESWITCH is None, reason="no FreeSWITCH")],
        ),
    ]
)
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    binary = Path(FREESWITCH) if request.param == "freeswitch" and FREESWITCH else None
    with running_platform(DemoOptions(calls=1, rate=1, nodes=1, seed=1, freeswitch=binary)) as started:
        yield started


def dialtrace(demo: Demo, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("DIALTRACE_")}
    return subprocess.run(
        [sys.executable, "-m", "dialtrace", *words],
        env={**own, **demo.plan.environment, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


class Owner:
    """A client with numbers, each with a flow of its own."""

    def __init__(self, demo: Demo) -> None:
        operator = ApiClient(demo.plan.api_url, demo.plan.operator_token)
        self.agency = operator.post("/v1/agencies", {"name": "North"})["id"]
        key = operator.post("/v1/keys", {"agency_id": self.agency, "role": "agency", "name": "test"})["token"]
        self.api = ApiClient(demo.plan.api_url, key)
        self.client = self.api.post("/v1/clients", {"name": "Its client"})["id"]

    def target(self, address: str) -> dict[str, Any]:
        made = self.api.post("/v1/targets", {"client_id": self.client, "name": address, "address": f"sip:t@{address}"})
        return {"type": "ring", "targets": [made["id"]]}

    def number(self, e164: str, *steps: dict[str, Any], record: bool = True) -> str:
        document = {"version": 1, "record": record, "steps": list(steps)}
        flow = self.api.post("/v1/flows", {"client_id": self.client, "name": e164, "document": document})["id"]
        made = self.api.post("/v1/numbers", {"client_id": self.client, "number": e164, "flow_id": flow})
        return str(made["id"])

    def proof(self, number_id: str) -> tuple[bool, dict[str, bool]]:
        """Whether it was ever proven, and each step of the last proof."""
        number = self.api.get(f"/v1/numbers/{number_id}")
        steps = {step["name"]: step["ok"] for step in number["last_proof"]["steps"]}
        assert number["last_proof"]["outcome"] == ("proven" if all(steps.values()) else "failed")
        return number["last_proven_at"] is not None, steps


@pytest.mark.timeout(240)
def test_given_numbers_when_proven_then_tone_flow_record_and_recording_are_known_and_no_report_counts_the_calls(
    demo: Demo,
) -> None:
    owner = Owner(demo)
    tone = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 3000}}
    echo = owner.number("+442079460201", owner.target(ANSWER))
    notice = owner.number("+442079460202", tone, record=False)
    dead = owner.number("+442079460203", owner.target("127.0.0.1:31799"))

    ran = dialtrace(demo, "number", "prove", "+442079460201", "--answer", ANSWER)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    good = {"reached", "answered", "echo", "ended", "cdr", "flow", "recording", "spoken"}
    assert owner.proof(echo) == (True, dict.fromkeys(good, True))

    ran = dialtrace(demo, "number", "prove", "--all")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    good = {"reached", "answered", "heard", "ended", "cdr", "flow", "recording"}
    assert owner.proof(notice) == (True, dict.fromkeys(good, True))
    assert owner.proof(dead) == (False, {"reached": False, "cdr": True, "flow": True, "recording": True})
    assert owner.proof(echo)[0], "what was proven once stays so"

    assert owner.api.get("/v1/calls")["data"] == []
    calls = owner.api.get("/v1/calls", test="only")["data"]
    assert (len(calls), {call["is_test"] for call in calls}) == (4, {True})

    told = dialtrace(demo, "call", "explain", calls[-1]["id"], "--agency", owner.agency)
    assert told.returncode == 0, told.stderr
    assert "This was a test call that the installation placed itself" in told.stdout
    assert f"{ANSWER} was called" in told.stdout

    # A stranger who knows the header but not the secret hides nothing.
    ran = dialtrace(demo, "number", "prove", "+442079460202", DIALTRACE_TEST_TOKEN="guessed-by-somebody-else")
    assert ran.returncode == 1
    assert owner.proof(notice)[1]["marked"] is False
    assert [call["is_test"] for call in owner.api.get("/v1/calls")["data"]] == [False]


def test_given_a_number_that_nobody_has_when_it_is_to_be_proven_then_that_is_said(demo: Demo) -> None:
    ran = dialtrace(demo, "number", "prove", "+442079460299")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "+442079460299: no number in service" in ran.stderr
