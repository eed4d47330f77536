"""Sound over RTP for the suite's telephones: one ticker sends every telephone's tone, an ear says what was heard.

Runs in a process that gevent has patched. Written apart from the node: it imports nothing of it.
"""

from __future__ import annotations

import struct
import time
import wave
from pathlib import Path
from typing import Any

import gevent
import numpy as np

from dialtrace.demo.sound import CALLER_TONE_HZ, SAMPLE_RATE_HZ, TARGET_TONE_HZ, ulaw_tone

from .ports import bind_udp

__all__ = ["CALLER_TONE_HZ", "TARGET_TONE_HZ", "Media", "recording_of", "tones_in", "write_tone"]

FRAME_BYTES = 160
FRAME_S = 0.02
PCMU, TELEPHONE_EVENT = 0, 101
#: Windows of a tenth of a second tell a tone within 10 Hz; two of the same in a row are a tone.
_WINDOW = 800
_SILENT = 200
_talking: set[Media] = set()
_ticker: Any = None


def _ulaw_table() -> np.ndarray[Any, np.dtype[np.int16]]:
    """ITU-T G.711: the sample of each code."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << ((code & 0x70) >> 4)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


_LINEAR = _ulaw_table()


def decode(ulaw: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    return _LINEAR[np.frombuffer(ulaw, np.uint8)]


def tones_in(samples: np.ndarray[Any, Any]) -> list[int]:
    """The tones that follow one another, to the nearest 10 Hz; silence and what is shorter than 0.2 s is left out."""
    found: list[int] = []
    last = 0
    for start in range(0, len(samples) - _WINDOW + 1, _WINDOW):
        tone = _dominant(samples[start : start + _WINDOW].astype(float))
        if tone and tone == last and found[-1:] != [tone]:
            found.append(tone)
        last = tone
    return found


def _dominant(window: np.ndarray[Any, Any]) -> int:
    if np.abs(window).max() < _SILENT:
        return 0
    energy = np.abs(np.fft.rfft(window * np.hanning(len(window)), SAMPLE_RATE_HZ))
    return round(int(np.argmax(energy)) / 10) * 10


class Media:
    """One side's RTP. Sends a tone from the answer on if it has one; keeps what it hears."""

    def __init__(self, tone_hz: int = 0) -> None:
        self.sock = bind_udp()
        self.port: int = self.sock.getsockname()[1]
        self.heard = bytearray()
        self._tone = ulaw_tone(tone_hz, 2.0) if tone_hz else b""
        self._peer: tuple[str, int] | None = None
        self._sequence = self._position = 0
        self._source = struct.pack("!I", id(self) & 0xFFFFFFFF)
        self._ear: Any = None
        #: Every so many of its packets is lost on the way.
        self.loses_every = 0

    def start(self, peer: tuple[str, int]) -> None:
        self._peer = peer
        if self._ear is None:
            self._ear = gevent.spawn(self._listen)
        if self._tone:
            _talking.add(self)
            _wind_up()

    def stop(self) -> None:
        _talking.discard(self)
        if self._ear is not None:
            self._ear.kill(block=False)
        self.sock.close()

    @property
    def peer(self) -> tuple[str, int]:
        """Where it sends."""
        assert self._peer
        return self._peer

    def silence(self) -> None:
        """Sends nothing any more, still listens."""
        _talking.discard(self)

    def send_frame(self) -> None:
        if self.loses_every and (self._sequence + 1) % self.loses_every == 0:
            self._sequence, self._position = self._sequence + 1 & 0xFFFF, self._position + FRAME_BYTES
            return
        at = self._position % len(self._tone)
        frame = (self._tone + self._tone[:FRAME_BYTES])[at : at + FRAME_BYTES]
        self._send(PCMU, self._position, frame)
        self._position += FRAME_BYTES

    def press(self, digit: str) -> None:
        """RFC 2833: the key goes down, stays, goes up (said three times)."""
        code, stamp = "0123456789*#".index(digit), self._position + 40 * FRAME_BYTES
        for end, duration in ((0, 160), (0, 320), (0, 480), (0x80, 640), (0x80, 640), (0x80, 640)):
            self._send(TELEPHONE_EVENT, stamp, struct.pack("!BBH", code, end | 10, duration))

    def _send(self, kind: int, stamp: int, payload: bytes) -> None:
        self._sequence = self._sequence + 1 & 0xFFFF
        head = struct.pack("!BBHI", 0x80, kind, self._sequence, stamp & 0xFFFFFFFF) + self._source
        assert self._peer
        try:
            self.sock.sendto(head + payload, self._peer)
        except OSError:
            _talking.discard(self)

    def _listen(self) -> None:
        while True:
            try:
                data = self.sock.recv(2048)
            except ConnectionRefusedError:
                continue
            except OSError:
                return
            if len(data) > 12 and data[1] & 0x7F == PCMU:
                self.heard += data[12:]

    def tones(self) -> list[int]:
        return tones_in(decode(bytes(self.heard)))


def _wind_up() -> None:
    global _ticker
    if _ticker is None:
        _ticker = gevent.spawn(_tick)


def _tick() -> None:
    due = time.monotonic()
    while True:
        for media in list(_talking):
            media.send_frame()
        due = max(due + FRAME_S, time.monotonic() - 0.2)
        gevent.sleep(max(0.0, due - time.monotonic()))


def write_tone(path: Path, tone_hz: int, duration_s: float) -> Path:
    """A prompt: mono, 8 kHz, 16 bit."""
    clock = np.arange(int(SAMPLE_RATE_HZ * duration_s)) / SAMPLE_RATE_HZ
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((9000 * np.sin(2 * np.pi * tone_hz * clock)).astype("<i2").tobytes())
    return path


def recording_of(path: Path) -> dict[str, Any] | None:
    """What a recording holds: its channels, its length and each side's tones; None if it is not there."""
    if not path.exists():
        return None
    with wave.open(str(path)) as file:
        channels, frames = file.getnchannels(), file.getnframes()
        samples = np.frombuffer(file.readframes(frames), "<i2").reshape(-1, channels)
    sides = [tones_in(samples[:, index]) for index in range(channels)]
    return {"channels": channels, "seconds": frames / SAMPLE_RATE_HZ, "sides": sides}
