"""What a leg's RTP counters say: packets, loss, jitter, and from those how well it could be heard. Pure.

The counters are the switch's, of what came from that leg's side. It counts no lost packets as such; what there is was
measured on 1.10.12 with known loss, bursts, reordering, pauses and dead air (tests/unit/cdr/test_media.py):

- ``jitter_loss_rate`` is lost over received by sequence numbers, brought up to date every 5 s; packets that came out of
  order count as lost.
- ``flaw_total`` is lost packets, plus 2 for each entry of ``consecutiveFlaws``, plus 1 for each 20 ms of a silence
  longer than 2 s.
- ``skip_packet_count`` are the moments at which a packet was due and none was there: more can never have been lost.

So: lost is what the sequence numbers lacked, at most the moments without a packet. No figure without packets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import Fields, as_mapping, as_number
from .quality import mos_of, r_factor

_COUNTS = {
    "packets_in": "rtp_audio_in_packet_count",
    "media_packets_in": "rtp_audio_in_media_packet_count",
    "skipped_packets_in": "rtp_audio_in_skip_packet_count",
    "packets_out": "rtp_audio_out_packet_count",
    "media_packets_out": "rtp_audio_out_media_packet_count",
}
#: The switch's own words, kept as they came for who wants to look; nothing is decided by them but what is said above.
_AS_TOLD = {
    "jitter_min_variance": "rtp_audio_in_jitter_min_variance",
    "jitter_max_variance": "rtp_audio_in_jitter_max_variance",
    "jitter_loss_rate": "rtp_audio_in_jitter_loss_rate",
    "mean_interval_ms": "rtp_audio_in_mean_interval",
    "flaws": "rtp_audio_in_flaw_total",
}

#: Half a second of sound: of less nobody can say how it was heard.
LEAST_PACKETS = 25
#: So many packets due without one: the switch has begun to count time as flaws (switch_rtp.c, cng_count).
_SILENCE_TICKS = 100
#: Moments without a packet beyond the lost ones that a stream's start and its jitter make.
_STARTING_TICKS, _LATE_SHARE = 10, 0.03


@dataclass(frozen=True, slots=True)
class Heard:
    """What a leg sent us. ``counts`` are kept as they are; the rest is None where there is nothing to judge."""

    counts: Mapping[str, Any] = field(default_factory=dict)
    loss_percent: float | None = None
    jitter_ms: float | None = None
    r_factor: float | None = None
    mos: float | None = None


def read_media(fields: Fields, codec: str | None) -> Heard:
    """The leg's sound; nothing at all where it never had any."""
    told = {name: fields.number(variable) for name, variable in _COUNTS.items()}
    counts: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if not counts:
        return Heard()
    packets = told["media_packets_in"] or 0
    if packets <= 0:
        sent = (told["media_packets_out"] or told["packets_out"] or 0) > 0
        return Heard(counts | ({"no_audio_in": True} if sent else {}))
    quality = {name: fields.number(variable) for name, variable in _AS_TOLD.items()}
    counts |= {name: value for name, value in quality.items() if value is not None}
    if packets < LEAST_PACKETS:
        return Heard(counts)
    lost = _lost(fields, packets, told["skipped_packets_in"])
    if lost is None:
        return Heard(counts)
    loss_percent = round(100.0 * lost / (lost + packets), 2)
    jitter_ms = _jitter_ms(counts, packets, lost)
    r = r_factor(codec=codec, loss_percent=loss_percent, jitter_ms=jitter_ms)
    return Heard(counts | {"packets_lost": lost}, loss_percent, jitter_ms, r, None if r is None else mos_of(r))


def _lost(fields: Fields, packets: float, skipped: float | None) -> int | None:
    """Packets that never came; None where the switch's counters do not tell."""
    stats, flaws = _inbound(fields), fields.number("rtp_audio_in_flaw_total")
    if not stats and flaws == 0:
        return 0
    rate = as_number(stats.get("jitter_loss_rate"))
    if rate is None or skipped is None or rate < 0:
        return None
    # The rate speaks of the time until its last update: what was received since then lost as much.
    by_rate = packets * rate
    by_flaws = _lost_by_flaws(stats) if skipped < _SILENCE_TICKS else 0.0
    return max(0, round(min(skipped, max(by_rate, by_flaws))))


def _lost_by_flaws(stats: Mapping[str, Any]) -> float:
    """Counts up to the end of the call, also of one too short for the rate."""
    log = stats.get("errorLog")
    entries = [as_mapping(entry) for entry in log] if isinstance(log, list) else []
    repeated = sum(as_number(entry.get("consecutiveFlaws")) or 0 for entry in entries)
    return (as_number(stats.get("flaw_total")) or 0) - 2 * repeated


def _jitter_ms(counts: Mapping[str, Any], packets: float, lost: int) -> float | None:
    """The highest standard deviation that the gaps between packets came to; None where pauses are in it."""
    variance, skipped = counts.get("jitter_max_variance"), counts.get("skipped_packets_in", 0)
    if variance is None or variance < 0 or skipped - lost > max(_STARTING_TICKS, _LATE_SHARE * packets):
        return None
    return round(math.sqrt(variance), 1)


def _inbound(fields: Fields) -> Mapping[str, Any]:
    """The same counters as the variables', not rounded to two digits, and with a log of errors. A hang-up event has no
    such thing: of a leg with flaws it does not tell what was lost."""
    return as_mapping(as_mapping(as_mapping(fields.cdr.get("callStats")).get("audio")).get("inbound"))
