"""What a leg's RTP counters say: packets, loss, jitter, and MOS where there is something to judge. Pure.

The switch's MOS starts at 4.50 and stays there when nothing at all was received (reference/freeswitch.md 2, Media), so
without received packets there is no MOS here but a plain `no_audio_in`.
"""

from __future__ import annotations

from typing import Any

from .fields import Fields

_COUNTS = {
    "packets_in": "rtp_audio_in_packet_count",
    "media_packets_in": "rtp_audio_in_media_packet_count",
    "skipped_packets_in": "rtp_audio_in_skip_packet_count",
    "packets_out": "rtp_audio_out_packet_count",
    "media_packets_out": "rtp_audio_out_media_packet_count",
}
_QUALITY = {
    "mos": "rtp_audio_in_mos",
    "quality_percent": "rtp_audio_in_quality_percentage",
    "jitter_min_variance": "rtp_audio_in_jitter_min_variance",
    "jitter_max_variance": "rtp_audio_in_jitter_max_variance",
    "jitter_loss_rate": "rtp_audio_in_jitter_loss_rate",
    "jitter_burst_rate": "rtp_audio_in_jitter_burst_rate",
    "mean_interval_ms": "rtp_audio_in_mean_interval",
    "flaws": "rtp_audio_in_flaw_total",
}


def read_media(fields: Fields) -> dict[str, Any]:
    """Counters of the leg, quality figures only if packets came in; empty when the leg never had audio."""
    counts = {name: fields.number(variable) for name, variable in _COUNTS.items()}
    media: dict[str, Any] = {name: value for name, value in counts.items() if value is not None}
    if not media:
        return {}
    heard = (counts["media_packets_in"] or 0) > 0
    sent = (counts["media_packets_out"] or counts["packets_out"] or 0) > 0
    if heard:
        quality = {name: fields.number(variable) for name, variable in _QUALITY.items()}
        media |= {name: value for name, value in quality.items() if value is not None}
    elif sent:
        media["no_audio_in"] = True
    return media
