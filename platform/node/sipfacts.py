"""The ``sip_*`` and media variables of a leg, in FreeSWITCH's names. Reads SIP messages and legs, changes nothing.

Which variable appears when was compared with real CDR files of 1.10.12 (sofia.c, sofia_handle_sip_i_invite;
mod_sofia.c; switch_core_media.c).
"""

from __future__ import annotations

from typing import Any

from .rtp import RtpLeg
from .sipleg import CallerLeg, Leg

PROFILE = "external"
_NO_MEDIA = {"audio_media_flow": "disabled", "video_media_flow": "disabled", "text_media_flow": "disabled"}

_BLANKED = {code: " " for code in range(32) if chr(code) not in "\r\n"}


def clean(text: str) -> str:
    """What a caller typed, without what could be expanded (switch_caller.h, profile_dup_clean). Line breaks stay, as
    they do on the switch: everything that writes such a text encodes it."""
    return text.replace("${", "%{").translate(_BLANKED)[:256]


def url_variables(prefix: str, url: Any) -> dict[str, str]:
    """``<prefix>_user``, ``_host``, ``_port`` and ``_uri`` of a SIP address."""
    host, port = str(url.host), str(url.port) if url.port else ""
    user = clean(url.username or "")
    where = f"{host}:{port}" if port else host
    found = {}
    if user:
        found[f"{prefix}_user"] = user
    if port:
        found[f"{prefix}_port"] = port
    return found | {f"{prefix}_uri": f"{user}@{where}" if user else where, f"{prefix}_host": host}


def invite_variables(request: Any, leg: Leg, *, host: str, port: int, display: str, stamp_us: int) -> dict[str, str]:
    """What an arriving INVITE tells."""
    headers, (from_host, from_port) = leg.headers, request.getSource()
    sender = request.getHFBody("from").getUrl()
    found = url_variables("sip_from", sender) | _NO_MEDIA
    found |= {
        "sip_call_id": headers.call_id,
        "sip_local_network_addr": host,
        "sip_network_ip": from_host,
        "sip_network_port": str(from_port),
        "sip_invite_stamp": str(stamp_us),
        "sip_received_ip": from_host,
        "sip_received_port": str(from_port),
        "sip_via_protocol": "udp",
        "sip_from_user_stripped": clean(sender.username or "").removeprefix("+"),
        "sip_from_tag": headers.from_tag,
        **profile_variables(host, port),
        "sip_full_via": headers.full_via,
        "sip_from_display": display,
        "sip_full_from": headers.full_from,
        "sip_full_to": headers.full_to,
    }
    for prefix, url in (
        ("sip_req", request.getRURI()),
        ("sip_to", request.getHFBody("to").getUrl()),
        ("sip_contact", request.getHFBody("contact").getUrl()),
    ):
        found |= url_variables(prefix, url)
    via_host, via_port = request.getHFBody("via").getAddr()
    hops = str(request.getHFBody("max-forwards").getNum()) if request.countHFs("max-forwards") else "70"
    found |= {"sip_via_host": via_host, "sip_via_port": str(via_port), "max_forwards": hops}
    if request.countHFs("privacy"):
        found["sip_Privacy"] = str(request.getHFBody("privacy"))
    if request.countHFs("identity"):
        found["sip_identity"] = found["sip_h_identity"] = str(request.getHFBody("identity"))
    body = request.getBody()
    if body is not None:
        found["switch_r_sdp"] = str(body)
    found["endpoint_disposition"] = "DELAYED NEGOTIATION"
    found |= {f"sip_h_{name}": value for name, value in headers.extra.items() if "${" not in value}
    return {name: value.replace("${", "%{") for name, value in found.items()}


def profile_variables(host: str, port: int) -> dict[str, str]:
    """The SIP profile that a leg belongs to."""
    return {
        "sofia_profile_name": PROFILE,
        "recovery_profile_name": PROFILE,
        "sofia_profile_url": f"sip:mod_sofia@{host}:{port}",
    }


def codec_variables(rtp: RtpLeg) -> dict[str, str]:
    """What the offer settled, before any audio."""
    return {"ep_codec_string": _codec_string(rtp), "rtp_use_codec_string": "PCMA,PCMU"}


def _codec_string(rtp: RtpLeg) -> str:
    return f"CORE_PCM_MODULE.{rtp.codec.name}@8000h@20i@64000b"


def dialled_variables(leg: Leg, host: str, port: int) -> dict[str, str]:
    """What a leg of ours knows once its INVITE has gone out; its Call-ID is told with the first answer only."""
    return {
        "rtp_use_codec_string": _codec_string(leg.rtp),
        "local_media_ip": host,
        "local_media_port": str(leg.rtp.port),
        "advertised_media_ip": host,
        "audio_media_flow": "sendrecv",
        "video_media_flow": "sendrecv",
        "text_media_flow": "disabled",
        "rtp_local_sdp_str": leg.local_sdp,
        "sip_outgoing_contact_uri": f"<sip:mod_sofia@{host}:{port}>",
        **profile_variables(host, port),
        "sip_local_network_addr": host,
    }


def response_variables(response: Any) -> dict[str, str]:
    """What a target's answer to our INVITE tells of it."""
    source = response.getSource()
    sender, to = response.getHFBody("from"), response.getHFBody("to")
    found = {
        "sip_reply_host": source[0],
        "sip_reply_port": str(source[1]),
        "sip_network_ip": source[0],
        "sip_network_port": str(source[1]),
        "sip_full_via": str(response.getHFBody("via")),
        "sip_recover_via": str(response.getHFBody("via")),
        "sip_from_display": (sender.getUri().name or "").strip('"'),
        "sip_full_from": str(sender),
        "sip_full_to": str(to),
        "sip_from_tag": sender.getTag() or "",
        "sip_to_tag": to.getTag() or "",
        "sip_cseq": str(response.getHFBody("cseq").getCSeqNum()),
        "sip_call_id": str(response.getHFBody("call-id")),
        **url_variables("sip_from", sender.getUrl()),
        **url_variables("sip_to", to.getUrl()),
    }
    if response.countHFs("contact"):
        contact = response.getHFBody("contact")
        found |= url_variables("sip_contact", contact.getUrl()) | {"sip_recover_contact": str(contact)}
    if response.getBody() is not None:
        found["switch_r_sdp"] = str(response.getBody())
    return found


def audio_variables(leg: Leg, host: str) -> dict[str, str]:
    """What stands once there is audio."""
    rtp = leg.rtp
    codec = rtp.codec.name
    found = {
        "ep_codec_string": _codec_string(rtp),
        "remote_video_media_flow": "inactive",
        "remote_text_media_flow": "inactive",
        "remote_audio_media_flow": "sendrecv",
        "audio_media_flow": "sendrecv",
        "rtp_audio_recv_pt": str(rtp.codec.payload_type),
        "rtp_use_codec_name": codec,
        "rtp_use_codec_rate": "8000",
        "rtp_use_codec_ptime": "20",
        "rtp_use_codec_channels": "1",
        "rtp_last_audio_codec_string": f"{codec}@8000h@20i@1c",
        "read_codec": codec,
        "original_read_codec": codec,
        "read_rate": "8000",
        "original_read_rate": "8000",
        "write_codec": codec,
        "write_rate": "8000",
        "dtmf_type": "rfc2833",
        "local_media_ip": host,
        "local_media_port": str(rtp.port),
        "advertised_media_ip": host,
        "rtp_use_timer_name": "soft",
        "rtp_use_pt": str(rtp.codec.payload_type),
        "rtp_use_ssrc": str(rtp.ssrc),
        "rtp_local_sdp_str": leg.local_sdp,
    }
    if isinstance(leg, CallerLeg):
        found |= {"video_media_flow": "inactive", "text_media_flow": "inactive"}
    if rtp.event_type is not None:
        found |= {"rtp_2833_send_payload": str(rtp.event_type), "rtp_2833_recv_payload": str(rtp.event_type)}
    if rtp.remote:
        found |= {"remote_media_ip": rtp.remote[0], "remote_media_port": str(rtp.remote[1])}
    return found
