"""Tones that callers and targets speak, and the ear that finds them again in a recording. Pure."""

import io
import math
import wave

import numpy as np

SAMPLE_RATE_HZ = 8000
#: Far from each other, from the ringback and from their harmonics.
CALLER_TONE_HZ = 700
TARGET_TONE_HZ = 1150
ANNOUNCEMENT_HZ = 440


def ulaw_tone(frequency_hz: int, duration_s: float, *, amplitude: float = 0.4) -> bytes:
    """Raw G.711 u-law audio of one tone; its length is a whole number of periods, so that it loops without a click."""
    periods = max(1, round(frequency_hz * duration_s))
    samples = np.arange(round(periods * SAMPLE_RATE_HZ / frequency_hz))
    signal = amplitude * np.sin(2 * math.pi * frequency_hz * samples / SAMPLE_RATE_HZ)
    return encode_ulaw((signal * 32767).astype(np.int32))


def encode_ulaw(linear: np.ndarray) -> bytes:
    """ITU-T G.711 u-law of 16-bit samples."""
    sign = np.where(linear < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(linear), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return bytes((~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8))


def tone_shares(audio: bytes, frequencies_hz: tuple[int, ...]) -> list[dict[int, float]]:
    """For each channel of a WAV file, the share of its energy near each frequency (0 to 1).

    Raises wave.Error or EOFError for what is no WAV file.
    """
    with wave.open(io.BytesIO(audio)) as file:
        channels, frames = file.getnchannels(), file.readframes(file.getnframes())
        rate_hz = file.getframerate()
    samples = np.frombuffer(frames, dtype="<i2").reshape(-1, channels).astype(np.float64)
    return [_shares(samples[:, index], rate_hz, frequencies_hz) for index in range(channels)]


def _shares(signal: np.ndarray, rate_hz: int, frequencies_hz: tuple[int, ...]) -> dict[int, float]:
    if len(signal) < rate_hz // 10:
        return dict.fromkeys(frequencies_hz, 0.0)
    energy = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    at_hz = np.fft.rfftfreq(len(signal), 1 / rate_hz)
    total = float(energy[at_hz > 100].sum()) or 1.0
    return {hz: float(energy[np.abs(at_hz - hz) < 25].sum()) / total for hz in frequencies_hz}


def heard_on_both_sides(audio: bytes) -> bool:
    """Whether the caller is on the left and the target on the right of a stereo recording, and on no other side."""
    shares = tone_shares(audio, (CALLER_TONE_HZ, TARGET_TONE_HZ))
    if len(shares) != 2:
        return False
    left, right = shares
    return (
        left[CALLER_TONE_HZ] > 0.5
        and left[TARGET_TONE_HZ] < 0.05
        and right[TARGET_TONE_HZ] > 0.5
        and right[CALLER_TONE_HZ] < 0.05
    )
