"""Starts one leg of a dial string: its channel, its variables, its INVITE. Knows nothing of races or timers.

Which variables a leg inherits follows ``switch_ivr_originate.c``; reference freeswitch 4.1.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import Any

import gevent
import gevent.socket

from . import sipfacts
from .apps import exported
from .channel import Channel, now_us
from .dialstring import Leg as Wanted
from .errors import NodeError
from .gateways import Gateway
from .model import Profile, Times
from .session import Session
from .sipleg import CalleeLeg
from .syntax import truth

# What a leg takes over from the caller without an export (reference freeswitch 4.1).
_INHERITED = [
    "group_confirm_key",
    "group_confirm_file",
    "group_confirm_error_file",
    "group_confirm_read_timeout",
    "forked_dial",
    "fail_on_single_reject",
    "hangup_on_single_reject",
    "ignore_early_media",
    "bridge_early_media",
    "instant_ringback",
    "originate_continue_on_timeout",
    "ignore_ring_ready",
    "return_ring_ready",
    "ring_ready",
    "progress_timeout",
    "language",
]

#: As a caller's name it means that there is none to tell (sofia_glue.c, sofia_glue_do_invite).
NO_NAME = "_undef_"


def one_line(text: str) -> str:
    """What may stand in a header. The switch does not look; a stand-in need not imitate that."""
    return "".join(character for character in text if ord(character) >= 32 and character != "\x7f")


@dataclass(slots=True)
class Attempt:
    """One leg being dialled."""

    channel: Channel | None
    variables: dict[str, str]
    cause: str = ""
    give_up_at: float | None = None
    progress_by: float | None = None
    confirming: gevent.Greenlet[..., Any] | None = None
    confirmed: bool = False
    answer_seen: bool = False

    @property
    def lost(self) -> bool:
        return bool(self.cause)


class Dialler:
    """Starts the legs of one dial string for one caller; ``for_all`` are the variables in its braces."""

    def __init__(self, session: Session, for_all: dict[str, str]) -> None:
        self._session = session
        self._caller = session.channel
        self._core = session.core
        self._for_all = for_all

    def ignores_early_media(self) -> bool:
        """Whether a target's early media count as ringing only."""
        text = self._for_all.get("ignore_early_media") or self._caller.get("ignore_early_media")
        return truth(text) or text in {"ring_ready", "consume"}

    def start(self, wanted: Wanted) -> Attempt:
        variables = {**exported(self._session), **self._for_all, **wanted.variables}
        attempt = Attempt(None, variables)
        try:
            attempt.channel = self._dial(wanted, variables)
        except (NodeError, OSError):
            # No port, a name that does not resolve: an attempt without a channel (reference call-setup).
            attempt.cause = "INVALID_GATEWAY" if wanted.profile == "gateway" else "DESTINATION_OUT_OF_ORDER"
            return attempt
        now = time.monotonic()
        attempt.give_up_at = _moment(now, variables.get("leg_timeout"))
        attempt.progress_by = _moment(now, variables.get("leg_progress_timeout") or variables.get("progress_timeout"))
        return attempt

    def _dial(self, wanted: Wanted, variables: dict[str, str]) -> Channel:
        if self._core.outbound_paused:
            raise NodeError("outbound calls are paused")
        gateway = self._gateway(wanted)
        if gateway is not None:
            wanted = _through(gateway, wanted)
        host = gevent.socket.gethostbyname(wanted.host)
        codec = self._caller.leg.rtp.codec
        leg = CalleeLeg(self._core.services, codec)
        channel = Channel(self._core, leg, self._profile(wanted, variables))
        self._prepare(channel, wanted, variables)
        if gateway is not None:
            channel.set("sip_gateway_name", gateway.name)
            channel.set("sip_invite_domain", gateway.host)
        self._core.register(channel)
        self._caller.partner = channel
        channel.fire("CHANNEL_CREATE")
        number, name = channel.profile.caller_id_number, channel.profile.caller_id_name
        leg.invite(
            (host, wanted.port),
            wanted.user,
            caller=one_line(number),
            caller_name="" if name == NO_NAME else one_line(name),
            headers=self._headers(variables),
            credentials=None if gateway is None else (gateway.username, gateway.password),
        )
        config = self._core.config
        for fact, value in sipfacts.dialled_variables(leg, config.sip_host, config.sip_port).items():
            channel.set(fact, value)
        channel.state = "CS_CONSUME_MEDIA"
        channel.fire("CHANNEL_ORIGINATE")
        channel.fire("CHANNEL_OUTGOING")
        self._caller.push("originated_legs", f"{channel.uuid};Outbound Call;{wanted.user}")
        return channel

    def _gateway(self, wanted: Wanted) -> Gateway | None:
        if wanted.profile != "gateway":
            return None
        found = self._core.gateways.find(wanted.target.partition("/")[0])
        if found is None:
            raise NodeError("there is no such gateway")
        return found

    def _profile(self, wanted: Wanted, variables: dict[str, str]) -> Profile:
        caller = self._caller.profile
        stamp = now_us()
        identity = variables.get("origination_uuid") or str(uuid.uuid4())
        if identity in self._core.channels:
            raise NodeError("that origination_uuid is taken by a live leg")
        number = variables.get("origination_caller_id_number") or self._caller.get("effective_caller_id_number")
        name = variables.get("origination_caller_id_name") or self._caller.get("effective_caller_id_name")
        return Profile(
            uuid=identity,
            direction="outbound",
            caller_id_number=number or caller.caller_id_number,
            caller_id_name=name or caller.caller_id_name,
            destination_number=wanted.user,
            username=caller.username,
            ani=caller.ani,
            network_addr=caller.network_addr,
            callee_id_name="Outbound Call",
            callee_id_number=wanted.user,
            dialplan=caller.dialplan,
            context=caller.context,
            chan_name=f"sofia/{wanted.profile}/{wanted.target.removeprefix('sip:')}",
            times=Times(profile_created=stamp, created=stamp),
            originator=caller.seen_by_other(),
        )

    def _prepare(self, channel: Channel, wanted: Wanted, variables: dict[str, str]) -> None:
        caller = self._caller
        known = {
            "direction": "outbound",
            "is_outbound": "true",
            "uuid": channel.uuid,
            "sip_profile_name": wanted.profile,
            "channel_name": channel.name,
            "sip_destination_url": f"sip:{wanted.target.removeprefix('sip:')}",
            "sip_req_uri": wanted.target.removeprefix("sip:"),
            "max_forwards": str(max(0, int(caller.variables.get("max_forwards", "70")) - 1)),
            "originator_codec": caller.variables.get("ep_codec_string", ""),
            "originator": caller.uuid,
            "originating_leg_uuid": caller.uuid,
            "originate_endpoint": "sofia",
            "originate_early_media": "false" if self.ignores_early_media() else "true",
            "call_uuid": caller.variables.get("call_uuid", caller.uuid),
            "signal_bond": caller.uuid,
        }
        channel.call_state = "DIALING"
        channel.partner = caller
        channel.waiters.append(caller)
        known |= {name: caller.variables[name] for name in _INHERITED if name in caller.variables}
        known |= {"switch_m_sdp": caller.leg.remote_sdp, "export_vars": caller.get("export_vars") or ""}
        for name, value in {**known, **variables}.items():
            channel.set(name, value)

    def _headers(self, variables: dict[str, str]) -> dict[str, str]:
        """``sip_h_…`` of the dial string, and the caller's own X- headers unless that is switched off."""
        found: dict[str, str] = {}
        copies = self._caller.get("sip_copy_custom_headers")
        if copies is None or truth(copies):
            found |= self._caller.leg.headers.extra
        found |= {name[6:]: value for name, value in variables.items() if name.startswith("sip_h_")}
        return {name: value for name, value in found.items() if "\r" not in value and "\n" not in value}


def _through(gateway: Gateway, wanted: Wanted) -> Wanted:
    """The address behind a gateway, as mod_sofia.c (sofia_outgoing_channel) makes it."""
    where = gateway.host if gateway.port == 5060 else f"{gateway.host}:{gateway.port}"
    return replace(wanted, target=f"{wanted.user}@{where}", host=gateway.host, port=gateway.port, profile="external")


def _moment(now: float, seconds: str | None) -> float | None:
    return now + float(seconds) if seconds and seconds.isdigit() and int(seconds) else None
