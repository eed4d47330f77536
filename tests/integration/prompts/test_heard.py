"""A caller hears what a flow says: called as soon as it is published, and with no worker there; on both switches."""

from __future__ import annotations

import io
import shutil
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Engine, select

from dialtrace.calls.service import CallFlowService
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.db.tables import prompts
from dialtrace.nodesfile import NodeSettings
from dialtrace.prompts.espeak import EspeakNg
from dialtrace.prompts.service import PromptService
from dialtrace.prompts.sound import telephone_wav

from ..calls.conftest import Tenant
from ..calls.processes import Processes, eventually, kill
from ..freeswitch.switch import RealSwitch, freeswitch_binary, running
from ..node.phone import Dialog, Phone

pytestmark = [
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng: make setup installs it"),
    pytest.mark.timeout(180),
]

NUMBER = "+74955550701"
TEXT = "Здравствуйте. Вы позвонили в стоматологию на Садовой."


@dataclass
class Stage:
    """One switch of either kind, and where it is called."""

    node: NodeSettings
    processes: Processes
    sip: tuple[str, int]


@pytest.fixture(params=["embedded", pytest.param("freeswitch", marks=pytest.mark.freeswitch)])
def stage(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Stage]:
    processes = Processes(database_url, tmp_path)
    try:
        if request.param == "embedded":
            switch, node = processes.switch()
            yield Stage(node, processes, switch.sip)
        elif (binary := freeswitch_binary()) is None:
            pytest.skip("no FreeSWITCH here: set FREESWITCH_BIN or put freeswitch on PATH")
        else:
            with running(RealSwitch(tmp_path / "freeswitch", binary)) as real:
                processes.worker_port = real.worker_port
                yield Stage(real.node, processes, real.sip)
    finally:
        processes.close()


@pytest.fixture
def tenant(database: Database, owner_engine: Engine) -> Tenant:
    made, clock = Tenant(database, owner_engine), SystemClock()
    speech = PromptService(database, clock, speech=EspeakNg(), convert=telephone_wav)
    made.calls = CallFlowService(database, clock, prompts=speech)
    return made


@pytest.fixture
def call() -> Iterator[Callable[[Stage], Dialog]]:
    phone = Phone()
    yield lambda stage: phone.call(stage.sip, NUMBER, hertz=0.0)
    phone.close()


def published(tenant: Tenant) -> UUID:
    """A number whose flow says the text and hangs up."""
    said = {"type": "announce", "prompt": {"kind": "say", "text": TEXT}}
    document = {"version": 2, "language": "ru", "steps": [said, {"type": "hangup", "cause": "normal"}]}
    flow = tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="says", document=document)
    return tenant.number(NUMBER, flow.id)


def rendered(database: Database, tenant: Tenant) -> tuple[str, np.ndarray]:
    """The name and the samples of the one text that the agency has."""
    with database.tenant(tenant.agency_id) as connection:
        row = connection.execute(select(prompts)).one()
    with wave.open(io.BytesIO(row.wav)) as file:
        return row.name, np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def likeness(heard: np.ndarray, said: np.ndarray) -> float:
    """1.0 where one sound is the other, wherever it begins in it."""
    count = 1 << (len(heard) + len(said)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, count) * np.conj(np.fft.rfft(said, count)), count)
    return float(product.max() / np.sqrt((heard**2).sum() * (said**2).sum()))


def hears_it(dialog: Dialog, said: np.ndarray) -> None:
    dialog.answered()
    assert dialog.ended.wait(15), "the flow hangs up after what it says"
    heard = dialog.audio.codec.decode(bytes(dialog.audio.heard)).astype(float)
    assert len(heard) / 8000 == pytest.approx(len(said) / 8000, abs=0.6)
    assert likeness(heard, said) > 0.8


def test_given_a_flow_that_says_something_when_called_at_once_then_by_fallback_then_the_caller_hears_it(
    stage: Stage, tenant: Tenant, database: Database, call: Callable[[Stage], Dialog]
) -> None:
    worker = stage.processes.worker()
    published(tenant)
    dialog = call(stage)
    name, said = rendered(database, tenant)
    hears_it(dialog, said)

    # The file was brought by the worker. The monitor brings it too, before the plan that names it.
    file = stage.node.spool / "prompts" / f"{name}.wav"
    file.unlink()
    kill(worker)
    stage.processes.monitor(stage.node)
    plan = stage.node.spool / "plans" / "701" / f"{NUMBER[1:]}.plan"
    eventually(plan.exists, 40)
    assert name in plan.read_text(encoding="ascii")
    assert file.exists()
    hears_it(call(stage), said)
