"""What all calls of one node share, built once by node.py. Holds no logic of its own but the register of channels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .dialplan import Dialplan
from .events import EventBus
from .faults import Faults
from .gateways import Gateways
from .limits import Limits
from .model import NodeConfig
from .playout import Playout
from .schedule import Schedule
from .sipleg import Services

if TYPE_CHECKING:
    from .channel import Channel
    from .outbound import OutboundSocket
    from .scripts import Scripts
    from .session import Session

# The switch whose event socket and files are imitated; clients read it from `status` and HEARTBEAT.
VERSION = "1.10.12-release-dialtrace~64bit"


@dataclass
class Core:
    """The node's shared parts and its books. ``report`` closes a hung-up leg's books, once."""

    config: NodeConfig
    core_uuid: str
    bus: EventBus
    faults: Faults
    playout: Playout
    schedule: Schedule
    services: Services
    dialplan: Dialplan
    scripts: Scripts
    globals: dict[str, str]
    gateways: Gateways
    report: Callable[[Channel], None]
    version: str = VERSION
    limits: Limits = field(default_factory=Limits)
    channels: dict[str, Channel] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    worker_sockets: list[OutboundSocket] = field(default_factory=list)
    inbound_paused: bool = False
    outbound_paused: bool = False
    since_startup: int = 0
    peak: int = 0
    session_ids: int = 0
    started_at: float = field(default_factory=time.monotonic)

    @property
    def host(self) -> str:
        return self.config.sip_host

    @property
    def max_sessions(self) -> int:
        """Legs, as the switch counts: a bridged call is two."""
        return self.config.max_calls * 2

    def register(self, channel: Channel) -> None:
        self.channels[channel.uuid] = channel
        self.since_startup += 1
        self.session_ids += 1
        self.peak = max(self.peak, len(self.channels))
        channel.set("session_id", str(self.session_ids))

    def release_workers(self, channel: Channel) -> None:
        """The call is reported: its workers' sockets say goodbye, or linger."""
        for connection in [held for held in self.worker_sockets if held.session.channel is channel]:
            self.worker_sockets.remove(connection)
            connection.after_hangup()

    def refusal(self) -> str:
        """Why no new call is taken now, or empty. Decided before ports run out, never by failing on one."""
        if self.inbound_paused:
            return "paused"
        # The dialplan counts calls (admission); this is the bound behind it, as `max-sessions` is on the switch.
        if len(self.sessions) >= self.config.max_calls * 2:
            return "max_calls"
        if self.services.ports.free < 2:
            return "rtp_ports"
        return ""
