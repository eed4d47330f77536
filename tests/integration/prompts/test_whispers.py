"""A target hears where its caller comes from: sentences rendered ahead by the job, played with and without a worker."""

from __future__ import annotations

import io
import shutil
import wave
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Engine, text

from dialtrace.calls.service import CallFlowService
from dialtrace.calls.whisper_sounds import MOST_A_RUN, WhisperSounds
from dialtrace.calls.whispers import told
from dialtrace.clock import FixedClock, SystemClock
from dialtrace.db.engine import Database
from dialtrace.ids import new_id
from dialtrace.prompts.errors import SpeechFailed
from dialtrace.prompts.espeak import EspeakNg
from dialtrace.prompts.model import Say
from dialtrace.prompts.service import PromptService, PromptSounds
from dialtrace.prompts.sound import telephone_wav

from ..calls.conftest import Tenant
from ..calls.processes import eventually, kill
from ..node.phone import HOST, Phone, Target, answers
from .test_heard import NUMBER, Stage, likeness, stage

__all__ = ["stage"]

pytestmark = pytest.mark.timeout(180)
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng: make setup installs it")

TEXT = "Вам звонят. Источник {source|не известен}, кампания {campaign|не известна}."


class Beeps:
    """Speaks a tone of its own length for each text; refuses one."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def render(self, say: Say) -> bytes:
        self.said.append(say.text)
        if "refused" in say.text:
            raise SpeechFailed("refused")
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(b"\x00\x10" * (400 + len(say.text)))
        return out.getvalue()


def published(tenant: Tenant, speech: PromptService, address: str = "sip:1@127.0.0.1:23190") -> UUID:
    """A static number of a source, whose one target is told of it."""
    tenant.calls = CallFlowService(tenant.database, SystemClock(), prompts=speech)
    desk = tenant.target(address)
    ring = {"type": "ring", "targets": [str(desk)], "whisper": {"kind": "say", "text": TEXT}}
    document = {"version": 2, "language": "ru", "steps": [ring]}
    flow = tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="tells", document=document)
    number = tenant.number(NUMBER, flow.id)
    tenant.set_number(number, channel="offline", source="радио", campaign="Весна_2026")
    return flow.id


@pytest.fixture
def tenant(database: Database, owner_engine: Engine) -> Tenant:
    return Tenant(database, owner_engine)


def visit(tenant: Tenant, source: str, campaign: str | None, *, ago: timedelta = timedelta(minutes=1)) -> None:
    began = datetime.now(UTC) - ago
    values = {"a": tenant.agency_id, "c": tenant.client_id, "v": new_id(), "s": began, "source": source, "k": campaign}
    with tenant.owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO visits (agency_id, id, started_at, client_id, site_id, visitor_id, landing_page, channel,"
                " source, campaign, classified_by, device, consent, last_seen_at)"
                " VALUES (:a, :v, :s, :c, :c, :v, '', 'other', :source, :k, '', 'other', 'given', :s)"
            ),
            values,
        )


def kept(tenant: Tenant) -> dict[str, str]:
    """Kinds of the agency's sounds by name."""
    with tenant.database.tenant(tenant.agency_id) as connection:
        return {row.name: row.kind for row in connection.execute(text("SELECT name, kind FROM prompts"))}


def named(source: str | None, campaign: str | None) -> str:
    return Say(told(TEXT, "ru", source=source, campaign=campaign), "ru").name


def test_given_sources_of_numbers_and_recent_visits_then_each_sentence_is_made_once_and_goes_after_its_time(
    tenant: Tenant, database: Database
) -> None:
    beeps, clock = Beeps(), FixedClock(datetime.now(UTC))
    speech = PromptService(database, clock, speech=beeps, convert=telephone_wav)
    published(tenant, speech)
    visit(tenant, "google", "spring")
    visit(tenant, "google", None)
    visit(tenant, "google", "spring")
    visit(tenant, "refused", None)
    visit(tenant, "yandex", "long ago", ago=timedelta(hours=2))
    sounds = WhisperSounds(database, speech)
    assert sounds.run() == 3
    own = {named("радио", "Весна_2026"), named("google", "spring"), named("google", None)}
    assert kept(tenant) == {named(None, None): "say"} | dict.fromkeys(own, "told")
    assert sounds.run() == 0
    assert len(beeps.said) == 1 + 3 + 2, "only what was refused is tried again"
    with tenant.owner.begin() as connection:
        connection.execute(text("UPDATE prompts SET created_at = now() - interval '31 days'"))
    # What is still wanted is made anew at once, and a sentence that a flow says as it is stays for good.
    speech.ensure_rendered(tenant.agency_id, [Say(told(TEXT, "ru", source="google"), "ru")])
    assert sounds.run() == 2
    assert kept(tenant)[named("google", None)] == "say"


def test_given_a_flood_of_campaigns_then_the_most_frequent_come_first_and_a_run_is_bounded(
    tenant: Tenant, database: Database
) -> None:
    speech = PromptService(database, SystemClock(), speech=Beeps(), convert=telephone_wav)
    published(tenant, speech)
    for number in range(MOST_A_RUN + 20):
        visit(tenant, "ads", f"made up {number}")
    for _ in range(2):
        visit(tenant, "ads", "real")
    assert WhisperSounds(database, speech).run() == MOST_A_RUN
    assert {named("ads", "real"), named("радио", "Весна_2026")} <= kept(tenant).keys()


def test_given_no_speech_where_the_job_runs_then_nothing_is_kept_and_the_next_run_makes_up_for_it(
    tenant: Tenant, database: Database
) -> None:
    published(tenant, PromptService(database, SystemClock(), speech=Beeps(), convert=telephone_wav))
    silent = PromptService(database, SystemClock(), speech=EspeakNg("/nowhere/espeak-ng"), convert=telephone_wav)
    assert WhisperSounds(database, silent).run() == 0
    speaks = PromptService(database, SystemClock(), speech=Beeps(), convert=telephone_wav)
    assert WhisperSounds(database, speaks).run() == 1


@pytest.fixture
def desk() -> Iterator[Target]:
    # A real telephone's side is never without sound, and a switch takes one that is for dead.
    target = Target(answers(0.0), hertz=700.0)
    yield target
    target.close()


@needs_espeak
def test_given_a_static_number_when_called_by_worker_then_by_fallback_then_the_target_hears_its_source(
    stage: Stage, tenant: Tenant, database: Database, desk: Target
) -> None:
    speech = PromptService(database, SystemClock(), speech=EspeakNg(), convert=telephone_wav)
    worker = stage.processes.worker()
    published(tenant, speech, f"sip:t@{HOST}:{desk.port}")
    assert WhisperSounds(database, speech).run() == 1
    name = named("радио", "Весна_2026")
    with wave.open(io.BytesIO(PromptSounds(database).rendered([name])[name])) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    phone = Phone()
    try:
        is_told(phone, stage, desk, said)
        (stage.node.spool / "prompts" / f"{name}.wav").unlink()
        kill(worker)
        stage.processes.monitor(stage.node)
        plan = stage.node.spool / "plans" / "701" / f"{NUMBER[1:]}.plan"
        eventually(lambda: plan.exists() and name in plan.read_text(encoding="ascii"), 40)
        is_told(phone, stage, desk, said)
    finally:
        phone.close()


def is_told(phone: Phone, stage: Stage, desk: Target, said: np.ndarray) -> None:
    """The caller is connected after the target has heard it."""
    before = len(desk.taken)
    dialog = phone.call(stage.sip, NUMBER, hertz=440.0)
    final = dialog.final(20)
    assert final.status == 200, [one.stamps for one in desk.taken]
    dialog.bye()
    (call,) = desk.taken[before:]
    heard = call.audio.codec.decode(bytes(call.audio.heard)).astype(float)
    assert likeness(heard, said) > 0.8
