"""Applications with sound: playback, digits, recordings. Behaviour follows ``mod_dptools.c`` and ``switch_ivr_*``."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .apps import app
from .audio import FRAME, RATE, Codec, Sound, sound
from .channel import Channel
from .errors import NodeError
from .recorder import Recorder
from .session import MAX_CALL_S, Session, flag
from .syntax import separate

log = logging.getLogger(__name__)

DEFAULT_TERMINATORS = "*"
MAX_DIGITS = 128


def play(session: Session, path: str, stop: Callable[[], bool] = lambda: False) -> str:
    """Play one sound; returns ``FILE PLAYED`` or ``FILE NOT FOUND``. ``stop`` is asked at every wake."""
    channel = session.channel
    if not channel.pre_answer():
        return "FILE NOT PLAYED"
    try:
        found = sound(path, channel.leg.rtp.codec)
    except NodeError as fault:
        log.warning("%s: %s", channel.uuid, fault)
        return "FILE NOT FOUND"
    head = (("Playback-File-Path", path), ("Playback-File-Type", _file_type(path)))
    channel.fire("PLAYBACK_START", *head)
    finished = play_sound(session, found, stop)
    channel.fire("PLAYBACK_STOP", *head, ("Playback-Status", "done" if finished else "break"))
    return "FILE PLAYED"


def _file_type(path: str) -> str:
    return path.partition("://")[0] if "://" in path else "file"


def play_sound(session: Session, found: Sound, stop: Callable[[], bool]) -> bool:
    """Play until the sound ends (True), the call is interrupted, it is broken off, or ``stop`` says so."""
    channel = session.channel
    ended: list[bool] = []

    def on_end() -> None:
        ended.append(True)
        channel.wake()

    session.broken = False
    player = channel.core.playout.start(channel.leg.rtp, found, on_end)
    channel.players.add(player)
    try:
        session.pause(MAX_CALL_S, lambda: bool(ended) or session.broken or stop())
    finally:
        channel.core.playout.stop(player)
        channel.players.discard(player)
    samples = min(player.frames * FRAME, len(found.data) * max(1, found.loops))
    channel.set("playback_seconds", str(samples // RATE))
    channel.set("playback_ms", str(samples * 1000 // RATE))
    channel.set("playback_samples", str(samples))
    channel.set("playback_last_offset_pos", str(samples))
    session.broken = False
    return bool(ended)


def _terminators(channel: Channel) -> str:
    wanted = channel.get("playback_terminators") or DEFAULT_TERMINATORS
    return "" if wanted == "none" else "0123456789*#" if wanted == "any" else wanted


def _stop_on_terminator(channel: Channel) -> Callable[[], bool]:
    """Takes digits as they come; true once a terminator was among them."""
    wanted = _terminators(channel)
    channel.set("playback_terminator_used", None)
    seen: list[str] = []

    def stop() -> bool:
        while channel.digits and not seen:
            digit = channel.digits.popleft()
            if digit in wanted:
                channel.set("playback_terminator_used", digit)
                seen.append(digit)
        return bool(seen)

    return stop


@app("playback")
def playback(session: Session, data: str) -> str:
    return play(session, data.strip(), _stop_on_terminator(session.channel))


@app("endless_playback")
def endless_playback(session: Session, data: str) -> str:
    """Over and over, until the call is moved or hung up; a missing sound ends it."""
    response = "FILE NOT FOUND"
    while not session.interrupted:
        response = play(session, data.strip())
        if response != "FILE PLAYED":
            break
    return response


@dataclass(frozen=True, slots=True)
class DigitRequest:
    least: int
    most: int
    tries: int
    timeout_s: float
    terminators: str
    prompt: str
    invalid: str
    variable: str
    pattern: str
    digit_timeout_s: float


def read_digit_request(data: str) -> DigitRequest | None:
    """``min max tries timeout terminators file invalid_file var regex digit_timeout``; None when too short."""
    pieces = separate(data, " ", 12)
    numbers = pieces[:4]
    if len(pieces) < 6 or not all(piece.isdigit() for piece in numbers):
        return None
    pieces += [""] * (12 - len(pieces))
    timeout_s = int(pieces[3]) / 1000
    digit_timeout_s = int(pieces[9]) / 1000 if pieces[9].isdigit() and int(pieces[9]) else timeout_s
    least, most, tries = (int(piece) for piece in pieces[:3])
    if most > MAX_DIGITS or most < least or not most:
        return None
    terminators = "" if pieces[4] == "none" else pieces[4]
    return DigitRequest(
        least, most, max(1, tries), timeout_s, terminators, pieces[5], pieces[6], pieces[7], pieces[8], digit_timeout_s
    )


@app("play_and_get_digits")
def play_and_get_digits(session: Session, data: str) -> None:
    """Ask for digits; the result is in the named variable and ``read_result``. Old digits are cleared first."""
    channel, wanted = session.channel, read_digit_request(data)
    if wanted is None:
        channel.set("read_result", "failure")
        return
    if wanted.variable:
        channel.set(wanted.variable, None)
    result = "timeout"
    for _ in range(wanted.tries):
        channel.digits.clear()
        digits = _ask(session, wanted)
        if session.interrupted:
            return
        if _acceptable(digits, wanted):
            channel.set(wanted.variable or "read_digits", digits)
            channel.set("read_result", "success")
            return
        result = "failure" if digits else "timeout"
        if digits:
            channel.set(f"{wanted.variable}_invalid", digits)
        if wanted.invalid:
            play(session, wanted.invalid)
    channel.set("read_result", result)


def _acceptable(digits: str, wanted: DigitRequest) -> bool:
    if len(digits) < wanted.least:
        return False
    return not wanted.pattern or re.search(wanted.pattern, digits) is not None


def _ask(session: Session, wanted: DigitRequest) -> str:
    """Play the prompt until the first digit, then collect."""
    channel = session.channel
    play(session, wanted.prompt, lambda: bool(channel.digits))
    digits = ""
    limit_s = wanted.timeout_s
    while len(digits) < wanted.most and session.pause(limit_s, lambda: bool(channel.digits)):
        if not channel.digits:
            break
        digit = channel.digits.popleft()
        if digit in wanted.terminators:
            channel.set("read_terminator_used", digit)
            break
        digits += digit
        limit_s = wanted.digit_timeout_s
    return digits


# --- recordings ---


@app("record_session")
def record_session(session: Session, data: str) -> None:
    """Record while the call goes on. ``path [+limit]``; a second start on a running path is ignored.

    Directories are made. A failure to start only leaves ``record_completion_cause=uri-failure`` (reference
    freeswitch 5): the call goes on.
    """
    channel = session.channel
    pieces = separate(data, " ", 3)
    if not pieces or pieces[0] in channel.recorders:
        return
    path = pieces[0]
    if not channel.pre_answer():
        channel.set("record_completion_cause", "uri-failure")
        return
    try:
        recorder = Recorder(Path(path), channel.leg.rtp.codec, stereo=flag(channel, "RECORD_STEREO"))
    except OSError:
        channel.set("record_completion_cause", "uri-failure")
        return
    channel.recorders[path] = recorder
    channel.leg.rtp.taps += (recorder,)
    channel.fire("RECORD_START", ("Record-File-Path", path))
    limit = pieces[1].lstrip("+") if len(pieces) > 1 else ""
    if limit.isdigit() and int(limit):
        channel.core.schedule.add(channel.uuid, float(limit), lambda: stop_recording(channel, path, "success-maxtime"))


@app("stop_record_session")
def stop_record_session(session: Session, data: str) -> None:
    """Stop one recording, or ``all``. Without an argument nothing happens: the real switch would crash (I #1541)."""
    paths = list(session.channel.recorders) if data.strip() == "all" else [data.strip()]
    for path in paths:
        stop_recording(session.channel, path, "success-maxtime")


def stop_recording(channel: Channel, path: str, cause: str) -> None:
    """Close a recording and tell of it; the file is whole before the event says so."""
    recorder = channel.recorders.pop(path, None)
    if recorder is None:
        return
    channel.leg.rtp.taps = tuple(tap for tap in channel.leg.rtp.taps if tap is not recorder)
    recorder.stop()
    _tell_recorded(channel, recorder, path, "uri-failure" if recorder.failed else cause)


def stop_all_recordings(channel: Channel) -> None:
    """At hang-up: the cause is the switch's word for it, with audio (reference freeswitch 5)."""
    for path in list(channel.recorders):
        stop_recording(channel, path, "success-silence")


def _tell_recorded(channel: Channel, recorder: Recorder, path: str, cause: str) -> None:
    milliseconds = recorder.samples * 1000 // RATE
    channel.set("record_file_size", str(recorder.size_bytes))
    channel.set("record_samples", str(recorder.samples))
    channel.set("record_seconds", str(milliseconds // 1000))
    channel.set("record_ms", str(milliseconds))
    channel.set("record_completion_cause", cause)
    channel.fire("RECORD_STOP", ("Record-File-Path", path), ("Record-Completion-Cause", cause))


class _Loudness:
    """Hears the caller and tells how long it has been quieter than a threshold."""

    def __init__(self, codec: Codec, threshold: int) -> None:
        self._codec = codec
        self._threshold = threshold
        self._since = time.monotonic()

    def push(self, side: int, payload: bytes) -> None:
        if side == 0 and float(np.abs(self._codec.decode(payload).astype(np.int32)).mean()) > self._threshold:
            self._since = time.monotonic()

    @property
    def quiet_s(self) -> float:
        return time.monotonic() - self._since


@app("record")
def record(session: Session, data: str) -> str | None:
    """Voicemail: record the caller until a terminator, the limit, or silence. ``path [limit_s [threshold [hits]]]``.

    A path that cannot be opened hangs up, as on the switch (reference freeswitch 8); directories are not made.
    """
    channel = session.channel
    pieces = separate(data, " ", 4)
    if not pieces or not channel.pre_answer():
        return None
    path = Path(pieces[0])
    numbers = [int(piece) for piece in pieces[1:] if piece.isdigit()]
    limit_s, threshold, hits_s = (*numbers, *[0, 0, 0][len(numbers) :])
    if not path.parent.is_dir():
        channel.hang_up("DESTINATION_OUT_OF_ORDER")
        return None
    try:
        recorder = Recorder(path, channel.leg.rtp.codec, stereo=False, heard=False)
    except OSError:
        channel.hang_up("DESTINATION_OUT_OF_ORDER")
        return None
    _run_record(session, recorder, str(path), limit_s, _Loudness(channel.leg.rtp.codec, threshold), hits_s)
    return None


def _run_record(
    session: Session, recorder: Recorder, path: str, limit_s: int, loudness: _Loudness, hits_s: int
) -> None:
    channel = session.channel
    channel.recorders[path] = recorder
    channel.leg.rtp.taps += (recorder, loudness)
    channel.fire("RECORD_START", ("Record-File-Path", path))
    stop = _stop_on_terminator(channel)
    channel.set("silence_hits_exhausted", "false")
    deadline = time.monotonic() + (limit_s or MAX_CALL_S)
    cause = "success-maxtime"
    while time.monotonic() < deadline:
        if not session.pause(min(0.25, max(0.0, deadline - time.monotonic())), stop):
            cause = "success-silence"
            break
        if channel.get("playback_terminator_used"):
            break
        if hits_s and loudness.quiet_s >= hits_s:
            channel.set("silence_hits_exhausted", "true")
            cause = "success-silence"
            break
    channel.leg.rtp.taps = tuple(tap for tap in channel.leg.rtp.taps if tap is not loudness)
    stop_recording(channel, path, cause)
