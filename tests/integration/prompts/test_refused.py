"""What cannot be said refuses the flow at its prompt; everything else works as ever."""

import io
import os
import subprocess
import sys
import wave

import pytest
from sqlalchemy import func, select

from dialtrace.calls.errors import FlowFaulty
from dialtrace.calls.service import CallFlowService
from dialtrace.clock import SystemClock
from dialtrace.db.tables import flows, prompts, published_flows
from dialtrace.prompts.espeak import EspeakNg
from dialtrace.prompts.model import Say
from dialtrace.prompts.service import PromptService
from dialtrace.prompts.sound import telephone_wav

from ..calls.conftest import Tenant
from .test_rendering import needs_espeak, tone

TONE = {"type": "announce", "prompt": {"kind": "tone", "frequency_hz": 440, "duration_ms": 200}}


def says(text="Hello", **more):
    return {"type": "announce", "prompt": {"kind": "say", "text": text, **more}}


def document(*steps):
    return {"version": 2, "language": "en", "steps": list(steps)}


@pytest.fixture
def tenant(database, owner_engine):
    return Tenant(database, owner_engine)


def with_speech(tenant, program):
    speech = PromptService(tenant.database, SystemClock(), speech=EspeakNg(program), convert=telephone_wav)
    return CallFlowService(tenant.database, SystemClock(), prompts=speech)


def kept(tenant):
    with tenant.owner.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (flows, published_flows, prompts)
        ]


def test_given_no_program_when_a_flow_says_something_then_its_prompts_are_named_and_nothing_is_kept(tenant):
    calls = with_speech(tenant, "/nowhere/espeak-ng")
    with pytest.raises(FlowFaulty) as caught:
        calls.create_flow(tenant.agency_id, tenant.client_id, name="f", document=document(TONE, says(), says("Bye")))
    assert [fault.pointer for fault in caught.value.faults] == ["/steps/1/prompt", "/steps/2/prompt"]
    assert "install" in caught.value.faults[0].message
    assert kept(tenant) == [0, 0, 0]


def test_given_no_program_when_a_flow_says_nothing_then_it_is_published(tenant):
    calls = with_speech(tenant, "/nowhere/espeak-ng")
    calls.create_flow(tenant.agency_id, tenant.client_id, name="f", document=document(TONE))
    assert kept(tenant) == [1, 1, 0]


@needs_espeak
def test_given_a_flow_when_it_is_changed_to_what_cannot_be_said_then_it_stays_as_it_was(tenant):
    calls = with_speech(tenant, "espeak-ng")
    made = calls.create_flow(tenant.agency_id, tenant.client_id, name="f", document=document(says()))
    with pytest.raises(FlowFaulty, match="nobody"):
        calls.update_flow(tenant.agency_id, made.id, document=document(says("Hello again", voice="nobody")))
    assert calls.get_flow(tenant.agency_id, made.id) == made
    assert kept(tenant) == [1, 1, 1]


@needs_espeak
def test_given_the_command_line_when_it_says_imports_and_lists_then_both_are_kept(database_url, owner_engine, tmp_path):
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DIALTRACE_")}
    settings |= {"DIALTRACE_DATABASE_URL": database_url, "DIALTRACE_DATA_DIR": str(tmp_path)}

    def dialtrace(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "dialtrace", "prompt", *arguments],
            env=settings, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    (tmp_path / "notice.wav").write_bytes(tone(16_000, 0.5))
    (tmp_path / "song.wav").write_bytes(b"ID3 no wav")
    name = Say("Hello", "en").name
    assert dialtrace("say", "Hello").stdout == f"{name}\n"
    assert dialtrace("import", str(tmp_path / "notice.wav")).stdout == "notice\t0.5 s\n"
    refused = dialtrace("import", str(tmp_path / "song.wav"))
    assert refused.returncode == 1
    assert "PCM is wanted" in refused.stderr
    listed = [line.split("\t")[1:4] for line in dialtrace("list").stdout.splitlines()]
    assert listed == [["notice", "file", "-"], [name, "say", "en"]]
    with owner_engine.connect() as connection:
        wav = connection.execute(select(prompts.c.wav).where(prompts.c.name == "notice")).scalar_one()
    with wave.open(io.BytesIO(wav)) as file:
        assert file.getframerate() == 8000
