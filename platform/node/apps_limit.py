"""The applications ``limit`` and ``limit_execute``: counters that refuse a call, or an attempt, beyond a maximum.

``limit hash <realm> <resource> <max>[/<seconds>] [!CAUSE | <extension> [<dialplan> [<context>]]]``. What a channel
holds is given back when it hangs up, and at a transfer unless ``limit_ignore_transfer`` says otherwise
(``switch_limit.c``, limit_state_handler; ``mod_dptools.c``, limit_function). The only backend here is ``hash``.
"""

from __future__ import annotations

import logging
import time

from .apps import app
from .causes import read_cause
from .session import Session, read_transfer
from .syntax import separate

log = logging.getLogger(__name__)

#: Where a call goes that is refused without being told where (LIMIT_DEF_XFER_EXTEN).
_DEFAULT_REFUSAL = "limit_exceeded"


def _take(session: Session, realm: str, resource: str, maximum: str) -> bool:
    count, _, window = maximum.partition("/")
    most = None if count.startswith("-") else int(count) if count.isdigit() else 0
    key = f"{realm}_{resource}"
    channel = session.channel
    window_s = int(window) if window.isdigit() and most is not None else 0
    taken = session.core.limits.take(channel.uuid, key, most=most, window_s=window_s, now_s=int(time.time()))
    if taken is None:
        log.info("%s: no more of %s", channel.uuid, key)
        return False
    for kind, value in zip(("usage", "rate"), taken, strict=True):
        channel.set(f"limit_{kind}", str(value))
        channel.set(f"limit_{kind}_{key}", str(value))
    channel.set("limit_backend", "hash")
    return True


def _known(session: Session, pieces: list[str], least: int) -> bool:
    if len(pieces) < least or pieces[0] != "hash":
        log.error("%s: limit takes hash <realm> <resource> <max>, not %r", session.channel.uuid, " ".join(pieces)[:120])
        return False
    return True


@app("limit")
def limit(session: Session, data: str) -> None:
    """Take a resource, or refuse the call."""
    pieces = separate(data, " ", 7)
    if not _known(session, pieces, 3):
        return
    if _take(session, pieces[1], pieces[2], pieces[3] if len(pieces) > 3 else "-"):
        return
    refusal = pieces[4] if len(pieces) > 4 else _DEFAULT_REFUSAL
    if refusal.startswith("!"):
        session.channel.hang_up(read_cause(refusal[1:]))
        return
    wanted = read_transfer(" ".join([refusal, *pieces[5:]]))
    if wanted is not None:
        session.request_transfer(wanted)


@app("limit_execute")
def limit_execute(session: Session, data: str) -> None:
    """Run an application while holding a resource; nothing happens when there is no more of it."""
    pieces = separate(data, " ", 6)
    if not _known(session, pieces, 6):
        return
    realm, resource, maximum, application, argument = pieces[1:]
    if not _take(session, realm, resource, maximum):
        return
    session.execute(application, argument)
    if not session.interrupted:
        session.core.limits.release(session.channel.uuid, f"{realm}_{resource}")
