"""What a telephone of a proof hears on its line, and the line that gives back what it hears. Knows RTP legs only."""

from __future__ import annotations

from collections import deque

import numpy as np

from .audio import FRAME, RATE, Codec
from .rtp import RtpLeg

#: Below this a frame is silence, comfort noise or a line's hum (of 32768).
LOUD_RMS = 300.0
#: The share of a frame's power that one frequency must have to be its tone.
TONE_SHARE = 0.5
#: 40 ms may be a click; so many frames of sound are one.
ENOUGH_FRAMES = 10
#: The last 20 s are kept: a proof listens for less.
_KEPT_FRAMES = 1000


class Hearing:
    """A tap on one leg: how much sound came, and how much of it was a certain tone."""

    def __init__(self, tone_hz: int) -> None:
        clock = np.arange(FRAME) / RATE
        self._reference = np.exp(-2j * np.pi * tone_hz * clock)
        self.packets = 0
        self.loud = 0
        self.tone = 0
        self._recent: deque[bytes] = deque(maxlen=_KEPT_FRAMES)

    def push(self, side: int, payload: bytes) -> None:
        """One packet; those that we send are none of what we hear."""
        if side == 0:
            self.packets += 1
            self._recent.append(payload)

    def listen(self, codec: Codec) -> None:
        """Judge what has come since the last time. The codec is known only once the peer has chosen it."""
        while self._recent:
            samples = codec.decode(self._recent.popleft()).astype(np.float64)
            power = float(np.mean(samples**2)) if len(samples) else 0.0
            if power < LOUD_RMS**2:
                continue
            self.loud += 1
            if len(samples) == FRAME:
                amplitude = abs(np.dot(samples, self._reference)) / FRAME
                self.tone += 2 * amplitude**2 >= TONE_SHARE * power

    @property
    def hears_sound(self) -> bool:
        return self.loud >= ENOUGH_FRAMES

    @property
    def hears_tone(self) -> bool:
        return self.tone >= ENOUGH_FRAMES


class Echo:
    """A tap that sends back what comes."""

    def __init__(self, leg: RtpLeg) -> None:
        self._leg = leg
        self._stamp = 0

    def push(self, side: int, payload: bytes) -> None:
        if side == 0:
            self._stamp += FRAME
            self._leg.send(payload, self._stamp, self)
