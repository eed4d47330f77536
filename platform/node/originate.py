"""Dials a dial string for a caller: together, in turn, with every timer, until one target is won or all are lost.

Source: ``switch_ivr_originate.c``; reference freeswitch 4. Runs in the caller's greenlet. A loser that had answered is
hung up without touching the caller (reference node 5.8).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from .apps import APPS, exported
from .audio import Sound, sound
from .causes import dial_status
from .channel import Channel
from .confirmation import begin_confirmation
from .dialling import Attempt, Dialler
from .dialstring import DialString
from .dialstring import Leg as Wanted
from .errors import NodeError
from .playout import Player
from .session import Session, flag
from .syntax import truth

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 60.0
_POLL_S = 1.0


@dataclass(slots=True)
class Outcome:
    """Who was won, or why nobody was."""

    winner: Channel | None = None
    cause: str = ""
    causes: list[str] = field(default_factory=list)


class Originate:
    """One run of a dial string."""

    def __init__(self, session: Session, wanted: DialString) -> None:
        self.session = session
        self.caller = session.channel
        self.core = session.core
        self.wanted = wanted
        self._dialler = Dialler(session, wanted.variables)
        self._timed_out = False
        self._ringback: Player | None = None

    def run(self) -> Outcome:
        """Dial until won, lost, out of time, or the caller is gone."""
        outcome = Outcome(cause="NORMAL_TEMPORARY_FAILURE")
        for name in ("sip_invite_failure_status", "sip_invite_failure_phrase"):
            self.caller.set(name, None)  # they belong to the last dialled leg (reference call-setup)
        if flag(self.caller, "instant_ringback"):
            self._start_ringback()
        try:
            for turn in self.wanted.turns:
                outcome = self._run_turn(turn)
                if outcome.winner is not None or self.session.interrupted or not self._goes_on(outcome):
                    break
        finally:
            self._stop_ringback()
        self._write_outcome(outcome)
        return outcome

    def _goes_on(self, outcome: Outcome) -> bool:
        """When the overall limit hits, hunting stops, unless told otherwise (reference freeswitch 4.2)."""
        return outcome.cause != "NO_ANSWER" or not self._timed_out or self._truth("originate_continue_on_timeout")

    def _truth(self, name: str) -> bool:
        return truth(self.wanted.variables.get(name) or self.caller.get(name))

    def _write_outcome(self, outcome: Outcome) -> None:
        caller = self.caller
        if outcome.winner is None:
            caller.set("originate_failed_cause", outcome.cause)
        disposition = "SUCCESS" if outcome.winner is not None else outcome.cause
        caller.set("originate_disposition", disposition)
        caller.set("DIALSTATUS", dial_status(disposition))

    # --- one turn ---

    def _run_turn(self, turn: tuple[Wanted, ...]) -> Outcome:
        self._timed_out = False
        started = time.monotonic()
        attempts = [self._dialler.start(leg) for leg in turn]
        deadline = started + self._limit_s()
        try:
            while True:
                winner = self._step(attempts)
                if winner is not None:
                    return self._won(attempts, winner)
                if self.session.interrupted:
                    return self._all_lost(attempts, "ORIGINATOR_CANCEL")
                if all(attempt.lost for attempt in attempts):
                    return self._all_lost(attempts, "")
                if time.monotonic() >= deadline and not any(attempt.confirming for attempt in attempts):
                    self._timed_out = True
                    return self._all_lost(attempts, "NO_ANSWER")
                self._wait(attempts, deadline)
        finally:
            self.caller.partner = None
            for attempt in attempts:
                if attempt.channel is not None:
                    attempt.channel.waiters = [other for other in attempt.channel.waiters if other is not self.caller]

    def _wait(self, attempts: list[Attempt], deadline: float) -> None:
        now = time.monotonic()
        moments = [deadline, now + _POLL_S]
        for attempt in attempts:
            if not attempt.lost:
                moments += [moment for moment in (attempt.give_up_at, attempt.progress_by) if moment is not None]
        self.session.pause_once(max(0.001, min(moments) - now))

    def _limit_s(self) -> float:
        """Default 60 s, then ``call_timeout`` of the caller, then ``originate_timeout`` of the dial string."""
        for text in (
            self.wanted.variables.get("originate_timeout") or exported(self.session).get("originate_timeout"),
            self.caller.get("call_timeout"),
        ):
            if text and text.isdigit() and int(text):
                return float(text)
        return DEFAULT_TIMEOUT_S

    def _step(self, attempts: list[Attempt]) -> Attempt | None:
        """Take in what happened; the attempt that has won, if any. The earliest answer wins."""
        now = time.monotonic()
        for attempt in attempts:
            self._judge(attempt, now)
        self._tell_caller(attempts)
        answered = [a for a in attempts if not a.lost and a.confirmed and a.channel is not None]
        if answered:
            return min(answered, key=lambda attempt: attempt.channel.answered_at if attempt.channel else 0.0)
        if not self._dialler.ignores_early_media():
            return next((a for a in attempts if not a.lost and a.channel is not None and a.channel.early), None)
        return None

    def _judge(self, attempt: Attempt, now: float) -> None:
        channel = attempt.channel
        if attempt.lost or channel is None:
            return
        if channel.down:
            self._lose(attempt, channel.hangup_cause)
        elif channel.answered and not attempt.answer_seen:
            self._answered(attempt, channel)
        elif attempt.give_up_at is not None and now >= attempt.give_up_at and not attempt.confirmed:
            self._lose(attempt, "ALLOTTED_TIMEOUT")
        elif attempt.progress_by is not None and now >= attempt.progress_by and not channel.answered:
            if not channel.rung and not channel.early:
                self._lose(attempt, "PROGRESS_TIMEOUT")
            attempt.progress_by = None

    def _answered(self, attempt: Attempt, channel: Channel) -> None:
        attempt.answer_seen = True
        self.caller.set("switch_m_sdp", channel.leg.remote_sdp)
        Session(channel, APPS).execute_on("execute_on_answer")
        begin_confirmation(self.session, attempt, channel)

    # --- endings ---

    def _lose(self, attempt: Attempt, cause: str) -> None:
        attempt.cause = cause
        if attempt.channel is not None:
            self.caller.set("originate_signal_bond", attempt.channel.uuid)
            attempt.channel.hang_up(cause)
            self.caller.push("originate_causes", f"{attempt.channel.uuid};{attempt.channel.hangup_cause}")
            self.core.report(attempt.channel)

    def _won(self, attempts: list[Attempt], winner: Attempt) -> Outcome:
        """The causes are told in the order of the dial string, the winner's among them."""
        assert winner.channel is not None
        for attempt in attempts:
            if attempt is winner:
                self.caller.push("originate_causes", f"{winner.channel.uuid};NONE")
            elif not attempt.lost:
                assert attempt.channel is not None
                attempt.channel.set("group_dial_status", "loser")
                self._lose(attempt, "LOSE_RACE")
        self.caller.set("originate_signal_bond", None)
        return Outcome(winner=winner.channel, cause="SUCCESS")

    def _all_lost(self, attempts: list[Attempt], cause: str) -> Outcome:
        """The cause reported is that of the first listed leg (reference freeswitch 4.2)."""
        for attempt in attempts:
            if not attempt.lost:
                self._lose(attempt, cause)
        return Outcome(cause=cause or attempts[0].cause, causes=[attempt.cause for attempt in attempts])

    # --- what the caller hears ---

    def _tell_caller(self, attempts: list[Attempt]) -> None:
        live = [attempt.channel for attempt in attempts if attempt.channel is not None and not attempt.lost]
        if any(channel.rung for channel in live) and not self.caller.down:
            self.caller.note_ringing()
        if not any(channel.rung or channel.early for channel in live):
            return
        if self._ringback_text():
            self._start_ringback()
        else:
            self.caller.ring_ready()

    def _ringback_text(self) -> str:
        """``ringback`` before the answer, ``transfer_ringback`` (else ``ringback``) after it."""
        names = ("transfer_ringback", "ringback") if self.caller.answered else ("ringback",)
        return next(filter(None, (self.caller.get(name) for name in names)), "")

    def _start_ringback(self) -> None:
        text = self._ringback_text()
        if self._ringback is not None or not text or not self.caller.pre_answer():
            return
        try:
            found = sound(text, self.caller.leg.rtp.codec)
        except NodeError as fault:
            log.warning("%s: %s", self.caller.uuid, fault)
            return
        endless = Sound(found.data, -1)
        self._ringback = self.core.playout.start(self.caller.leg.rtp, endless, self.caller.wake)
        self.caller.players.add(self._ringback)

    def _stop_ringback(self) -> None:
        if self._ringback is not None:
            self.core.playout.stop(self._ringback)
            self.caller.players.discard(self._ringback)
            self._ringback = None
