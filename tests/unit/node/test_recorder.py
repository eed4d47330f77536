"""A recording keeps time by the clock: silence fills what did not come, and the header is true once it is stopped."""

import wave
from pathlib import Path

import numpy as np

from dialtrace.node.audio import FRAME, PCMA, PCMU
from dialtrace.node.recorder import Recorder


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16).reshape(-1, reader.getnchannels())


LOUD = PCMA.encode(np.full(FRAME, 8000, np.int16))
SOFT = PCMA.encode(np.full(FRAME, 400, np.int16))


def test_given_both_sides_when_they_speak_at_different_times_then_each_is_on_its_own_channel_at_its_own_time(
    tmp_path: Path,
) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "new" / "a.wav", PCMA, stereo=True, clock=clock)
    for step in range(300):
        clock.now = 100 + step * 0.02
        if step < 100:
            recorder.push(0, LOUD)
        if step >= 200:
            recorder.push(1, SOFT)
    clock.now = 106.0
    recorder.stop()
    found = samples(recorder.path)
    assert abs(len(found) - 48_000) <= FRAME
    left, right = found[:, 0], found[:, 1]
    assert np.abs(left[:15_800]).min() > 7000
    assert np.abs(left[16_200:]).max() <= 8
    assert np.abs(right[:31_500]).max() <= 8
    assert 300 < np.abs(right[32_400:47_800]).min() < 500
    assert recorder.size_bytes == recorder.path.stat().st_size
    assert recorder.samples == len(found)


def test_given_one_channel_when_asked_for_then_both_sides_are_mixed(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.wav", PCMA, stereo=False, clock=clock)
    for step in range(50):
        clock.now = 100 + step * 0.02
        recorder.push(0, LOUD)
        recorder.push(1, SOFT)
    clock.now = 101.0
    recorder.stop()
    assert 8200 < samples(recorder.path)[4000, 0] < 8600


def test_given_a_burst_when_it_runs_ahead_of_the_clock_then_what_is_too_early_is_dropped(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.wav", PCMA, stereo=True, clock=clock)
    for _ in range(500):
        recorder.push(0, LOUD)
    clock.now = 100.125
    recorder.stop()
    assert recorder.samples == 1000


def test_given_a_stopped_recording_when_more_comes_or_it_is_stopped_again_then_nothing_changes(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.wav", PCMU, stereo=True, clock=clock)
    clock.now = 101.0
    recorder.stop()
    size = recorder.path.stat().st_size
    recorder.push(0, LOUD)
    recorder.stop()
    assert not recorder.active
    assert recorder.path.stat().st_size == size == 44 + 8000 * 4
