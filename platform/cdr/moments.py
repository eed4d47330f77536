"""What a call's file and a leg's file say in the same way: when it began, rang, was bridged; codec and cause. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from .causes import Q850
from .errors import CdrUnreadable
from .fields import Fields, as_mapping, as_stamp

#: Two stamps of one answer are never further apart, and nobody hears a ringing so short.
ONE_ACT = timedelta(milliseconds=100)


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    """Whole milliseconds from start to end, never negative; None if either never was."""
    if start is None or end is None:
        return None
    return max(0, (end - start) // timedelta(milliseconds=1))


def started_of(fields: Fields) -> datetime:
    started = fields.stamp("dialtrace_started") or fields.stamp("start_uepoch") or fields.earliest_time("created_time")
    if started is None:
        raise CdrUnreadable("the CDR has no start (variables.start_uepoch)")
    return started


def first_of(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment), default=None)


def ringing_of(fields: Fields) -> datetime | None:
    """A 180, else a 183; an answer of ours sets the 183's stamp too and is no ringing [T]. On a switch under load that
    stamp is a little earlier than the answer's (tests/contract, `announced-only`)."""
    answered, media = fields.stamp("answer_uepoch"), fields.stamp("progress_media_uepoch")
    early = media if media and not (answered and media >= answered - ONE_ACT) else None
    return fields.stamp("progress_uepoch") or early


def ring_end(ringing: datetime | None, *ends: datetime | None) -> datetime | None:
    """The first of ``ends`` that comes after the ringing began: an announcement may have answered before it."""
    return next((end for end in ends if end and ringing and end >= ringing), None)


def bridged_of(fields: Fields) -> datetime | None:
    return first_of(fields.stamp("bridge_uepoch"), fields.earliest_time("bridged_time"))


def codec_of(fields: Fields) -> str | None:
    return fields.word("read_codec") or fields.word("write_codec")


def q850_of(fields: Fields, cause: str | None) -> int | None:
    """The switch's own causes have numbers above 127, which are none of Q.850 (contracts/10, 1)."""
    told = fields.integer("hangup_cause_q850")
    return Q850.get(cause or "") or (told if told is not None and 0 < told < 128 else None)


def hold_ms_of(fields: Fields) -> int | None:
    """How long this side had the other on hold; None: never."""
    return milliseconds_of(fields.number("hold_accum_usec")) or None


def milliseconds_of(length_us: float | None) -> int:
    """Whole milliseconds of a length in microseconds, never negative."""
    return max(0, int(length_us or 0) // 1000)


def bridged_spans(fields: Fields) -> list[tuple[datetime, datetime]]:
    """From when to when the channel was bridged, in order. A transfer gives a channel a new profile: the old one keeps
    the bridge's moment and that of the transfer, which ended the bridge (callflow[].times)."""
    ended, spans = fields.stamp("end_uepoch"), []
    for profile in reversed(fields.profiles):
        times = as_mapping(profile.get("times"))
        begun, moved = as_stamp(times.get("bridged_time")), as_stamp(times.get("transfer_time"))
        until = moved or ended
        if begun and until and until >= begun:
            spans.append((begun, until))
    return spans
