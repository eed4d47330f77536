"""A recording: stereo WAV, 16 bit, 8 kHz; left what the leg says, right what it hears. Writes one file, knows no call.

Each side is padded with silence by the clock, so that both keep time though a peer may send nothing. The header is
written at the start and completed at the end: a file is readable once :meth:`Recorder.stop` has returned.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .audio import RATE, Codec

_FLUSH_BYTES = RATE
_LAG = RATE // 5  # What may still be on its way when a block is closed: 200 ms.
_EARLY = RATE // 2  # A burst may run this far ahead of the clock; more is dropped.


def wav_header(channels: int, data_bytes: int) -> bytes:
    """A canonical 44-byte RIFF header for 16 bit PCM at 8 kHz."""
    block = channels * 2
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, RATE, RATE * block, block, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + data_bytes, b"WAVE") + form + struct.pack("<4sI", b"data", data_bytes)


class Recorder:
    """Records one leg until stopped. ``stereo`` off mixes both sides into one channel, as FreeSWITCH does."""

    def __init__(
        self, path: Path, codec: Codec, *, stereo: bool, clock: Callable[[], float] = time.monotonic, heard: bool = True
    ) -> None:
        self.path = path
        self.samples = 0
        self.failed = False
        self._codec = codec
        self._stereo = stereo
        self._heard = heard
        self._clock = clock
        self._began = clock()
        self._sides = (bytearray(), bytearray())
        self._silence = bytes([codec.silence])
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO | None = path.open("wb")
        self._file.write(wav_header(self.channels, 0))

    @property
    def channels(self) -> int:
        return 2 if self._stereo else 1

    @property
    def active(self) -> bool:
        return self._file is not None

    @property
    def size_bytes(self) -> int:
        return 44 + self.samples * self.channels * 2

    def push(self, side: int, payload: bytes) -> None:
        """Audio of one side, arriving now."""
        if self._file is None or (side == 1 and not self._heard):
            return
        buffer = self._sides[side]
        expected = int((self._clock() - self._began) * RATE) - self.samples
        missing = expected - len(payload) - len(buffer)
        if missing > _LAG:
            buffer += self._silence * missing
        elif missing < -_EARLY:
            return
        buffer += payload
        if len(buffer) >= _FLUSH_BYTES + _LAG:
            self._flush(len(buffer) - _LAG)

    def stop(self) -> None:
        """Close the file with its true length; safe to call twice."""
        if self._file is None:
            return
        total = int((self._clock() - self._began) * RATE) - self.samples
        self._flush(max(total, 0))
        self._finish()

    def _flush(self, count: int) -> None:
        blocks = []
        for buffer in self._sides:
            piece = bytes(buffer[:count])
            del buffer[:count]
            blocks.append(self._codec.decode(piece + self._silence * (count - len(piece))))
        if self._stereo:
            data = np.column_stack(blocks).astype("<i2").tobytes()
        else:
            mixed = blocks[0].astype(np.int32) + blocks[1]
            data = np.clip(mixed, -32768, 32767).astype("<i2").tobytes()
        self._write(data)
        self.samples += count

    def _write(self, data: bytes) -> None:
        """A full disk must not stop a call (reference freeswitch 5): it is noted, and told when recording stops."""
        if self._file is None:
            return
        try:
            self._file.write(data)
        except OSError:
            self.failed = True

    def _finish(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.seek(0)
            file.write(wav_header(self.channels, self.samples * self.channels * 2))
            file.close()
        except OSError:
            self.failed = True
