"""What a plan says is on the node's disk before the plan is handed out."""

import hashlib
import wave
from io import BytesIO

import gevent
import pytest
from gevent.event import Event

from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.prompts.model import Say
from dialtrace.workers.prompt_files import CHIME, PlanSounds, PromptFolder, PromptKeeper, bring_for_plans, chime

HELLO, WAIT = Say("Hello", "en").name, Say("Подождите", "ru").name


class Kept:
    """What the database has; asks are counted."""

    def __init__(self, **sounds):
        self.sounds, self.asked, self.fault = sounds, [], None

    def __call__(self, names):
        self.asked.append(sorted(names))
        if self.fault is not None:
            raise self.fault
        return {name: self.sounds[name] for name in names if name in self.sounds}


class Operators:
    """The operator's sounds: digest and content by name."""

    def __init__(self):
        self.sounds = {}

    def operators(self):
        return {name: digest for name, (digest, _) in self.sounds.items()}

    def operators_sounds(self, names):
        return {name: self.sounds[name][1] for name in names}


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "prompts").mkdir()
    return tmp_path


def plan(spool, *names):
    return "m:~:answer~" + "~".join(f"playback:{spool}/prompts/{name}.wav" for name in names)


def test_given_a_text_that_was_just_published_when_a_plan_says_it_then_its_file_is_there_first(spool):
    kept = Kept(**{HELLO: b"RIFF hello"})
    sounds = PlanSounds(kept)
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, HELLO)
    assert (spool / "prompts" / f"{HELLO}.wav").read_bytes() == b"RIFF hello"
    sounds.ready(plan(spool, HELLO), str(spool))
    assert kept.asked == [[HELLO]], "what is there is not asked for again"


def test_given_a_plan_that_says_nothing_when_made_ready_then_nobody_is_asked(spool):
    kept = Kept()
    assert PlanSounds(kept).ready(plan(spool, "notice"), str(spool)) == plan(spool, "notice")
    assert kept.asked == []


def test_given_a_text_that_nobody_has_when_a_plan_says_it_then_the_caller_hears_the_chime(spool):
    found = PlanSounds(Kept(**{HELLO: b"RIFF"})).ready(plan(spool, HELLO, WAIT), str(spool))
    assert found == plan(spool, HELLO, CHIME)


def test_given_a_whisper_for_one_source_that_is_not_made_yet_then_the_general_sentence_is_heard_not_the_chime(spool):
    general, own = Say("A call from unknown.", "en").name, Say("A call from google.", "en").name
    said = f"m:~:multiset:^^;dialtrace_said={general}:{own}"

    def ready(**kept):
        return PlanSounds(Kept(**kept)).ready(f"{said}~playback:{spool}/prompts/{own}.wav", str(spool))

    assert ready().endswith(f"{CHIME}.wav")
    assert ready(**{general: b"RIFF"}) == f"{said}~playback:{spool}/prompts/{general}.wav"
    assert ready(**{own: b"RIFF"}) == f"{said}~playback:{spool}/prompts/{own}.wav"
    ahead = f"{said}~playback:{spool}/prompts/@SAID:{general}@.wav"
    folder = PromptFolder(spool)
    assert bring_for_plans({"+1": ahead}, folder, Kept()) == {"+1": ahead}, "both are here by now"
    (spool / "prompts" / f"{general}.wav").unlink()
    assert bring_for_plans({"+1": ahead}, folder, Kept())["+1"].endswith(f"{CHIME}.wav")


def test_given_a_database_that_is_away_when_plans_say_something_then_each_is_a_chime_and_it_is_not_asked_each_time(
    spool,
):
    now = [0.0]
    kept = Kept(**{HELLO: b"RIFF"})
    kept.fault = DatabaseUnavailable("away")
    sounds = PlanSounds(kept, monotonic_s=lambda: now[0])
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, CHIME)
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, CHIME)
    assert len(kept.asked) == 1
    kept.fault, now[0] = None, 2.0
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, HELLO)


def test_given_a_sound_that_comes_late_when_a_plan_says_it_then_this_caller_hears_the_chime_and_the_next_one_the_text(
    spool,
):
    arrived, asked = Event(), []

    def late(names):
        asked.append(names)
        arrived.wait()
        return {HELLO: b"RIFF"}

    sounds = PlanSounds(late, timeout_s=0.001)
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, CHIME)
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, CHIME)
    assert (spool / "prompts" / f"{CHIME}.wav").exists()
    arrived.set()
    gevent.sleep(0)
    assert sounds.ready(plan(spool, HELLO), str(spool)) == plan(spool, HELLO)
    assert len(asked) == 1, "two who wait for the same ask once"


def test_given_a_spool_that_cannot_be_written_when_a_plan_says_something_then_it_is_a_chime_and_no_error(tmp_path):
    assert PlanSounds(Kept(**{HELLO: b"RIFF"})).ready(plan(tmp_path, HELLO), str(tmp_path)) == plan(tmp_path, CHIME)


def test_given_plan_files_when_made_ready_then_their_sounds_are_there_and_what_nobody_has_is_a_chime(spool):
    kept = Kept(**{HELLO: b"RIFF"})
    texts = {"+1": plan(spool, HELLO), "+2": plan(spool, WAIT), "+3": None}
    found = bring_for_plans(texts, PromptFolder(spool), kept)
    assert found == {"+1": plan(spool, HELLO), "+2": plan(spool, CHIME), "+3": None}
    assert {path.name for path in (spool / "prompts").iterdir()} == {f"{HELLO}.wav", f"{CHIME}.wav"}


def test_given_a_database_that_is_away_when_plan_files_are_made_ready_then_none_is_written(spool):
    kept = Kept()
    kept.fault = DatabaseUnavailable("away")
    with pytest.raises(DatabaseUnavailable):
        bring_for_plans({"+1": plan(spool, HELLO)}, PromptFolder(spool), kept)


def test_given_the_operators_sounds_when_kept_then_new_changed_and_deleted_files_come_and_others_are_left(spool):
    sounds = Operators()
    keeper = PromptKeeper(node="n1", spool=spool, sounds=sounds)
    files = spool / "prompts"
    (files / "by-hand.wav").write_bytes(b"by hand")
    digest = hashlib.sha256
    sounds.sounds["notice"] = (digest(b"one").digest(), b"one")
    keeper.keep()
    sounds.sounds["notice"] = (digest(b"two").digest(), b"two")
    keeper.keep()
    assert (files / "notice.wav").read_bytes() == b"two"
    (files / "notice.wav").unlink()
    keeper.keep()
    assert (files / "notice.wav").read_bytes() == b"two"
    assert (files / "by-hand.wav").read_bytes() == b"by hand"
    assert PromptKeeper(node="n1", spool=spool, sounds=sounds)._is_here("notice", digest(b"two").digest())


def test_the_chime_is_a_telephones_sound_of_half_a_second():
    with wave.open(BytesIO(chime())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.getnframes() == 4000
