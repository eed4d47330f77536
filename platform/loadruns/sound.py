"""What callers and targets say: G.711 u-law that media.py sends over and over."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from ..demo.sound import CALLER_TONE_HZ, SAMPLE_RATE_HZ, encode_ulaw, ulaw_tone
from .errors import ProfileFaulty


def speech(audio: str) -> bytes:
    """`tone`, nothing (`none`), or a WAV file. Raises ProfileFaulty for a file that cannot be said."""
    if audio == "none":
        return b""
    if audio == "tone":
        return ulaw_tone(CALLER_TONE_HZ, 2.0)
    try:
        with wave.open(str(Path(audio)), "rb") as file:
            form = (file.getframerate(), file.getsampwidth(), file.getnchannels())
            frames = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ProfileFaulty("talk.audio", [f"{audio}: {error}; it must be `tone`, `none` or a WAV file"]) from error
    if form != (SAMPLE_RATE_HZ, 2, 1):
        raise ProfileFaulty(
            "talk.audio",
            [
                f"{audio} has {form[0]} samples a second, {8 * form[1]} bits, {form[2]} channel(s); "
                "8000, 16 and 1 are needed"
            ],
        )
    if len(frames) < 2 * SAMPLE_RATE_HZ // 5:
        raise ProfileFaulty("talk.audio", [f"{audio} is shorter than 200 ms"])
    return encode_ulaw(np.frombuffer(frames, dtype="<i2").astype(np.int32))
