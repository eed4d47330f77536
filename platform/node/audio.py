"""G.711 both ways, tones, silence and WAV files as codec bytes. Pure but for reading a sound file.

8 kHz, mono, 20 ms frames of 160 bytes: the only shape of audio in the node. The decoding tables follow ITU-T G.711;
encoding takes the nearest code. Encoders differ in rounding, so never compare encoded audio byte for byte.
"""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import BadTone, PromptMissing

RATE = 8000
FRAME = 160
FRAME_S = 0.02
MAX_SOUND_S = 600
MAX_TONE_S = 60
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Codec:
    """One of the two G.711 laws; ``payload_type`` is its static RTP number (RFC 3551)."""

    name: str
    payload_type: int
    silence: int
    decode_table: Samples
    encode_table: npt.NDArray[np.uint8]

    def decode(self, data: bytes | bytearray) -> Samples:
        return self.decode_table[np.frombuffer(data, dtype=np.uint8)]

    def encode(self, samples: Samples) -> bytes:
        return self.encode_table[samples.astype(np.int32) + 32768].tobytes()


def _ulaw_value(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _alaw_value(code: int) -> int:
    code ^= 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + (8 if segment == 0 else 0x108)
    if segment > 1:
        magnitude <<= segment - 1
    return magnitude if code & 0x80 else -magnitude


def _encoder(decode: Samples) -> npt.NDArray[np.uint8]:
    """For each of the 65536 samples the code whose value is nearest."""
    order = np.argsort(decode, kind="stable")
    values = decode[order].astype(np.int32)
    middles = (values[1:] + values[:-1]) / 2
    return order[np.searchsorted(middles, np.arange(-32768, 32768))].astype(np.uint8)


def _codec(name: str, payload_type: int, silence: int, values: list[int]) -> Codec:
    decode = np.array(values, dtype=np.int16)
    return Codec(name, payload_type, silence, decode, _encoder(decode))


PCMU = _codec("PCMU", 0, 0xFF, [_ulaw_value(code) for code in range(256)])
PCMA = _codec("PCMA", 8, 0xD5, [_alaw_value(code) for code in range(256)])
CODECS = {PCMU.payload_type: PCMU, PCMA.payload_type: PCMA}


@dataclass(frozen=True, slots=True)
class Sound:
    """Codec bytes and how often they are played; ``loops`` below 0 is for ever."""

    data: bytes
    loops: int = 1

    @property
    def endless(self) -> bool:
        return self.loops < 0

    def frame(self, index: int, silence: int) -> bytes | None:
        """The index-th 20 ms of it, the last one filled up with silence; None after the end."""
        start = index * FRAME
        if self.loops == 1:
            piece = self.data[start : start + FRAME]
        elif not self.data or (self.loops > 1 and start >= len(self.data) * self.loops):
            return None
        else:
            start %= len(self.data)
            piece = self.data[start : start + FRAME]
            if len(piece) < FRAME:
                piece += self.data[: FRAME - len(piece)]
        if not piece:
            return None
        return piece if len(piece) == FRAME else piece + bytes([silence]) * (FRAME - len(piece))


def sound(path: str, codec: Codec) -> Sound:
    """Whatever ``playback`` accepts here: ``tone_stream://``, ``silence_stream://`` or a WAV file's path.

    Raises :class:`PromptMissing` or :class:`BadTone`.
    """
    if path.startswith("tone_stream://"):
        return tone(path.removeprefix("tone_stream://"), codec)
    if path.startswith("%("):
        return tone(path, codec)
    if path.startswith(("silence_stream://", "silence:")):
        return _silence(path.rpartition("/")[2].rpartition(":")[2], codec)
    if "://" in path:
        raise PromptMissing(f"this node plays tones, silence and WAV files only: {path!r:.120}")
    file = Path(path)
    try:
        changed = file.stat().st_mtime_ns
    except OSError as fault:
        raise PromptMissing(f"{path}: {fault.strerror}") from fault
    return Sound(_file(str(file), changed, codec))


def _silence(length: str, codec: Codec) -> Sound:
    text = length.partition(",")[0]
    if not text.lstrip("-").isdigit():
        raise BadTone(f"silence_stream:// needs milliseconds: {length!r:.40}")
    milliseconds = int(text)
    if milliseconds <= 0:
        return Sound(bytes([codec.silence]) * FRAME, loops=-1)
    return Sound(bytes([codec.silence]) * FRAME, loops=max(1, milliseconds // 20))


@lru_cache(maxsize=64)
def _file(path: str, changed_ns: int, codec: Codec) -> bytes:
    """A WAV file as codec bytes; ``changed_ns`` is part of the key, so that a replaced file is read anew."""
    try:
        with wave.open(path, "rb") as reader:
            rate, width, channels = reader.getframerate(), reader.getsampwidth(), reader.getnchannels()
            raw = reader.readframes(min(reader.getnframes(), rate * MAX_SOUND_S))
    except (OSError, EOFError, wave.Error) as fault:
        raise PromptMissing(f"{path}: {fault}") from fault
    if width not in (1, 2):
        raise PromptMissing(f"{path}: only 8 and 16 bit PCM can be played")
    samples = (
        np.frombuffer(raw, np.int16) if width == 2 else ((np.frombuffer(raw, np.uint8).astype(np.int16)) - 128) * 256
    )
    mono = samples.reshape(-1, channels).mean(axis=1) if channels > 1 else samples.astype(np.float64)
    return codec.encode(_resampled(mono, rate))


def _resampled(mono: npt.NDArray[np.float64], rate: int) -> Samples:
    if rate == RATE or not len(mono):
        return mono.astype(np.int16)
    positions = np.arange(int(len(mono) * RATE / rate)) * (rate / RATE)
    return np.interp(positions, np.arange(len(mono)), mono).astype(np.int16)


_TONE = re.compile(r"%\((?P<on>\d+),(?P<off>\d+)(?P<frequencies>(?:,\d+(?:\.\d+)?)+)\)")


@lru_cache(maxsize=64)
def tone(text: str, codec: Codec) -> Sound:
    """A tone in FreeSWITCH's notation: ``%(on ms,off ms,Hz,…)`` pieces, ``v=dB``, ``loops=n`` (-1: for ever)."""
    loops, volume = 1, -7.0
    pieces: list[Samples] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = part.partition("=")
        found = _TONE.fullmatch(part)
        if found:
            pieces.append(_beep(found, volume))
        elif equals and name in {"loops", "l", "L"} and value.lstrip("-").isdigit():
            loops = int(value)
        elif equals and name == "v" and re.fullmatch(r"-?\d+(\.\d+)?", value):
            volume = float(value)
        else:
            raise BadTone(f"cannot be read as a tone: {part!r:.60} of {text!r:.120}")
    if not pieces:
        raise BadTone(f"holds no tone: {text!r:.120}")
    return Sound(codec.encode(np.concatenate(pieces)), -1 if loops <= 0 else loops)


def _beep(found: re.Match[str], volume_db: float) -> Samples:
    on_ms, off_ms = int(found["on"]), int(found["off"])
    if on_ms + off_ms > MAX_TONE_S * 1000:
        raise BadTone(f"a tone of more than {MAX_TONE_S} s")
    frequencies = [float(text) for text in found["frequencies"].split(",") if text]
    clock = np.arange(on_ms * RATE // 1000) / RATE
    level = 32767 * 10 ** (volume_db / 20) / len(frequencies)
    wave_ = sum((np.sin(2 * np.pi * hertz * clock) for hertz in frequencies), np.zeros(len(clock)))
    return np.concatenate([(wave_ * level).astype(np.int16), np.zeros(off_ms * RATE // 1000, np.int16)])
