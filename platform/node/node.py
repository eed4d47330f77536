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
from urllib.parse import unquote

import gevent
from sippy.SipHeader import SipHeader

from . import apps_limit, apps_media, bridging, dialplan, outbound, sipfacts
from .apps import APPS
from .channel import Channel, now_us
from .core import Core
from .errors import NodeError, NoPortLeft
from .events import EventBus
from .faults import Faults
from .gateways import Gateways
from .inbound import InboundServer
from .model import NodeConfig, Profile, Times
from .playout import Playout
from .reporting import report
from .rtp import PortPool
from .schedule import Schedule
from .scripts import Scripts
from .session import Session
from .sipfacts import clean
from .sipleg import CallerLeg, Services
from .sipstack import SipStack

log = logging.getLogger(__name__)

HEARTBEAT_S = 20
STOP_S = 3.0
# Importing these registers their applications.
APPLICATION_MODULES = (apps_limit, apps_media, bridging, outbound)
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
            "dialtrace_max_calls": str(config.max_calls),
            "dialtrace_max_rate": config.max_rate,
            "dialtrace_test_token": config.test_token,
            "dialtrace_edges": config.edges,
        }
        path = config.dialplan or Path(str(files("dialtrace.freeswitch"))) / "dialplan" / "inbound.xml"
        plan = dialplan.load(path, globals_)
        for folder in ("cdr", "recordings", "plans", "prompts", "gateways", "rules"):
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
            gateways=Gateways(config.spool / "gateways"),
            report=lambda channel: report(channel, config.spool / "cdr"),
        )
        self._stack = stack
        self._server = InboundServer(self.core)
        self._greenlets: list[gevent.Greenlet[..., Any]] = []

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
        response = request.genResponse(420, "Bad Extension")
        response.appendHeader(SipHeader("Unsupported: 100rel"))
        return (response, None, None)

    def _channel(self, leg: CallerLeg, request: Any) -> Channel:
        sender = request.getHFBody("from")
        number = sender.getUrl().username or ""
        # Decoded once as it comes (sofia.c, check_decode); sippy has decoded the number.
        name = unquote((sender.getUri().name or "").strip('"'))
        stamp = now_us()
        address = request.getSource()
        target = request.getRURI()
        profile = Profile(
            uuid=str(uuid.uuid4()),
            direction="inbound",
            caller_id_number=clean(number),
            caller_id_name=clean(name) or clean(number),
            destination_number=clean(target.username or ""),
            username=clean(number),
            ani=clean(number),
            network_addr=address[0],
            chan_name=f"sofia/external/{sipfacts.url_variables('sip', sender.getUrl())['sip_uri']}",
            times=Times(profile_created=stamp, created=stamp),
        )
        channel = Channel(self.core, leg, profile)
        self._describe(channel, request, stamp)
        self.core.register(channel)
        self.core.sessions[channel.uuid] = Session(channel, APPS)
        return channel

    def _describe(self, channel: Channel, request: Any, stamp: int) -> None:
        config = self.config
        found = {"direction": "inbound", "uuid": channel.uuid, "channel_name": channel.name}
        found |= sipfacts.invite_variables(
            request,
            channel.leg,
            host=config.sip_host,
            port=config.sip_port,
            display=channel.profile.caller_id_name,
            stamp_us=stamp,
        )
        for name, value in found.items():
            channel.set(name, value)

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
            # Before the report: without `linger` a worker never hears HANGUP_COMPLETE (reference freeswitch 1.3).
            self.core.release_workers(channel)
            self.core.report(channel)

    def _takes_offer(self, channel: Channel, leg: CallerLeg, body: Any) -> bool:
        try:
            leg.take_offer(body)
        except NodeError as fault:
            log.info("%s: %s", channel.uuid, fault)
            channel.hang_up("INCOMPATIBLE_DESTINATION")
            return False
        for name, value in sipfacts.codec_variables(leg.rtp).items():
            channel.set(name, value)
        return True
