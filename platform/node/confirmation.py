"""What happens between a target's answer and its being connected: a whisper, or a key to press.

Source: ``switch_ivr_originate.c`` (collect_thread_run); reference freeswitch 4.4. Each runs in a greenlet of its own,
on the target's leg, while the caller still hears ringing.
"""

from __future__ import annotations

import logging
import time

from .apps import APPS
from .apps_media import play_sound
from .audio import sound
from .channel import Channel
from .dialling import Attempt
from .errors import NodeError
from .session import Session
from .syntax import truth

log = logging.getLogger(__name__)

DEFAULT_READ_S = 5.0
MAX_TRIES = 50


def begin_confirmation(session: Session, attempt: Attempt, channel: Channel) -> None:
    """The target has answered: confirm at once, or start asking."""

    def setting(name: str) -> str:
        return attempt.variables.get(name) or session.channel.get(name) or ""

    key = setting("group_confirm_key")
    if not key:
        attempt.confirmed = True
        return
    limit = setting("group_confirm_timeout")
    if truth(setting("group_confirm_cancel_timeout")) or limit == "0":
        attempt.give_up_at = None
    elif limit.isdigit():
        attempt.give_up_at = time.monotonic() + float(limit)
    read_ms = setting("group_confirm_read_timeout")
    wait_s = int(read_ms) / 1000 if read_ms.isdigit() else DEFAULT_READ_S
    file = setting("group_confirm_file")
    attempt.confirming = session.core.faults.spawn(
        "confirmation", _confirm, session, attempt, channel, key, file, wait_s
    )


def _confirm(session: Session, attempt: Attempt, channel: Channel, key: str, file: str, wait_s: float) -> None:
    callee = Session(channel, APPS)
    if key == "exec":
        channel.set("group_confirm_key", None)
        channel.set("group_confirm_file", None)
        application, _, data = file.partition(" ")
        callee.execute(application, data)
        attempt.confirmed = not channel.down
    else:
        channel.digits.clear()
        for _ in range(MAX_TRIES):
            attempt.confirmed = _ask(callee, key, file, wait_s)
            if attempt.confirmed or channel.down:
                break
    if attempt.confirmed:
        channel.set("group_dial_status", "winner")
    session.channel.wake()


def _ask(callee: Session, key: str, file: str, wait_s: float) -> bool:
    channel = callee.channel

    def pressed() -> bool:
        return key in channel.digits

    if file:
        try:
            play_sound(callee, sound(file, channel.leg.rtp.codec), pressed)
        except NodeError as fault:
            log.warning("%s: %s", channel.uuid, fault)
    return callee.pause(wait_s, pressed) and pressed()
