"""Dials a dial string for a caller: together, in turn, with every timer, until one target is won or all are lost.

Source: ``switch_ivr_originate.c``; reference freeswitch 4. Runs in the caller's greenlet. A loser that had answered is
hung up without touching the caller (reference node 5.8).
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

import gevent
import gevent.socket

from .apps import APPS, exported
from .apps_media import play_sound
from .audio import sound
from .causes import dial_status
from .channel import Channel, now_us
from .dialstring import DialString
from .dialstring import Leg as Wanted
from .errors import NodeError
from .model import Profile, Times
from .playout import Player
from .session import Session, flag
from .sipleg import CalleeLeg
from .syntax import truth

DEFAULT_TIMEOUT_S = 60.0
_POLL_S = 1.0
_CONFIRM_TRIES = 50


@dataclass(slots=True)
class Attempt:
    """One leg being dialled."""

    channel: Channel | None
    variables: dict[str, str]
    cause: str = ""
    give_up_at: float | None = None
    progress_by: float | None = None
    confirming: gevent.Greenlet | None = None
    confirmed: bool = False
    answer_seen: bool = False

    @property
    def lost(self) -> bool:
        return bool(self.cause)


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
        self._ringback: Player | None = None

    def run(self) -> Outcome:
        """Dial until won, lost, out of time, or the caller is gone."""
        outcome = Outcome(cause="NORMAL_TEMPORARY_FAILURE")
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
        attempts = [self._start(leg) for leg in turn]
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
        if not self._ignores_early_media():
            return next((a for a in attempts if not a.lost and a.channel is not None and a.channel.early), None)
        return None

    def _ignores_early_media(self) -> bool:
        return self._truth("ignore_early_media") or any(
            self.wanted.variables.get("ignore_early_media") == word for word in ("ring_ready", "consume")
        )

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
        Session(channel, APPS).execute_on("execute_on_answer")
        key = self._setting(attempt, "group_confirm_key")
        if not key:
            attempt.confirmed = True
            return
        limit = self._setting(attempt, "group_confirm_timeout")
        if truth(self._setting(attempt, "group_confirm_cancel_timeout")) or limit == "0":
            attempt.give_up_at = None
        elif limit.isdigit():
            attempt.give_up_at = time.monotonic() + float(limit)
        file = self._setting(attempt, "group_confirm_file")
        read_ms = self._setting(attempt, "group_confirm_read_timeout")
        wait_s = int(read_ms) / 1000 if read_ms.isdigit() else 5.0
        attempt.confirming = self.core.faults.spawn("confirmation", self._confirm, attempt, channel, key, file, wait_s)

    def _setting(self, attempt: Attempt, name: str) -> str:
        return attempt.variables.get(name) or self.caller.get(name) or ""

    def _confirm(self, attempt: Attempt, channel: Channel, key: str, file: str, wait_s: float) -> None:
        """Press-1, or with ``exec`` run one application and connect when it ends (reference freeswitch 4.4)."""
        callee = Session(channel, APPS)
        if key == "exec":
            application, _, data = file.partition(" ")
            callee.execute(application, data)
            attempt.confirmed = not channel.down
        else:
            channel.digits.clear()
            for _ in range(_CONFIRM_TRIES):
                if self._asks(callee, key, file, wait_s):
                    attempt.confirmed = True
                    break
                if channel.down:
                    break
        self.caller.wake()

    def _asks(self, callee: Session, key: str, file: str, wait_s: float) -> bool:
        channel = callee.channel

        def pressed() -> bool:
            return key in channel.digits

        if file:
            try:
                play_sound(callee, sound(file, channel.leg.rtp.codec), pressed)
            except NodeError:
                channel.set("playback_last_error", f"{file}: not found")
        return callee.pause(wait_s, pressed) and pressed()

    # --- endings ---

    def _lose(self, attempt: Attempt, cause: str) -> None:
        attempt.cause = cause
        if attempt.channel is not None:
            attempt.channel.hang_up(cause)
            self.caller.push("originate_causes", f"{attempt.channel.uuid};{attempt.channel.hangup_cause}")
            self.core.report(attempt.channel)

    def _won(self, attempts: list[Attempt], winner: Attempt) -> Outcome:
        for attempt in attempts:
            if attempt is not winner and not attempt.lost:
                self._lose(attempt, "LOSE_RACE")
        assert winner.channel is not None
        self.caller.push("originate_causes", f"{winner.channel.uuid};NONE")
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
            self.caller.set("playback_last_error", str(fault))
            return
        endless = type(found)(found.data, -1)
        self._ringback = self.core.playout.start(self.caller.leg.rtp, endless, self.caller.wake)
        self.caller.players.add(self._ringback)

    def _stop_ringback(self) -> None:
        if self._ringback is not None:
            self.core.playout.stop(self._ringback)
            self.caller.players.discard(self._ringback)
            self._ringback = None

    # --- dialling ---

    def _start(self, wanted: Wanted) -> Attempt:
        variables = {**exported(self.session), **self.wanted.variables, **wanted.variables}
        attempt = Attempt(None, variables)
        try:
            attempt.channel = self._dial(wanted, variables)
        except (NodeError, OSError):
            # No port, or a name that does not resolve: an attempt without a channel (reference call-setup).
            attempt.cause = "DESTINATION_OUT_OF_ORDER"
            return attempt
        now = time.monotonic()
        attempt.give_up_at = _moment(now, variables.get("leg_timeout"))
        attempt.progress_by = _moment(now, variables.get("leg_progress_timeout") or variables.get("progress_timeout"))
        return attempt

    def _dial(self, wanted: Wanted, variables: dict[str, str]) -> Channel:
        if self.core.outbound_paused:
            raise NodeError("outbound calls are paused")
        host = gevent.socket.gethostbyname(wanted.host)
        codec = self.caller.leg.rtp.codec
        leg = CalleeLeg(self.core.services, codec)
        channel = Channel(self.core, leg, self._profile(wanted, variables))
        self._prepare(channel, wanted, variables)
        self.core.register(channel)
        channel.fire("CHANNEL_CREATE")
        number, name = channel.profile.caller_id_number, channel.profile.caller_id_name
        leg.invite((host, wanted.port), wanted.user, caller=number, caller_name=name, headers=self._headers(variables))
        channel.set("sip_call_id", leg.headers.call_id)
        channel.state = "CS_CONSUME_MEDIA"
        channel.fire("CHANNEL_ORIGINATE")
        channel.fire("CHANNEL_OUTGOING")
        self.caller.push("originated_legs", f"{channel.uuid};Outbound Call;{wanted.user}")
        return channel

    def _profile(self, wanted: Wanted, variables: dict[str, str]) -> Profile:
        caller = self.caller.profile
        stamp = now_us()
        identity = variables.get("origination_uuid") or str(uuid.uuid4())
        if identity in self.core.channels:
            raise NodeError("that origination_uuid is taken by a live leg")
        number = variables.get("origination_caller_id_number") or self.caller.get("effective_caller_id_number")
        name = variables.get("origination_caller_id_name") or self.caller.get("effective_caller_id_name")
        return Profile(
            uuid=identity,
            direction="outbound",
            caller_id_number=number or caller.caller_id_number,
            caller_id_name=name or caller.caller_id_name,
            destination_number=wanted.user,
            username=caller.username,
            ani=caller.ani,
            network_addr=caller.network_addr,
            callee_id_name="Outbound Call",
            callee_id_number=wanted.user,
            dialplan=caller.dialplan,
            context=caller.context,
            chan_name=f"sofia/{wanted.profile}/{wanted.target.removeprefix('sip:')}",
            times=Times(profile_created=stamp, created=stamp),
            originator=caller,
        )

    def _prepare(self, channel: Channel, wanted: Wanted, variables: dict[str, str]) -> None:
        caller = self.caller
        known = {
            "direction": "outbound",
            "is_outbound": "true",
            "uuid": channel.uuid,
            "sip_profile_name": wanted.profile,
            "sofia_profile_name": wanted.profile,
            "channel_name": channel.name,
            "sip_destination_url": f"sip:{wanted.target.removeprefix('sip:')}",
            "sip_req_uri": wanted.target.removeprefix("sip:"),
            "originator": caller.uuid,
            "originating_leg_uuid": caller.uuid,
            "originate_endpoint": "sofia",
            "originate_early_media": "false" if self._ignores_early_media() else "true",
            "call_uuid": caller.variables.get("call_uuid", caller.uuid),
            "signal_bond": caller.uuid,
        }
        channel.call_state = "DIALING"
        channel.partner = caller
        channel.waiters.append(caller)
        for name, value in {**known, "export_vars": caller.get("export_vars") or "", **variables}.items():
            channel.set(name, value)

    def _headers(self, variables: dict[str, str]) -> dict[str, str]:
        """``sip_h_…`` of the dial string, and the caller's own X- headers unless that is switched off."""
        found: dict[str, str] = {}
        copies = self.caller.get("sip_copy_custom_headers")
        if copies is None or truth(copies):
            found |= self.caller.leg.headers.extra
        found |= {name[6:]: value for name, value in variables.items() if name.startswith("sip_h_")}
        return {name: value for name, value in found.items() if "\r" not in value and "\n" not in value}


def _moment(now: float, seconds: str | None) -> float | None:
    return now + float(seconds) if seconds and seconds.isdigit() and int(seconds) else None
