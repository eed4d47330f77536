"""Any PCM WAV becomes a telephone's, and sounds as before."""

import io
import struct
import wave

import numpy as np
import pytest

from dialtrace.prompts.errors import SoundFaulty
from dialtrace.prompts.sound import RATE_HZ, telephone_wav


def wav(samples, rate_hz, *, width=2, channels=1):
    """``samples`` run from -1 to 1."""
    if width == 1:
        raw = (np.round(samples * 127) + 128).astype(np.uint8).tobytes()
    elif width == 3:
        raw = b"".join(struct.pack("<i", int(value * 8_388_607))[:3] for value in samples)
    else:
        raw = np.round(samples * (2 ** (8 * width - 1) - 1)).astype(f"<i{width}").tobytes()
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(raw)
    return out.getvalue()


def tone(hertz, rate_hz, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate_hz * seconds)) / rate_hz)


def heard(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def strength(samples, hertz):
    """Of one tone, 1.0 for full scale."""
    clock = np.arange(len(samples)) / RATE_HZ
    return abs(np.mean(samples * np.exp(-2j * np.pi * hertz * clock))) * 2 / 32768


@pytest.mark.parametrize(("rate_hz", "width"), [(22_050, 2), (44_100, 3), (48_000, 4), (16_000, 1), (8_000, 2)])
def test_given_a_tone_at_any_rate_and_width_when_converted_then_it_is_as_loud_as_high_and_as_long(rate_hz, width):
    found, duration_ms = telephone_wav(wav(tone(1000, rate_hz), rate_hz, width=width), longest_s=10)
    samples = heard(found)
    assert duration_ms == pytest.approx(500, abs=1)
    assert len(samples) == pytest.approx(4000, abs=2)
    assert strength(samples, 1000) == pytest.approx(0.5, abs=0.02)


def test_given_a_tone_that_no_telephone_passes_when_converted_then_it_does_not_come_back_as_another():
    samples = heard(telephone_wav(wav(tone(6000, 22_050), 22_050), longest_s=10)[0])
    assert np.abs(samples[400:-400]).max() < 40


def test_given_two_channels_when_converted_then_both_are_heard():
    left, right = tone(500, 16_000), tone(900, 16_000)
    both = np.stack([left, right], axis=1).ravel()
    samples = heard(telephone_wav(wav(both, 16_000, channels=2), longest_s=10)[0])
    assert strength(samples, 500) == pytest.approx(0.25, abs=0.02)
    assert strength(samples, 900) == pytest.approx(0.25, abs=0.02)


def test_given_a_header_that_promises_more_than_there_is_when_converted_then_what_is_there_is_kept():
    whole = wav(tone(1000, 22_050), 22_050)
    piped = whole[:4] + struct.pack("<I", 0x7FFFF024) + whole[8:40] + struct.pack("<I", 0x7FFFF000) + whole[44:]
    assert telephone_wav(piped, longest_s=10)[1] == pytest.approx(500, abs=1)


@pytest.mark.parametrize(
    "data",
    [b"", b"ID3\x03 not a wav", wav(tone(1000, 8000, 0.01), 8000), wav(tone(1000, 8000, 3), 8000),
     wav(tone(1000, 8000), 8000).replace(b"\x01\x00\x01\x00", b"\x03\x00\x01\x00", 1)],
)  # fmt: skip
def test_given_what_is_no_usable_sound_when_converted_then_it_is_refused(data):
    with pytest.raises(SoundFaulty):
        telephone_wav(data, longest_s=2)
