"""The outline of a sound, computed as its bytes go by, is that of the whole."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.recording.model import read_wav
from dialtrace.recording.peaks import MOST_PEAKS, PeakReader, as_numbers


def wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    data = samples.astype("<i2").tobytes()
    channels = samples.shape[1]
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, rate, rate * 2 * channels,
        2 * channels, 16, b"data", len(data),
    ) + data  # fmt: skip


def peaks_of(body: bytes, cut: int):
    reader = PeakReader(read_wav(body[:4096], len(body)))
    for start in range(0, len(body), cut):
        reader.take(body[start : start + cut])
    return reader.finish()


@given(
    frames=st.integers(1, 5_000), channels=st.integers(1, 2), cut=st.integers(1, 4_000), seed=st.integers(0, 2**32 - 1)
)
def test_given_any_sound_in_any_pieces_when_read_then_each_peak_is_the_extreme_of_its_frames(
    frames, channels, cut, seed
):
    samples = np.random.default_rng(seed).integers(-32768, 32768, (frames, channels))
    found = peaks_of(wav(samples), cut)
    step = found.frames_per_peak
    wanted = []
    for start in range(0, frames, step):
        part = samples[start : start + step]
        for channel in range(channels):
            wanted += [int(part[:, channel].min()) >> 8, int(part[:, channel].max()) >> 8]
    assert list(as_numbers(found.data)) == wanted
    assert len(wanted) <= 2 * channels * MOST_PEAKS


def test_given_an_hour_when_read_then_its_outline_is_no_longer_than_a_minutes() -> None:
    samples = np.zeros((3600 * 8000, 2), "<i2")
    samples[1_000_000, 1] = 32767
    found = peaks_of(wav(samples), 1 << 20)
    assert len(found.data) <= 4 * MOST_PEAKS
    assert max(as_numbers(found.data)[3::4]) == 127
    assert max(as_numbers(found.data)[1::4]) == 0


@pytest.mark.parametrize("shape", [None])
def test_given_what_is_no_sound_when_read_then_there_is_no_outline(shape) -> None:
    reader = PeakReader(shape)
    reader.take(b"anything")
    assert reader.finish() is None
