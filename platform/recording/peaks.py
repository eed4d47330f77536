"""The shape of a sound for a player: the least and the greatest sample of each channel, for every so many frames.

Computed as the file goes by, in the same reading that hashes it; the result has the same size however long the call
was. Understands 16-bit PCM, which is what switches record; of anything else there is no shape. No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .model import WavShape

#: A player's width on a large screen.
MOST_PEAKS = 1_600
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Peaks:
    """``data``: for each peak and each channel least and greatest sample, a signed byte each."""

    frames_per_peak: int
    data: bytes


class PeakReader:
    """Takes a file's bytes from its first on; :meth:`finish` gives the peaks, None where there are none."""

    def __init__(self, shape: WavShape | None) -> None:
        frame = shape.channels * _SAMPLE_BYTES if shape else 0
        self._usable = shape is not None and 0 < shape.bytes_per_frame == frame and shape.data_bytes >= frame
        self._channels = shape.channels if shape else 0
        self._frame_bytes = frame
        self._to_skip = shape.data_offset if shape else 0
        self._left = (shape.data_bytes // frame * frame) if shape and frame else 0
        frames = self._left // frame if frame else 0
        self.frames_per_peak = max(1, -(-frames // MOST_PEAKS))
        self._rest = b""
        self._found: list[bytes] = []

    def take(self, chunk: bytes) -> None:
        """The next bytes of the file."""
        if not self._usable:
            return
        if self._to_skip:
            skipped = min(self._to_skip, len(chunk))
            self._to_skip -= skipped
            chunk = chunk[skipped:]
        chunk = chunk[: self._left]
        self._left -= len(chunk)
        data = self._rest + chunk if self._rest else chunk
        frames = len(data) // (self._frame_bytes * self.frames_per_peak) * self.frames_per_peak
        if frames:
            samples = np.frombuffer(data, "<i2", frames * self._channels)
            self._found.append(self._extremes(samples, self.frames_per_peak))
        self._rest = data[frames * self._frame_bytes :]

    def finish(self) -> Peaks | None:
        """After the last byte."""
        frames = len(self._rest) // self._frame_bytes if self._frame_bytes else 0
        if self._usable and frames:
            self._found.append(self._extremes(np.frombuffer(self._rest, "<i2", frames * self._channels), frames))
        return Peaks(self.frames_per_peak, b"".join(self._found)) if self._found else None

    def _extremes(self, samples: np.ndarray, frames: int) -> bytes:
        rows = samples.reshape(-1, frames, self._channels)
        both = np.stack([_folded(rows, np.minimum), _folded(rows, np.maximum)], axis=2)
        return (both >> 8).astype(np.int8).tobytes()


def _folded(rows: np.ndarray, least: np.ufunc) -> np.ndarray:
    """The least (or greatest) frame of each row: its halves are laid over one another until one frame is left, so that
    the processor compares many at a time. The middle of an odd number is in both."""
    while (frames := rows.shape[1]) > 1:
        half = (frames + 1) // 2
        rows = least(rows[:, :half], rows[:, frames - half :])
    return rows[:, 0]


def as_numbers(data: bytes) -> Sequence[int]:
    """The bytes of :class:`Peaks` as numbers from -128 to 127."""
    found: list[int] = np.frombuffer(data, np.int8).tolist()
    return found
