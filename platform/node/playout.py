"""The node's one 20 ms clock: sends the next frame of every sound that is being played. Knows only RTP legs."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from .audio import FRAME, FRAME_S, Sound
from .rtp import RtpLeg

_MAX_BEHIND_S = 0.2


class Player:
    """One sound going out on one leg. ``on_end`` is called once, when the sound has ended by itself."""

    def __init__(self, leg: RtpLeg, sound: Sound, on_end: Callable[[], None]) -> None:
        self.leg = leg
        self.sound = sound
        self.frames = 0
        self._on_end = on_end

    def step(self) -> bool:
        """Send one frame; False after the last."""
        frame = self.sound.frame(self.frames, self.leg.codec.silence)
        if frame is None:
            self._on_end()
            return False
        self.leg.send(frame, self.frames * FRAME, self)
        self.frames += 1
        return True


class Playout:
    """All players, stepped together on absolute deadlines; ``late`` counts ticks that came over 20 ms late."""

    def __init__(self) -> None:
        self._players: set[Player] = set()
        self._work = Event()
        self.late = 0

    def start(self, leg: RtpLeg, sound: Sound, on_end: Callable[[], None]) -> Player:
        player = Player(leg, sound, on_end)
        self._players.add(player)
        self._work.set()
        return player

    def stop(self, player: Player) -> None:
        """Stop without calling ``on_end``; safe for one that has ended."""
        self._players.discard(player)

    def run(self) -> None:
        """The ticking itself, for a greenlet of its own."""
        while True:
            self._work.wait()
            due = time.monotonic()
            while self._players:
                for player in list(self._players):
                    if not player.step():
                        self._players.discard(player)
                due += FRAME_S
                behind = time.monotonic() - due
                if behind > FRAME_S:
                    self.late += 1
                if behind > _MAX_BEHIND_S:
                    due += behind  # After a stall sound goes on from now; it is not hurried.
                gevent.sleep(max(0.0, due - time.monotonic()))
            self._work.clear()
