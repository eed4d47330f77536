"""One channel: a leg's identity, variables, times and state, and the events that tell of them. Never waits.

Signalling calls in from sippy's callbacks (:class:`~.sipleg.LegListener`); the channel notes what happened and wakes
whoever waits for it. Running applications is the session's business (session.py).
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from gevent.event import Event as Signal

from . import facts, sipfacts
from .causes import NUMBERS, q850, reason_header, sip_from_cause
from .model import Profile
from .playout import Player
from .recorder import Recorder
from .sipleg import CallerLeg, Ending, Leg
from .syntax import truth

if TYPE_CHECKING:
    from .core import Core

MAX_DIGITS = 128
MAX_VARIABLES = 4096
ARRAY = "ARRAY::"


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Channel:
    """A live leg of a call, as FreeSWITCH shows one."""

    def __init__(self, core: Core, leg: Leg, profile: Profile) -> None:
        self.core = core
        self.leg = leg
        self.profiles = [profile]
        self.uuid = profile.uuid
        self.direction = profile.direction
        self.name = profile.chan_name
        self.variables: dict[str, str] = {}
        self.state = "CS_INIT"
        self.destroyed = False
        self.bridged = False
        self.call_state = "DOWN"
        self.answered = False
        self.early = False
        self.rung = False
        self.media_shown = False
        self.hangup_cause = ""
        self.digits: deque[str] = deque(maxlen=MAX_DIGITS)
        self.digits_dialed = ""
        self.recorders: dict[str, Recorder] = {}
        self.players: set[Player] = set()
        self.partner: Channel | None = None
        self.answered_at = 0.0
        self._held_since = 0
        self._holds: list[str] = []
        self.app_log: list[tuple[str, str, int]] = []
        self.reported = False
        self.waiters: list[Channel] = []
        self._signal = Signal()
        leg.listener = self

    # --- facts ---

    @property
    def profile(self) -> Profile:
        """The newest caller profile."""
        return self.profiles[0]

    @property
    def down(self) -> bool:
        return bool(self.hangup_cause)

    @property
    def answer_state(self) -> str:
        if self.down:
            return "hangup"
        return "answered" if self.answered else "early" if self.early else "ringing"

    def get(self, name: str) -> str | None:
        """A variable, else a field of the caller profile, else one of the node's own."""
        if name in self.variables:
            return self.variables[name]
        found = self.profile.field_text(name)
        return self.core.globals.get(name) if found is None else found

    def set(self, name: str, value: str | None) -> None:
        """Set a variable; an empty value removes it, as on the switch."""
        if value is None or value == "":
            self.variables.pop(name, None)
        elif name in self.variables or len(self.variables) < MAX_VARIABLES:
            self.variables[name] = value

    def push(self, name: str, value: str) -> None:
        """Append to a list variable: one value stands bare, several as ``ARRAY::a|:b``."""
        before = self.variables.get(name)
        if before is None:
            self.variables[name] = value
        else:
            self.variables[name] = f"{'' if before.startswith(ARRAY) else ARRAY}{before}|:{value}"

    def fire(self, name: str, *extra: tuple[str, str]) -> None:
        """Tell the event socket's listeners."""
        self.core.bus.fire(name, lambda: [*facts.channel_headers(self, name), *extra], call_id=self.uuid)

    # --- waking and waiting ---

    def wake(self) -> None:
        """Something changed: wake the greenlet that runs this channel, and those that wait for it."""
        self._signal.set()
        for waiter in self.waiters:
            waiter._signal.set()

    def wait(self, seconds: float) -> None:
        """Sleep until woken, at most that long."""
        self._signal.wait(max(0.0, seconds))
        self._signal.clear()

    # --- what our side does ---

    def ring_ready(self) -> None:
        """Let the caller hear ringing (180), once."""
        if self.down or self.answered or self.early or self.rung or not isinstance(self.leg, CallerLeg):
            return
        self.leg.ring()
        self._mark_ringing()

    def pre_answer(self) -> bool:
        """Open early media (183) towards the caller; True when audio can now be sent."""
        if self.down:
            return False
        if not self.answered and not self.early and isinstance(self.leg, CallerLeg) and self.leg.progress():
            self._mark_early()
        return self.early or self.answered

    def answer(self) -> bool:
        """Answer the caller; True when it was not answered before."""
        if self.down or self.answered or not isinstance(self.leg, CallerLeg):
            return False
        self.leg.answer()
        # Media begin with the answer at the latest, and the switch says so first (seen in its events), but with one
        # stamp: whoever reads the record knows by it that there were no early media.
        stamp_us = now_us()
        self._mark_early(stamp_us)
        self.set("sip_cseq", self.leg.headers.cseq)
        self._mark_answered(stamp_us)
        return True

    def hang_up(self, cause: str) -> None:
        """End the leg; only the first cause counts."""
        if self.down:
            return
        self.hangup_cause = cause
        self._end_hold()
        self.profile.times.hungup = now_us()
        self.state, self.call_state = "CS_HANGUP", "HANGUP"
        self._tell_partner(cause)
        self.fire("CHANNEL_HANGUP")
        if cause == "LOSE_RACE":
            self.set("call_completed_elsewhere", "true")
        self.core.limits.release(self.uuid)
        self.set("limit_backend", None)
        word = self.leg.hang_up(cause, self._refusal(cause), reason_header(cause))
        if word:
            self.set("sip_hangup_disposition", word)
        if word == "send_cancel":
            self.set("sip_invite_failure_status", "487")
            self.set("sip_invite_failure_phrase", "CANCEL")
        self.set("hangup_cause", cause)
        self.set("hangup_cause_q850", str(q850(cause)))
        for player in list(self.players):
            self.core.playout.stop(player)
        self.players.clear()
        self.wake()

    def _refusal(self, cause: str) -> int:
        """The status that refuses an unanswered caller: the last target's own, unless that is to be ignored."""
        remote = self.variables.get("last_bridge_proto_specific_hangup_cause", "")
        number = remote.removeprefix("sip:")
        if remote.startswith("sip:") and number.isdigit() and not truth(self.get("sip_ignore_remote_cause")):
            return int(number) if 300 <= int(number) <= 699 else sip_from_cause(cause)
        return sip_from_cause(cause)

    def _tell_partner(self, cause: str) -> None:
        """``last_bridge_*`` on the other leg, bridged or not (switch_channel_perform_hangup)."""
        if self.partner is None or self.partner.down:
            return
        self.partner.set("last_bridge_hangup_cause", cause)
        if self.bridged:
            self.set("last_bridge_role", "originator" if self.direction == "inbound" else "originatee")
        specific = self.variables.get("proto_specific_hangup_cause")
        if specific:
            self.partner.set("last_bridge_proto_specific_hangup_cause", specific)

    # --- what the peer does (LegListener) ---

    def leg_ringing(self, status: int, *, media: bool) -> None:
        if self.down:
            return
        if media:
            self._mark_early()
        elif status in (180, 181, 182):
            self._mark_ringing()
        self.wake()

    def leg_response(self, response: Any) -> None:
        """What a target said of itself, ringing or answering."""
        for name, value in sipfacts.response_variables(response).items():
            self.set(name, value)

    def leg_answered(self) -> None:
        if not self.down:
            self._mark_answered()
            self.wake()

    def leg_digit(self, digit: str, samples: int) -> None:
        if self.down:
            return
        self.digits.append(digit)
        self.digits_dialed = (self.digits_dialed + digit)[-MAX_DIGITS:]
        extra = (("DTMF-Digit", digit), ("DTMF-Duration", str(samples)), ("DTMF-Source", "RTP"))
        self.fire("DTMF", *extra)
        self.wake()

    def leg_held(self, *, held: bool) -> None:
        """The leg's own side holds the call, or comes back (switch_core_media.c, switch_core_media_toggle_hold)."""
        times = self.profile.times
        if self.down or held == bool(self._held_since):
            return
        if held:
            self._held_since = times.last_hold = now_us()
            self.fire("CHANNEL_HOLD")
        else:
            self._end_hold()
            self.fire("CHANNEL_UNHOLD")

    def _end_hold(self) -> None:
        if self._held_since:
            now = now_us()
            self.profile.times.held += now - self._held_since
            self._holds.append(f"{{{self._held_since},{now}}}")
            self.set("hold_events", f"{{{','.join(self._holds)}}}")
            self._held_since = 0

    def leg_ended(self, ending: Ending) -> None:
        if ending.status:
            self.set("sip_term_status", str(ending.status))
            self.set("proto_specific_hangup_cause", f"sip:{ending.status}")
            self.set("sip_term_cause", str(NUMBERS.get(ending.cause, 16)))
        if ending.reason:
            self.set("sip_reason", ending.reason)
        if ending.disposition in ("recv_refuse", ""):
            self.set("sip_call_id", self.leg.headers.call_id)
        if ending.disposition == "recv_refuse":
            for channel in filter(None, (self, self.partner)):
                channel.set("sip_invite_failure_status", str(ending.status))
                channel.set("sip_invite_failure_phrase", ending.phrase)
        elif ending.disposition == "recv_cancel":
            self.set("sip_invite_failure_status", "487")
            self.set("sip_invite_failure_phrase", "CANCEL")
        if self.partner is not None and ending.phrase:
            self.partner.set("sip_hangup_phrase", ending.phrase)
        self.set("sip_hangup_disposition", ending.disposition)
        self.hang_up(ending.cause)

    # --- marks ---

    def note_ringing(self) -> None:
        """The moment somebody began to ring, told or not."""
        self.profile.times.progress = self.profile.times.progress or now_us()
        self._note_tag()

    def _note_tag(self) -> None:
        """Our own tag, once a response of ours has carried it."""
        if isinstance(self.leg, CallerLeg):
            self.set("sip_to_tag", self.leg.headers.to_tag)

    def _mark_ringing(self) -> None:
        if self.rung:
            return
        self.rung = True
        self.call_state = "RINGING"
        self.note_ringing()
        self.fire("CHANNEL_PROGRESS")

    def _mark_early(self, stamp_us: int = 0) -> None:
        if self.early or self.answered:
            return
        self.early = True
        self.call_state = "EARLY"
        self.profile.times.progress_media = stamp_us or now_us()
        self.set("endpoint_disposition", "EARLY MEDIA")
        self._note_tag()
        self._show_media()
        self.fire("CHANNEL_PROGRESS_MEDIA")

    def _mark_answered(self, stamp_us: int = 0) -> None:
        self.answered = True
        self.answered_at = time.monotonic()
        self.call_state = "ACTIVE"
        self.profile.times.answered = stamp_us or now_us()
        self.set("endpoint_disposition", "ANSWER")
        self._show_media()
        self.fire("CHANNEL_ANSWER")

    def _show_media(self) -> None:
        """Codec and media variables, once there are media (switch_core_media.c, sofia_glue)."""
        self.media_shown = True
        for name, value in sipfacts.audio_variables(self.leg, self.core.host).items():
            self.set(name, value)
