"""The sounds of rendered texts in a node's spool, brought there before a plan names them.

Two who hand out plans use this: the call worker, for a flow that was published a moment ago, and the monitor, before it
writes a fallback plan. What cannot be brought in time is replaced in the plan by a chime, so that no caller hears
nothing at all. Files are written beside their place and renamed: the switch never plays half of one.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
import time
import wave
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import gevent
import structlog

from ..db.errors import DatabaseError
from ..metrics import PROMPTS_BROUGHT, PROMPTS_MISSING
from ..prompts.errors import CannotSay
from ..prompts.model import content_names, stand_ins
from ..prompts.service import PromptSounds

log = structlog.get_logger("prompts")

#: What is heard in place of a text whose sound is not here: two tones, unlike any that a telephone network makes.
CHIME = "chime"
_CHIME_HZ, _CHIME_TONE_S, _RATE_HZ = (660, 880), 0.25, 8000
#: Out of a worker's whole budget of 0.7 s, of which finding the route may take half.
BRING_TIMEOUT_S = 0.25
#: After a failure callers hear the chime at once for so long: waiting would only add to each one's silence.
REST_S = 1.0
FOLLOW_EVERY_S = 5.0
STANDARD_EVERY_S, STANDARD_RETRY_S = 3600.0, 60.0
#: Some forty texts take some seconds of a processor, and a platform that starts needs it for its calls.
STANDARD_AFTER_S = 30.0

FindSounds = Callable[[Iterable[str]], dict[str, bytes]]


class PromptFolder:
    """``<spool>/prompts``. Blocks on the node's own disk. Raises OSError."""

    def __init__(self, spool: str | Path) -> None:
        self._folder = Path(spool) / "prompts"

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those that have no file here."""
        return [name for name in names if not os.path.exists(self._path(name))]

    def put(self, name: str, wav: bytes) -> None:
        """Writes a sound, whole or not at all."""
        fresh = self._folder / f".{name}.{os.getpid()}"
        fresh.write_bytes(wav)
        fresh.replace(self._path(name))

    def put_chime(self) -> None:
        """Makes sure of the sound that stands in for others."""
        if self.missing([CHIME]):
            self.put(CHIME, chime())

    def digest(self, name: str) -> bytes | None:
        """SHA-256 of a sound; None if it is not here."""
        try:
            return hashlib.sha256(self._path(name).read_bytes()).digest()
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.wav"


@cache
def chime() -> bytes:
    """Two soft tones, one after the other."""
    count = int(_RATE_HZ * _CHIME_TONE_S)
    tones = (
        round(6000 * math.sin(math.pi * at / count) * math.sin(2 * math.pi * hertz * at / _RATE_HZ))
        for hertz in _CHIME_HZ
        for at in range(count)
    )
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(b"".join(struct.pack("<h", value) for value in tones))
    return out.getvalue()


def with_chimes(plan: str, names: Collection[str]) -> str:
    """The plan with other sounds in the place of these: a whisper's general sentence, or else the chime."""
    others = stand_ins(plan)
    for name in names:
        other = others.get(name, CHIME)
        plan = plan.replace(f"/prompts/{name}.wav", f"/prompts/{CHIME if other in names else other}.wav")
        # A plan made ahead names the general sentence, with the mark that its script replaces.
        plan = plan.replace(f"/prompts/@SAID:{name}@.wav", f"/prompts/{CHIME}.wav")
    return plan


class PlanSounds:
    """Makes a worker's plans playable: what they say is on this node's disk before the switch reads them."""

    def __init__(
        self,
        find_sounds: FindSounds,
        *,
        timeout_s: float = BRING_TIMEOUT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_sounds = find_sounds
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._rest_until_s = float("-inf")
        self._bringing: dict[tuple[str, ...], gevent.Greenlet[..., None]] = {}

    def warm_up(self) -> None:
        """The first question costs a connection and SQLAlchemy's first-time work. Raises the errors of `db.errors`."""
        self._find_sounds([])

    def ready(self, plan: str, spool: str) -> str:
        """The plan, and the sounds that it names are there; or the plan with chimes. Within ``timeout_s``, never an
        error."""
        names = content_names(plan)
        if not names:
            return plan
        folder = PromptFolder(spool)
        missing = folder.missing(names)
        if missing:
            self._await_sounds(folder, spool, missing)
            missing = folder.missing(missing)
            PROMPTS_MISSING.labels("worker").inc(len(set(missing) - stand_ins(plan).keys()))
        if missing:
            with suppress(OSError):
                folder.put_chime()
        return with_chimes(plan, missing)

    def _await_sounds(self, folder: PromptFolder, spool: str, names: list[str]) -> None:
        """What is late for this caller goes on coming, for the next; callers who need the same wait for the same."""
        if self._monotonic_s() < self._rest_until_s:
            return
        key = (spool, *names)
        bringing = self._bringing.get(key)
        if bringing is None:
            bringing = self._bringing[key] = gevent.spawn(self._bring, folder, key)
            bringing.name = "prompts"
        bringing.join(self._timeout_s)

    def _bring(self, folder: PromptFolder, key: tuple[str, ...]) -> None:
        try:
            found = self._find_sounds(key[1:])
            for name, wav in found.items():
                folder.put(name, wav)
            PROMPTS_BROUGHT.labels("worker").inc(len(found))
        except (DatabaseError, OSError) as fault:
            self._rest_until_s = self._monotonic_s() + REST_S
            log.warning("a text cannot be said yet", fault=str(fault))
        finally:
            del self._bringing[key]


def bring_for_plans(
    texts: Mapping[str, str | None], folder: PromptFolder, find_sounds: FindSounds
) -> dict[str, str | None]:
    """Plan files by number with every sound that they name on the disk; a sound that nobody has is a chime in them.
    Raises OSError and the errors of `db.errors`: then no plan may be written."""
    named = dict.fromkeys(name for text in texts.values() if text is not None for name in content_names(text))
    missing = folder.missing(named)
    if missing:
        folder.put_chime()
        found = find_sounds(missing)
        for name, wav in found.items():
            folder.put(name, wav)
        PROMPTS_BROUGHT.labels("monitor").inc(len(found))
        missing = [name for name in missing if name not in found]
        others = {own for text in texts.values() if text is not None for own in stand_ins(text)}
        PROMPTS_MISSING.labels("monitor").inc(len(set(missing) - others))
    return {e164: text if text is None else with_chimes(text, missing) for e164, text in texts.items()}


class PromptKeeper:
    """Keeps the operator's own sounds (announcements, apologies, places in a queue) on one node."""

    def __init__(self, *, node: str, spool: Path, sounds: PromptSounds) -> None:
        self._node = node
        self._folder = PromptFolder(spool)
        self._sounds = sounds
        self._brought: dict[str, bytes] = {}

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            try:
                self.keep()
            except (DatabaseError, OSError) as fault:
                log.warning("sounds are kept as they are", node=self._node, fault=str(fault))
            gevent.sleep(FOLLOW_EVERY_S)

    def keep(self) -> None:
        """Brings what is missing or has changed. Raises OSError and the errors of `db.errors`."""
        self._folder.put_chime()
        wanted = [name for name, digest in self._sounds.operators().items() if not self._is_here(name, digest)]
        for name in wanted:  # one at a time: a sound may be some megabytes
            for wav in self._sounds.operators_sounds([name]).values():
                self._folder.put(name, wav)
                self._brought[name] = hashlib.sha256(wav).digest()
                PROMPTS_BROUGHT.labels("monitor").inc()

    def _is_here(self, name: str, digest: bytes) -> bool:
        """A file is read once; after that only its absence or another digest make us bring it."""
        if self._folder.missing([name]):
            return False
        if name not in self._brought:
            self._brought[name] = self._folder.digest(name) or b""
        return self._brought[name] == digest


def keep_standard(render: Callable[[], None]) -> None:
    """Renders what every installation may have to say, until the greenlet is killed. Where nothing can speak, callers
    hear the chime in its place."""
    gevent.sleep(STANDARD_AFTER_S)
    while True:
        pause_s = STANDARD_EVERY_S
        try:
            render()
        except (CannotSay, DatabaseError) as fault:
            log.warning("apologies and places in queues cannot be said yet", fault=str(fault))
            pause_s = STANDARD_RETRY_S
        gevent.sleep(pause_s)
