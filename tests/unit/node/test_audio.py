"""G.711, tones, files; session descriptions."""

from pathlib import Path

import numpy as np
import pytest

from dialtrace.node.audio import FRAME, PCMA, PCMU, Codec, Sound, sound
from dialtrace.node.errors import BadSessionDescription, BadTone, NoCommonCodec, PromptMissing
from dialtrace.node.sdp import read, write

BOTH = pytest.mark.parametrize("codec", [PCMU, PCMA], ids=["PCMU", "PCMA"])


def test_given_known_codes_when_decoded_then_they_are_those_of_g711() -> None:
    assert [int(PCMU.decode_table[code]) for code in (0x00, 0x80, 0xFF, 0x7F, 0x0F)] == [-32124, 32124, 0, 0, -16764]
    assert [int(PCMA.decode_table[code]) for code in (0x55, 0xD5, 0x2A, 0xAA, 0x80)] == [-8, 8, -32256, 32256, 5504]


@BOTH
def test_given_every_code_when_decoded_and_encoded_then_the_sound_is_the_same(codec: Codec) -> None:
    samples = codec.decode(bytes(range(256)))
    assert (codec.decode(codec.encode(samples)) == samples).all()


@BOTH
def test_given_a_tone_when_made_then_it_has_its_length_frequency_and_repeats(codec: Codec) -> None:
    made = sound("tone_stream://%(100,100,1000);loops=2", codec)
    assert (len(made.data), made.loops) == (1600, 2)
    spectrum = np.abs(np.fft.rfft(codec.decode(made.data[:800])))
    assert np.argmax(spectrum) * 10 == 1000
    frames = [made.frame(index, codec.silence) for index in range(21)]
    assert all(frame is not None and len(frame) == FRAME for frame in frames[:20])
    assert frames[20] is None
    assert sound("tone_stream://%(100,100,1000);loops=-1", codec).endless


@BOTH
def test_given_silence_when_made_then_it_lasts_and_is_silent(codec: Codec) -> None:
    made = sound("silence_stream://250", codec)
    assert made.loops == 12
    assert abs(int(codec.decode(made.data)[0])) <= 8
    assert sound("silence_stream://-1", codec).endless


def test_given_the_last_frame_when_it_is_short_then_silence_fills_it() -> None:
    made = Sound(b"\x01" * 200)
    assert made.frame(1, 0xFF) == b"\x01" * 40 + b"\xff" * 120
    assert made.frame(2, 0xFF) is None


@pytest.mark.parametrize(
    "text", ["tone_stream://nonsense", "tone_stream://v=-7", "tone_stream://path=/etc/passwd", "silence_stream://soon",
             "tone_stream://%(99000,99000,400)"],
)  # fmt: skip
def test_given_a_tone_nobody_understands_when_made_then_it_is_refused(text: str) -> None:
    with pytest.raises(BadTone):
        sound(text, PCMU)


@pytest.mark.parametrize("path", ["/no/such.wav", "http://x/y.wav", "say:hello"])
def test_given_a_sound_that_is_not_there_when_opened_then_it_is_missing(path: str) -> None:
    with pytest.raises(PromptMissing):
        sound(path, PCMU)


def test_given_a_file_that_is_no_wav_when_opened_then_it_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("not a sound")
    with pytest.raises(PromptMissing, match=r"text\.wav"):
        sound(str(path), PCMU)


OFFER = (
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18 8 0 96\r\n"
    "a=rtpmap:96 telephone-event/8000\r\nm=video 4002 RTP/AVP 99\r\nc=IN IP4 10.0.0.2\r\n"
)


def test_given_an_offer_when_read_then_the_callers_order_and_event_type_are_taken() -> None:
    media = read(OFFER)
    assert (media.host, media.port, media.codecs, media.event_type) == ("10.0.0.1", 4000, (PCMA, PCMU), 96)
    assert media.codec() is PCMA
    assert media.codec(PCMU) is PCMU


def test_given_no_codec_of_ours_when_one_is_wanted_then_there_is_none() -> None:
    with pytest.raises(NoCommonCodec):
        read(OFFER.replace("18 8 0 96", "18")).codec()
    with pytest.raises(NoCommonCodec):
        read(OFFER.replace("18 8 0 96", "8")).codec(PCMU)


@pytest.mark.parametrize("text", ["", "v=0\r\n", "m=audio x RTP/AVP 0\r\nc=IN IP4 h\r\n", "m=audio 4000 RTP/AVP 0\r\n"])
def test_given_a_description_without_audio_or_address_when_read_then_it_is_refused(text: str) -> None:
    with pytest.raises(BadSessionDescription):
        read(text)


def test_given_our_own_description_when_read_back_then_it_says_what_was_written() -> None:
    media = read(write("127.0.0.1", 40000, (PCMU,), 101, 7, "FreeSWITCH"))
    assert (media.host, media.port, media.codecs, media.event_type) == ("127.0.0.1", 40000, (PCMU,), 101)
