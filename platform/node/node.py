"""Builds a node from its settings, takes calls in, and takes the whole down again. The only place that wires parts.

For development, demonstration and tests only: it imitates FreeSWITCH, it is no evidence about it.
"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from importlib.resources import files
from pathlib import Path
from typing import Any

import gevent

from . import cdr, dialplan, sdp
from .apps import APPS
from .channel import Channel, now_us
from .core import Core
from .errors import NodeError, NoPortLeft
from .events import EventBus
from .faults import Faults
from .inbound import InboundServer
from .model import NodeConfig, Profile, Times
from .playout import Playout
from .reporting import report
from .rtp import PortPool
from .schedule import Schedule
from .scripts import Scripts
from .session import Session
from .sipleg import CallerLeg, Services
from .sipstack import SipStack

log = logging.getLogger(__name__)

HEARTBEAT_S = 20
STOP_S = 3.0
RETRY_AFTER_S = 300  # what the switch says when it is full or paused (reference freeswitch 6.2)
_ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO"


class Node:
    """One running node."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.faults = Faults()
        globals_ = {
            "dialtrace_worker": config.worker,
            "dialtrace_node": config.name,
            "dialtrace_spool": str(config.spool),
        }
        path = config.dialplan or Path(str(files("dialtrace.freeswitch"))) / "dialplan" / "inbound.xml"
        plan = dialplan.load(path, globals_)
        for folder in ("cdr", "recordings", "plans", "prompts"):
            (config.spool / folder).mkdir(parents=True, exist_ok=True)
        core_uuid = str(uuid.uuid4())
        stack = SipStack(config.sip_host, config.sip_port, self._request, self.faults)
        ports = PortPool(config.sip_host, config.rtp_first, config.rtp_last)
        globals_ |= {"hostname": socket.gethostname(), "switchname": config.name, "core_uuid": core_uuid}
        self.core = Core(
            config=config,
            core_uuid=core_uuid,
            bus=EventBus(core_uuid, socket.gethostname(), config.name, config.sip_host),
            faults=self.faults,
            playout=Playout(),
            schedule=Schedule(self.faults),
            services=Services(stack, ports, self.faults, config.sip_host, config.sip_port),
            dialplan=plan,
            scripts=Scripts(path.parent.parent / "scripts", config.spool, globals_),
            globals=globals_,
            save_cdr=lambda channel: cdr.save(channel, config.spool / "cdr"),
        )
        self._stack = stack
        self._server = InboundServer(self.core)
        self._greenlets: list[gevent.Greenlet] = []

    # --- life ---

    def start(self) -> None:
        """Take calls from now on."""
        self._server.start()
        spawn = self.faults.spawn
        self._greenlets = [
            spawn("SIP timers", self._stack.run_timers),
            spawn("playout", self.core.playout.run),
            spawn("heartbeat", self._heartbeat),
        ]
        self.core.bus.fire("STARTUP", lambda: [("Event-Info", "System Ready")])

    def stop(self) -> None:
        """Hang up every call with SYSTEM_SHUTDOWN, wait a little for their CDRs, then close everything."""
        self.core.inbound_paused = True
        self.core.bus.fire("SHUTDOWN", lambda: [("Event-Info", "System Shutting Down")])
        for channel in list(self.core.channels.values()):
            channel.hang_up("SYSTEM_SHUTDOWN")
        deadline = time.monotonic() + STOP_S
        while self.core.channels and time.monotonic() < deadline:
            gevent.sleep(0.01)
        self._server.stop()
        gevent.sleep(0.05)
        gevent.killall(self._greenlets, timeout=1)
        self._stack.close()

    def _heartbeat(self) -> None:
        while True:
            self.core.bus.fire("HEARTBEAT", self._heartbeat_headers)
            gevent.sleep(HEARTBEAT_S)

    def _heartbeat_headers(self) -> list[tuple[str, str]]:
        core = self.core
        up_ms = int((time.monotonic() - core.started_at) * 1000)
        return [
            ("Event-Info", "System Ready"),
            ("Up-Time", f"0 years, 0 days, 0 hours, 0 minutes, {up_ms // 1000} seconds"),
            ("FreeSWITCH-Version", core.version),
            ("Uptime-msec", str(up_ms)),
            ("Session-Count", str(len(core.channels))),
            ("Max-Sessions", str(core.max_sessions)),
            ("Session-Per-Sec", str(core.config.max_calls)),
            ("Session-Per-Sec-Last", "0"),
            ("Session-Per-Sec-Max", "0"),
            ("Session-Per-Sec-FiveMin", "0"),
            ("Session-Since-Startup", str(core.since_startup)),
            ("Session-Peak-Max", str(core.peak)),
            ("Session-Peak-FiveMin", str(core.peak)),
            ("Idle-CPU", "100.000000"),
        ]

    # --- requests ---

    def _request(self, request: Any, transaction: Any) -> Any:
        """A request outside of a dialog; returns what sippy's transaction layer wants."""
        method = request.getMethod()
        if method == "INVITE":
            return self._invite(request, transaction)
        if method == "OPTIONS":
            busy = bool(self.core.refusal())
            return self._response(request, *((503, "Maximum Calls In Progress") if busy else (200, "OK")))
        if method == "ACK":
            return None
        known = {"BYE", "INFO", "UPDATE", "PRACK"}
        return self._response(
            request, *((481, "Call Does Not Exist") if method in known else (405, "Method Not Allowed"))
        )

    def _response(self, request: Any, status: int, reason: str) -> Any:
        from sippy.SipHeader import SipHeader

        response = request.genResponse(status, reason)
        if status == 503:
            response.appendHeader(SipHeader(f"Retry-After: {RETRY_AFTER_S}"))
        else:
            response.appendHeader(SipHeader(f"Allow: {_ALLOW}"))
        return (response, None, None)

    def _invite(self, request: Any, transaction: Any) -> Any:
        if request.getHFBody("to").getTag():
            return self._response(request, 481, "Call Does Not Exist")
        if request.countHFs("require") and "100rel" in str(request.getHFBody("require")):
            return self._bad_extension(request)
        if request.countHFs("contact") == 0:
            return self._response(request, 400, "Bad Request - no Contact")
        if self.core.refusal():
            return self._response(request, 503, "Maximum Calls In Progress")
        try:
            leg = CallerLeg(self.core.services)
        except NoPortLeft:
            return self._response(request, 503, "Maximum Calls In Progress")
        answer = leg.receive(request, transaction)
        channel = self._channel(leg, request)
        self.faults.spawn("call", self._run_call, channel, request.getBody())
        return answer

    def _bad_extension(self, request: Any) -> Any:
        from sippy.SipHeader import SipHeader

        response = request.genResponse(420, "Bad Extension")
        response.appendHeader(SipHeader("Unsupported: 100rel"))
        return (response, None, None)

    def _channel(self, leg: CallerLeg, request: Any) -> Channel:
        sender = request.getHFBody("from")
        number = sender.getUrl().username or ""
        name = (sender.getUri().name or "").strip('"')
        stamp = now_us()
        address = request.getSource()
        target = request.getRURI()
        profile = Profile(
            uuid=str(uuid.uuid4()),
            direction="inbound",
            caller_id_number=_clean(number),
            caller_id_name=_clean(name) or _clean(number),
            destination_number=_clean(target.username or ""),
            username=_clean(number),
            ani=_clean(number),
            network_addr=address[0],
            chan_name=f"sofia/external/{_clean(number)}@{sender.getUrl().host}",
            times=Times(profile_created=stamp, created=stamp),
        )
        channel = Channel(self.core, leg, profile)
        self._describe(channel, request, address, stamp)
        self.core.register(channel)
        self.core.sessions[channel.uuid] = Session(channel, APPS)
        return channel

    def _describe(self, channel: Channel, request: Any, address: tuple[str, int], stamp: int) -> None:
        """The ``sip_*`` variables of an INVITE (sofia.c, sofia_handle_sip_i_invite)."""
        config, headers = self.config, channel.leg.headers
        sender, target = request.getHFBody("from").getUrl(), request.getRURI()
        contact = request.getHFBody("contact").getUrl()
        to = request.getHFBody("to").getUrl()
        hops = str(request.getHFBody("max-forwards").getNum()) if request.countHFs("max-forwards") else "70"
        found = {"direction": "inbound", "uuid": channel.uuid, "channel_name": channel.name}
        for prefix, url in (("from", sender), ("req", target), ("to", to), ("contact", contact)):
            found |= _url_variables(f"sip_{prefix}", url)
        found |= {
            "sip_from_display": channel.profile.caller_id_name,
            "sip_from_user_stripped": channel.profile.caller_id_number.removeprefix("+"),
            "sip_network_ip": address[0],
            "sip_network_port": str(address[1]),
            "sip_received_ip": address[0],
            "sip_received_port": str(address[1]),
            "sip_local_network_addr": config.sip_host,
            "sip_invite_stamp": str(stamp),
            "sip_via_protocol": "udp",
            "sip_call_id": headers.call_id,
            "sip_cseq": headers.cseq,
            "sip_full_via": headers.full_via,
            "sip_full_from": headers.full_from,
            "sip_full_to": headers.full_to,
            "sip_from_tag": headers.from_tag,
            "sip_to_tag": headers.to_tag,
            "sofia_profile_name": "external",
            "sofia_profile_url": f"sip:mod_sofia@{config.sip_host}:{config.sip_port}",
            "recovery_profile_name": "external",
            "max_forwards": hops,
            "endpoint_disposition": "DELAYED NEGOTIATION",
        }
        body = request.getBody()
        if body is not None:
            found["switch_r_sdp"] = str(body)
        found |= {f"sip_h_{name}": value for name, value in headers.extra.items() if "${" not in value}
        for name, value in found.items():
            channel.set(name, value.replace("${", "%{"))

    # --- a call ---

    def _run_call(self, channel: Channel, body: Any) -> None:
        session = self.core.sessions[channel.uuid]
        try:
            channel.fire("CHANNEL_CREATE")
            channel.call_state = "RINGING"
            if isinstance(channel.leg, CallerLeg) and self._takes_offer(channel, channel.leg, body):
                session.run()
        finally:
            channel.hang_up("DESTINATION_OUT_OF_ORDER")
            self.core.sessions.pop(channel.uuid, None)
            self.core.report(channel)
            self.core.close_lingering(channel)

    def _takes_offer(self, channel: Channel, leg: CallerLeg, body: Any) -> bool:
        try:
            leg.take_offer(body)
        except (NodeError, sdp.BadSessionDescription) as fault:
            log.info("%s: %s", channel.uuid, fault)
            channel.hang_up("INCOMPATIBLE_DESTINATION")
            return False
        return True


def _clean(text: str) -> str:
    """What a caller typed, without what could be expanded or break a line (switch_caller.c, profile_dup_clean)."""
    return "".join(character for character in text.replace("${", "%{") if character.isprintable())[:256]


def _url_variables(prefix: str, url: Any) -> dict[str, str]:
    host, port = str(url.host), str(url.port) if url.port else ""
    user = _clean(url.username or "")
    where = f"{host}:{port}" if port else host
    found = {f"{prefix}_host": host, f"{prefix}_uri": f"{user}@{where}" if user else where}
    if user:
        found[f"{prefix}_user"] = user
    if port:
        found[f"{prefix}_port"] = port
    return found


__all__ = ["Node", "report"]
