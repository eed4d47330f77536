"""What a proving telephone makes of the packets that come."""

from dialtrace.node.audio import FRAME, PCMA, PCMU, Codec, tone
from dialtrace.node.hearing import ENOUGH_FRAMES, Hearing


def fed(hearing: Hearing, codec: Codec, text: str, frames: int, side: int = 0) -> Hearing:
    sound = tone(text, codec)
    for index in range(frames):
        frame = sound.frame(index, codec.silence)
        assert frame is not None
        hearing.push(side, frame)
    hearing.listen(codec)
    return hearing


def test_given_our_own_tone_in_either_law_when_listening_then_it_is_sound_and_tone() -> None:
    for codec in (PCMU, PCMA):
        found = fed(Hearing(1130), codec, "v=-8;loops=-1;%(2000,0,1130)", ENOUGH_FRAMES)
        assert (found.hears_sound, found.hears_tone) == (True, True)


def test_given_another_tone_when_listening_then_it_is_sound_only() -> None:
    found = fed(Hearing(1130), PCMU, "v=-8;loops=-1;%(2000,0,440)", 50)
    assert (found.hears_sound, found.hears_tone) == (True, False)


def test_given_silence_a_click_or_what_we_say_ourselves_when_listening_then_nothing_is_heard() -> None:
    silence = Hearing(1130)
    for _ in range(100):
        silence.push(0, bytes([PCMU.silence]) * FRAME)
    silence.listen(PCMU)
    click = fed(Hearing(1130), PCMU, "%(2000,0,1130)", ENOUGH_FRAMES - 1)
    own = fed(Hearing(1130), PCMU, "%(2000,0,1130)", 50, side=1)
    assert [one.hears_sound for one in (silence, click, own)] == [False, False, False]
    assert (silence.packets, own.packets) == (100, 0)
