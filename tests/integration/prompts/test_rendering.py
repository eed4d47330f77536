"""Speech on the real database with the real espeak-ng: rendered once, kept for its agency, refused with the place."""

import io
import shutil
import wave
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import insert, select

from dialtrace.clock import FixedClock
from dialtrace.db.tables import OPERATOR_AGENCY, agencies, prompts
from dialtrace.ids import new_id
from dialtrace.prompts.errors import CannotSay, NameFaulty, SoundFaulty, SpeechFailed, VoiceUnknown
from dialtrace.prompts.espeak import EspeakNg
from dialtrace.prompts.model import Say, standard_prompts
from dialtrace.prompts.service import PromptService, PromptSounds
from dialtrace.prompts.sound import telephone_wav

HELLO, RUSSIAN = Say("You have reached the dentist.", "en"), Say("Вы позвонили в стоматологию.", "ru")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng: make setup installs it")


class Counted:
    """The real program, its runs counted."""

    def __init__(self, program="espeak-ng", **options):
        self._speech, self.runs = EspeakNg(program, **options), 0

    def render(self, say):
        self.runs += 1
        return self._speech.render(say)


@pytest.fixture
def speech():
    return Counted()


@pytest.fixture
def service(database, speech):
    clock = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    return PromptService(database, clock, speech=speech, convert=telephone_wav)


@pytest.fixture
def agency(database):
    return made_agency(database)


def made_agency(database):
    agency_id = new_id()
    with database.tenant(agency_id) as connection:
        connection.execute(insert(agencies).values(agency_id=agency_id, name="Agency"))
    return agency_id


def rows(database, agency_id):
    with database.tenant(agency_id) as connection:
        return connection.execute(select(prompts).order_by(prompts.c.name)).all()


@needs_espeak
@pytest.mark.parametrize("say", [HELLO, RUSSIAN])
def test_given_a_text_when_rendered_then_it_is_speech_of_its_length_in_the_voice_band(database, service, agency, say):
    service.ensure_rendered(agency, [say])
    (row,) = rows(database, agency)
    assert (row.name, row.language, row.kind) == (say.name, say.language, "say")
    with wave.open(io.BytesIO(row.wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    assert 1.0 < len(samples) / 8000 < 5.0
    assert row.duration_ms == round(len(samples) / 8)
    energy = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / 8000)
    assert energy[(hertz > 80) & (hertz < 3400)].sum() > 0.95 * energy.sum()
    assert np.abs(samples).max() > 3000


@needs_espeak
def test_given_a_text_that_is_kept_when_asked_for_again_then_it_is_not_rendered_again(service, agency, speech):
    service.ensure_rendered(agency, [HELLO, RUSSIAN, HELLO])
    service.ensure_rendered(agency, [RUSSIAN, HELLO])
    assert speech.runs == 2


@needs_espeak
def test_given_an_agencys_texts_when_another_looks_then_it_sees_none_but_every_node_gets_them(
    database, service, agency
):
    service.ensure_rendered(agency, [HELLO])
    assert rows(database, made_agency(database)) == []
    found = PromptSounds(database).rendered([HELLO.name, RUSSIAN.name])
    assert found == {HELLO.name: rows(database, agency)[0].wav}


def test_given_no_program_when_a_text_is_rendered_then_the_error_says_what_to_install(service, agency, speech):
    speech._speech = EspeakNg("/nowhere/espeak-ng")
    with pytest.raises(CannotSay, match="install Debian's espeak-ng"):
        service.ensure_rendered(agency, [HELLO])


@needs_espeak
def test_given_one_of_two_texts_that_cannot_be_rendered_then_neither_is_kept(database, service, agency):
    bad = Say("Hello", "en", "nobody")
    with pytest.raises(CannotSay) as caught:
        service.ensure_rendered(agency, [HELLO, bad])
    assert isinstance(caught.value.faults[bad.name], VoiceUnknown)
    assert rows(database, agency) == []


@needs_espeak
def test_given_a_text_that_looks_like_an_option_when_rendered_then_it_is_said(service, agency):
    service.ensure_rendered(agency, [Say("--help", "en"), Say("$(id) [[h@l'oU]] `id` < > |", "en")])


def test_given_a_program_that_hangs_when_a_text_is_rendered_then_it_is_ended_in_time(tmp_path):
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    with pytest.raises(SpeechFailed, match=r"0\.3 s"):
        EspeakNg(str(program), timeout_s=0.3).render(HELLO)


def test_given_a_program_that_writes_no_sound_when_a_text_is_rendered_then_it_is_refused(
    service, agency, speech, tmp_path
):
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho nonsense\n")
    program.chmod(0o755)
    speech._speech = EspeakNg(str(program))
    with pytest.raises(CannotSay, match="PCM is wanted"):
        service.ensure_rendered(agency, [HELLO])


@needs_espeak
def test_given_a_fresh_installation_when_the_standard_prompts_are_rendered_then_every_node_can_get_them(
    database, service
):
    service.ensure_standard()
    assert PromptSounds(database).operators().keys() == {say.name for say in standard_prompts()}


def test_given_an_operators_wav_when_imported_twice_then_the_second_is_what_nodes_get(database, service):
    second = telephone_wav(tone(16_000, 0.5), longest_s=5)[0]
    assert service.import_file("notice", tone(22_050, 1.0)) == 1000
    assert service.import_file("notice", tone(16_000, 0.5)) == 500
    assert PromptSounds(database).operators_sounds(["notice"]) == {"notice": second}
    (row,) = service.list_all()
    assert (row.agency_id, row.name, row.kind, row.duration_ms) == (UUID(OPERATOR_AGENCY), "notice", "file", 500)


@pytest.mark.parametrize(
    ("name", "data", "error"), [("say-hello", None, NameFaulty), ("notice", b"no sound", SoundFaulty)]
)
def test_given_a_file_that_is_not_usable_when_imported_then_nothing_is_kept(service, name, data, error):
    with pytest.raises(error):
        service.import_file(name, tone(8000, 0.5) if data is None else data)
    assert service.list_all() == []


def tone(rate_hz, seconds):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        samples = 8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()
