"""WAV headers as bytes, and names."""

import io
import struct
import wave
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from dialtrace.recording.errors import NotWav
from dialtrace.recording.model import header_repair, node_path, object_name, parse_file_name, read_wav

CALL = UUID("8adbf110-dccb-4047-b40c-ecda6bb8a575")
AGENCY = UUID("01990000-0000-7000-8000-0000000000a1")


def wav(frames: int, *, channels: int = 2, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(range(256)) * (frames * channels * 2 // 256 + 1))
    body = out.getvalue()[: 44 + frames * channels * 2]
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:40] + struct.pack("<I", len(body) - 44) + body[44:]


def mended(data: bytes) -> bytes:
    shape = read_wav(data[:4096], len(data))
    changed = bytearray(data)
    for offset, value in header_repair(shape, len(data)):
        changed[offset : offset + len(value)] = value
    return bytes(changed)


def test_given_a_closed_file_when_reading_then_its_shape_is_told_and_nothing_needs_repair() -> None:
    data = wav(12_000)
    shape = read_wav(data[:4096], len(data))

    assert (shape.channels, shape.sample_rate, shape.duration_ms, shape.intact) == (2, 8000, 1500, True)
    assert header_repair(shape, len(data)) == []


@pytest.mark.parametrize(("riff", "held"), [(8, 0), (0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (36, 0), (3236, 3200)])
def test_given_a_header_that_a_killed_switch_left_when_mending_then_other_readers_see_all_audio(riff, held) -> None:
    good = wav(4000)
    data = good[:4] + struct.pack("<I", riff) + good[8:40] + struct.pack("<I", held) + good[44:]

    assert mended(data) == good
    with wave.open(io.BytesIO(mended(data))) as file:
        assert file.getnframes() == 4000


def test_given_half_a_frame_at_the_end_when_mending_then_only_whole_frames_count() -> None:
    good = wav(1000)
    data = good[:4] + struct.pack("<I", 8) + good[8:40] + struct.pack("<I", 0) + good[44:] + b"\x01\x02\x03"

    with wave.open(io.BytesIO(mended(data))) as file:
        assert file.getnframes() == 1000


def test_given_chunks_before_the_audio_when_reading_then_they_are_stepped_over() -> None:
    good = wav(800)
    note = b"LIST" + struct.pack("<I", 5) + b"abcde\x00"
    data = good[:36] + note + good[36:]
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]

    assert read_wav(data, len(data)).duration_ms == 100
    broken = data[:4] + struct.pack("<I", 8) + data[8:50] + b"data\x00\x00\x00\x00" + data[58:]
    assert read_wav(broken, len(broken)).duration_ms == 100


def test_given_an_empty_recording_when_reading_then_it_lasts_nothing() -> None:
    data = wav(0)

    assert read_wav(data, len(data)).duration_ms == 0
    assert read_wav(data, len(data)).intact


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"OggS" + bytes(60),
        b"RIFF\x00\x00\x00\x00WAVE",
        b"RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff" + bytes(40),
        wav(10)[:36],
        b"RIFF\x08\x00\x00\x00WAVEdata" + bytes(40),
        wav(10)[:20] + bytes(16) + wav(10)[36:],
    ],
)
def test_given_bytes_that_are_no_wav_when_reading_then_that_is_said(data) -> None:
    with pytest.raises(NotWav):
        read_wav(data, len(data))


def test_given_a_call_when_naming_its_object_then_the_name_sorts_by_day_and_tells_no_number() -> None:
    late_in_moscow = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=3)))

    name = object_name(AGENCY, late_in_moscow, CALL, 2)
    assert name == f"{AGENCY}/2026/11/22/{CALL}-2.wav"
    assert str(node_path(late_in_moscow, CALL, 2)) == f"20261122/{CALL}-2.wav"
    assert object_name(AGENCY, datetime(2026, 2, 1, tzinfo=UTC), CALL, 1) < name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"{CALL}-1.wav", (CALL, 1)),
        (f"{CALL}-12.wav", (CALL, 12)),
        (f"{CALL}-0.wav", None),
        (f"{CALL}.wav", None),
        (f"{str(CALL).upper()}-1.wav", None),
        ("x-1.wav", None),
        (f"{CALL}-1.wav.part", None),
    ],
)
def test_given_a_file_name_when_parsing_then_only_our_own_form_counts(name, found) -> None:
    assert parse_file_name(name) == found
