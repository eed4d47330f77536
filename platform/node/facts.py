"""What events and CDRs say of a channel: headers, time variables, media counts. Reads a channel, changes nothing else.

Header names and order follow ``switch_channel.c`` (switch_channel_event_set_basic_data) and ``switch_caller.c``
(switch_caller_profile_event_set_data); time variables ``switch_channel.c`` (switch_channel_set_timestamps).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .model import Profile, Times
from .rtp import Counts

if TYPE_CHECKING:
    from .channel import Channel

STATES = {
    "CS_NEW": 0,
    "CS_INIT": 1,
    "CS_ROUTING": 2,
    "CS_SOFT_EXECUTE": 3,
    "CS_EXECUTE": 4,
    "CS_EXCHANGE_MEDIA": 5,
    "CS_PARK": 6,
    "CS_CONSUME_MEDIA": 7,
    "CS_HIBERNATE": 8,
    "CS_RESET": 9,
    "CS_HANGUP": 10,
    "CS_REPORTING": 11,
    "CS_DESTROY": 12,
}
# Only these carry every variable; the others would cost 5 to 20 kB each (switch_channel_event_set_extended_data).
WITH_VARIABLES = frozenset(
    [
        "CHANNEL_CREATE",
        "CHANNEL_ORIGINATE",
        "CHANNEL_ANSWER",
        "CHANNEL_PARK",
        "CHANNEL_UNPARK",
        "CHANNEL_BRIDGE",
        "CHANNEL_UNBRIDGE",
        "CHANNEL_PROGRESS",
        "CHANNEL_PROGRESS_MEDIA",
        "CHANNEL_HANGUP",
        "CHANNEL_HANGUP_COMPLETE",
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_DESTROY",
        "RECORD_START",
        "RECORD_STOP",
        "PLAYBACK_START",
        "PLAYBACK_STOP",
        "CHANNEL_DATA",
    ]
)


def channel_headers(channel: Channel, name: str) -> list[tuple[str, str]]:
    """A channel event's own headers."""
    headers = _basic(channel)
    profile = channel.profile
    headers += profile_headers(profile, "Caller")
    if profile.originatees:
        headers.append(("Other-Type", "originatee"))
        headers += profile_headers(profile.originatees[-1], "Other-Leg")
    elif profile.originator is not None:
        headers.append(("Other-Type", "originator"))
        headers += profile_headers(profile.originator, "Other-Leg")
    if name in WITH_VARIABLES:
        headers += variable_headers(channel)
    return headers


def variable_headers(channel: Channel) -> list[tuple[str, str]]:
    return [(f"variable_{name}", value) for name, value in channel.variables.items()]


def _basic(channel: Channel) -> list[tuple[str, str]]:
    headers = [
        ("Channel-State", channel.state),
        ("Channel-Call-State", channel.call_state),
        ("Channel-State-Number", str(STATES["CS_DESTROY" if channel.destroyed else channel.state])),
        ("Channel-Name", channel.name),
        ("Unique-ID", channel.uuid),
        ("Call-Direction", channel.direction),
        ("Presence-Call-Direction", channel.direction),
        ("Channel-HIT-Dialplan", "true" if channel.direction == "inbound" else "false"),
        ("Channel-Call-UUID", channel.variables.get("call_uuid", channel.uuid)),
        ("Answer-State", channel.answer_state),
    ]
    if channel.hangup_cause:
        headers.append(("Hangup-Cause", channel.hangup_cause))
    if channel.media_shown:
        codec = channel.leg.rtp.codec.name
        for way in ("Read", "Write"):
            headers.append((f"Channel-{way}-Codec-Name", codec))
            headers.append((f"Channel-{way}-Codec-Rate", "8000"))
            headers.append((f"Channel-{way}-Codec-Bit-Rate", "64000"))
    return headers


def profile_headers(profile: Profile, prefix: str) -> list[tuple[str, str]]:
    """A caller profile as headers; empty texts are left out, times never are."""
    texts = [
        ("Direction", profile.direction),
        ("Logical-Direction", profile.direction),
        ("Username", profile.username),
        ("Dialplan", profile.dialplan),
        ("Caller-ID-Name", profile.caller_id_name),
        ("Caller-ID-Number", profile.caller_id_number),
        ("Orig-Caller-ID-Name", profile.caller_id_name),
        ("Orig-Caller-ID-Number", profile.caller_id_number),
        ("Callee-ID-Name", profile.callee_id_name),
        ("Callee-ID-Number", profile.callee_id_number),
        ("Network-Addr", profile.network_addr),
        ("ANI", profile.ani),
        ("Destination-Number", profile.destination_number),
        ("Unique-ID", profile.uuid),
        ("Source", profile.source),
        ("Transfer-Source", profile.transfer_source),
        ("Context", profile.context),
        ("RDNIS", profile.rdnis),
        ("Channel-Name", profile.chan_name),
        ("Profile-Index", str(profile.index) if profile.index else ""),
    ]
    headers = [(f"{prefix}-{name}", value) for name, value in texts if value]
    headers += [(f"{prefix}-{name}", value) for name, value in _time_headers(profile.times)]
    headers += [(f"{prefix}-{name}", "false") for name in ("Privacy-Hide-Name", "Privacy-Hide-Number")]
    return [*headers[:-2], (f"{prefix}-Screen-Bit", "true"), *headers[-2:]]


def _time_headers(times: Times) -> list[tuple[str, str]]:
    return [
        ("Profile-Created-Time", str(times.profile_created)),
        ("Channel-Created-Time", str(times.created)),
        ("Channel-Answered-Time", str(times.answered)),
        ("Channel-Progress-Time", str(times.progress)),
        ("Channel-Progress-Media-Time", str(times.progress_media)),
        ("Channel-Hangup-Time", str(times.hungup)),
        ("Channel-Transfer-Time", str(times.transferred)),
        ("Channel-Resurrect-Time", "0"),
        ("Channel-Bridged-Time", str(times.bridged)),
        ("Channel-Last-Hold", str(times.last_hold)),
        ("Channel-Hold-Accum", str(times.held)),
    ]


def _stamp(moment_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment_us // 1_000_000))


def time_variables(channel: Channel) -> dict[str, str]:
    """Stamps and lengths, as they stand when the call has ended."""
    times = channel.profile.times
    moments = {
        "start": times.created,
        "profile_start": times.profile_created,
        "answer": times.answered,
        "bridge": times.bridged,
        "progress": times.progress,
        "progress_media": times.progress_media,
        "end": times.hungup,
    }
    found = {f"{name}_stamp": _stamp(moment) for name, moment in moments.items() if moment}
    if times.last_hold:
        found["hold_stamp"] = _stamp(times.last_hold)
    moments |= {"last_hold": times.last_hold, "resurrect": 0}
    for name, moment in moments.items():
        found[f"{name}_epoch"] = str(moment // 1_000_000)
        found[f"{name}_uepoch"] = str(moment)
    lengths = (("seconds", 1_000_000), ("usec", 1), ("ms", 1000))
    found |= {f"hold_accum_{unit}": str(times.held // size) for unit, size in lengths}
    return found | _lengths(times)


def _lengths(times: Times) -> dict[str, str]:
    """Names are irregular on purpose: ``duration`` and ``billsec`` are the switch's own words."""

    def since(start: int, end: int) -> tuple[int, int]:
        """Microseconds, and the difference of whole epoch seconds, which the switch calls seconds."""
        if not start or not end:
            return 0, 0
        return end - start, end // 1_000_000 - start // 1_000_000

    spans = {
        ("duration", "mduration", "uduration"): since(times.created, times.hungup),
        ("billsec", "billmsec", "billusec"): since(times.answered, times.hungup),
        ("progresssec", "progressmsec", "progressusec"): since(times.created, times.progress),
        ("answersec", "answermsec", "answerusec"): since(times.created, times.answered),
        ("waitsec", "waitmsec", "waitusec"): since(times.created, times.bridged),
        ("progress_mediasec", "progress_mediamsec", "progress_mediausec"): since(times.created, times.progress_media),
        ("flow_billsec", "flow_billmsec", "flow_billusec"): since(times.created if times.answered else 0, times.hungup),
    }
    found: dict[str, str] = {}
    for (seconds, milliseconds, microseconds), (length_us, length_s) in spans.items():
        found |= {seconds: str(length_s), milliseconds: str(length_us // 1000), microseconds: str(length_us)}
    return found


def media_stats(received: Counts, sent: Counts) -> dict[str, dict[str, Any]]:
    """The ``callStats`` of a CDR: lost packets by their sequence numbers; jitter is not measured. The score is as
    simple as the switch's own (switch_rtp.c, do_mos): without any packet the best one."""
    lost, packets = min(received.missing, received.packets), received.packets
    good = int(100 * (packets - lost) / packets) if packets else 100
    inbound: dict[str, Any] = {
        "raw_bytes": received.size_bytes,
        "media_bytes": received.size_bytes,
        "packet_count": received.packets,
        "media_packet_count": received.packets,
        "skip_packet_count": received.missing,
        "jitter_packet_count": 0,
        "dtmf_packet_count": received.digits,
        "cng_packet_count": 0,
        "flush_packet_count": 0,
        "largest_jb_size": 0,
        "jitter_min_variance": 0.0,
        "jitter_max_variance": 0.0,
        "jitter_loss_rate": received.missing / packets if packets else 0.0,
        "jitter_burst_rate": 0.0,
        "mean_interval": 20.0 if received.packets else 0.0,
        "flaw_total": lost,
        "quality_percentage": float(good),
        "mos": 1 + 0.035 * good + 7e-6 * good * (good - 60) * (100 - good),
    }
    outbound = {
        "raw_bytes": sent.size_bytes,
        "media_bytes": sent.size_bytes,
        "packet_count": sent.packets,
        "media_packet_count": sent.packets,
        "skip_packet_count": 0,
        "dtmf_packet_count": 0,
        "cng_packet_count": 0,
        "rtcp_packet_count": 0,
        "rtcp_octet_count": 0,
    }
    return {"inbound": inbound, "outbound": outbound}


def media_variables(received: Counts, sent: Counts) -> dict[str, str]:
    """``rtp_audio_*``; the two RTCP counts are named apart from ``out`` (switch_core_media.c, set_stats)."""
    stats = media_stats(received, sent)
    found = {f"rtp_audio_in_{name}": _figure(value) for name, value in stats["inbound"].items()}
    for name, value in stats["outbound"].items():
        found[f"rtp_audio_{name}" if name.startswith("rtcp") else f"rtp_audio_out_{name}"] = _figure(value)
    return found


def _figure(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
