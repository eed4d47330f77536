"""Any PCM WAV as a telephone needs it: 8 kHz, one channel, 16 bit. Pure: bytes in, bytes out."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np

from .errors import SoundFaulty

RATE_HZ = 8000
MOST_BYTES = 64 * 1024 * 1024
_FASTEST_HZ, _SLOWEST_HZ = 192_000, 4_000
#: A telephone passes nothing above; between this and half the rate the sound is faded out, so that nothing rings.
_PASS_HZ = 3_500
_EDGE_S = 0.05
_Samples = np.ndarray[Any, np.dtype[np.float64]]


def telephone_wav(data: bytes, *, longest_s: float) -> tuple[bytes, int]:
    """The sound as a telephone's WAV, and its length in milliseconds. Raises SoundFaulty."""
    samples, rate_hz = _read(data)
    seconds = len(samples) / rate_hz
    if not 0.02 <= seconds <= longest_s:
        raise SoundFaulty(f"a prompt lasts 0.02 to {longest_s:g} seconds; this one {seconds:.2f}")
    pcm = np.clip(np.round(_at_telephone_rate(samples, rate_hz)), -32768, 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.tobytes())
    return out.getvalue(), round(len(pcm) * 1000 / RATE_HZ)


def _read(data: bytes) -> tuple[_Samples, int]:
    """One channel in the range of 16 bits. A header that promises more than there is (a pipe's) is forgiven."""
    if len(data) > MOST_BYTES:
        raise SoundFaulty(f"{len(data)} bytes are more than a prompt has")
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise SoundFaulty(f"{SoundFaulty.__doc__} ({error})") from error
    if not 1 <= channels <= 8 or not 1 <= width <= 4 or not _SLOWEST_HZ <= rate_hz <= _FASTEST_HZ:
        raise SoundFaulty(f"{channels} channels of {8 * width} bit at {rate_hz} Hz are nothing that can be converted")
    values = _linear(raw[: len(raw) // (channels * width) * channels * width], width)
    return values.reshape(-1, channels).mean(axis=1), rate_hz


def _linear(raw: bytes, width: int) -> _Samples:
    """Eight bits are unsigned in a WAV file, all others signed and little-endian."""
    if width == 1:
        return (np.frombuffer(raw, np.uint8).astype(np.float64) - 128) * 256
    if width == 3:
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        return padded.view("<i4").ravel().astype(np.float64) / 65_536
    return np.frombuffer(raw, f"<i{width}").astype(np.float64) / (65_536 if width == 4 else 1)


def _at_telephone_rate(samples: _Samples, rate_hz: int) -> _Samples:
    """Another rate by way of the spectrum; silence at both ends keeps the end from sounding into the beginning."""
    if rate_hz == RATE_HZ:
        return samples
    edge = np.zeros(int(rate_hz * _EDGE_S))
    padded = np.concatenate([edge, samples, edge])
    spectrum = np.fft.rfft(padded)
    hertz = np.arange(len(spectrum)) * rate_hz / len(padded)
    spectrum *= np.clip((RATE_HZ / 2 - hertz) / (RATE_HZ / 2 - _PASS_HZ), 0, 1)
    count = round(len(padded) * RATE_HZ / rate_hz)
    kept = np.zeros(count // 2 + 1, complex)
    kept[: min(len(kept), len(spectrum))] = spectrum[: len(kept)]
    sound: _Samples = np.fft.irfft(kept, count) * (count / len(padded))
    first = round(len(edge) * RATE_HZ / rate_hz)
    return sound[first : first + round(len(samples) * RATE_HZ / rate_hz)]
