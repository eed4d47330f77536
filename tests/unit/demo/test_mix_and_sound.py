"""The plan of calls is exact and repeatable; the ear tells the two voices apart."""

import io
import wave

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.demo.mix import KINDS, Provisioned, count_by_kind, count_kinds, plan_calls
from dialtrace.demo.sound import CALLER_TONE_HZ, TARGET_TONE_HZ, heard_on_both_sides, ulaw_tone

NUMBERS = Provisioned({kind: [f"+4416329600{index}0"] for index, kind in enumerate(KINDS)})


@given(st.integers(1, 5000))
def test_given_any_count_when_shared_out_then_the_sum_is_exact(calls: int) -> None:
    counts = count_kinds(calls)
    assert sum(counts.values()) == calls
    assert min(counts.values()) >= 0


def test_given_five_calls_or_more_when_shared_out_then_every_kind_comes() -> None:
    assert min(count_kinds(5).values()) == 1


def test_given_the_same_seed_when_planned_twice_then_the_calls_are_the_same() -> None:
    assert plan_calls(50, 7, NUMBERS) == plan_calls(50, 7, NUMBERS)
    assert plan_calls(50, 7, NUMBERS) != plan_calls(50, 8, NUMBERS)
    assert sum(count_by_kind(plan_calls(50, 7, NUMBERS)).values()) == 50


def decode_ulaw(audio: bytes) -> np.ndarray:
    code = ~np.frombuffer(audio, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 132 << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def stereo(left_hz: int, right_hz: int) -> bytes:
    left, right = (decode_ulaw(ulaw_tone(hz, 1.0))[:7900] for hz in (left_hz, right_hz))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.column_stack([left, right]).tobytes())
    return out.getvalue()


def test_given_each_voice_on_its_side_when_heard_then_it_is_right() -> None:
    assert heard_on_both_sides(stereo(CALLER_TONE_HZ, TARGET_TONE_HZ))


def test_given_swapped_or_mixed_voices_when_heard_then_it_is_wrong() -> None:
    assert not heard_on_both_sides(stereo(TARGET_TONE_HZ, CALLER_TONE_HZ))
    assert not heard_on_both_sides(stereo(CALLER_TONE_HZ, CALLER_TONE_HZ))
