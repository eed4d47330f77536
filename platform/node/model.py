"""The embedded node's values: its settings, and what a call is made of. No I/O.

The node is a stand-in for FreeSWITCH in development, demonstration and tests; the names follow FreeSWITCH's own
(caller profile, extension, application), because events and CDR files carry them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import BadNodeConfig

DEFAULT_MAX_CALLS = 500
DEFAULT_MAX_RATE = "200/1"
_RATE = re.compile(r"-|[0-9]{1,6}/[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything a node needs to know. ``worker`` is ``host:port``; RTP ports are UDP, both ends inclusive.

    ``dialplan`` is the XML file; its scripts are looked up in ``../scripts`` beside it. None takes the packaged one.
    Raises :class:`BadNodeConfig` naming every fault at once.
    """

    name: str
    sip_host: str
    sip_port: int
    event_socket_host: str
    event_socket_port: int
    event_socket_password: str
    spool: Path
    worker: str
    rtp_first: int
    rtp_last: int
    max_calls: int = DEFAULT_MAX_CALLS
    #: Calls in so many seconds, or `-`: as many as come.
    max_rate: str = DEFAULT_MAX_RATE
    dialplan: Path | None = None
    #: Marks the installation's own test calls; empty: none is marked.
    test_token: str = ""
    #: Addresses of edges, `|` between: their word on a caller's signature counts (dialplan/inbound.xml).
    edges: str = "none"

    def __post_init__(self) -> None:
        faults = list(_config_faults(self))
        if faults:
            raise BadNodeConfig("; ".join(faults))


def _config_faults(config: NodeConfig) -> list[str]:
    faults = []
    if not config.name or any(character in config.name for character in " \t\r\n"):
        faults.append("name: give a name without spaces")
    if config.sip_host in {"", "0.0.0.0", "::"}:  # noqa: S104 - refused, not bound
        faults.append("sip_host: give the address that peers reach, not a wildcard")
    for label, port in (("sip_port", config.sip_port), ("event_socket_port", config.event_socket_port)):
        if not 1 <= port <= 65535:
            faults.append(f"{label}: {port} is no port (1 to 65535)")
    if not 1024 <= config.rtp_first < config.rtp_last <= 65535:
        faults.append(f"rtp_first, rtp_last: {config.rtp_first} to {config.rtp_last} is no port range above 1023")
    if not config.event_socket_password or not config.event_socket_password.isprintable():
        faults.append("event_socket_password: give printable characters")
    host, _, port_text = config.worker.rpartition(":")
    if not host or not port_text.isdigit():
        faults.append(f"worker: {config.worker!r} is not host:port")
    if config.max_calls < 1:
        faults.append("max_calls: at least 1")
    if not _RATE.fullmatch(config.max_rate):
        faults.append(f"max_rate: {config.max_rate!r} is not <calls>/<seconds> or -")
    return faults


@dataclass(frozen=True, slots=True)
class Action:
    """One application of an extension; ``data`` is None where the dialplan gave none."""

    application: str
    data: str | None = None


@dataclass(slots=True)
class Extension:
    """What a call runs: the actions that were collected when it was routed."""

    name: str
    number: str
    actions: list[Action]
    current: int = -1
    #: Extensions that ran within this one, each with its dialplan.
    children: list[tuple[str, Extension]] = field(default_factory=list)


@dataclass(slots=True)
class Times:
    """A caller profile's stamps, microseconds since 1970 (UTC); 0 means that it never happened."""

    profile_created: int = 0
    created: int = 0
    answered: int = 0
    progress: int = 0
    progress_media: int = 0
    hungup: int = 0
    transferred: int = 0
    bridged: int = 0
    #: When the channel's own side held the call last, and for how long altogether.
    last_hold: int = 0
    held: int = 0


@dataclass(slots=True)
class Profile:
    """A caller profile: who calls whom, as one step of a call sees it. A transfer makes a new one."""

    uuid: str
    direction: str
    caller_id_number: str
    caller_id_name: str
    destination_number: str
    username: str = ""
    ani: str = ""
    network_addr: str = ""
    rdnis: str = ""
    callee_id_name: str = ""
    callee_id_number: str = ""
    dialplan: str = "XML"
    context: str = "inbound"
    source: str = "mod_sofia"
    chan_name: str = ""
    transfer_source: str = ""
    index: int = 1
    times: Times = field(default_factory=Times)
    extension: Extension | None = None
    originatees: list[Profile] = field(default_factory=list)
    originator: Profile | None = None

    def transferred(self, destination: str, dialplan: str, context: str, now_us: int) -> Profile:
        """The profile after a transfer. Bridged time is not carried over (switch_channel.c, set_caller_profile)."""
        times = replace(self.times, profile_created=now_us, bridged=0, transferred=0, hungup=0)
        return replace(
            self,
            destination_number=destination,
            rdnis=self.destination_number,
            dialplan=dialplan,
            context=context,
            index=self.index + 1,
            times=times,
            extension=None,
            originatees=[],
        )

    def seen_by_other(self, *, with_times: bool = False) -> Profile:
        """The copy that the other leg keeps of this one; the switch copies no times or RDNIS into an originator's."""
        times = replace(self.times, bridged=0) if with_times else Times()
        return replace(
            self, times=times, index=0, rdnis="", transfer_source="", extension=None, originatees=[], originator=None
        )

    def field_text(self, name: str) -> str | None:
        """A field by FreeSWITCH's name for it (switch_caller.c, switch_caller_get_field_by_name), or None."""
        if name in _TEXT_FIELDS:
            return str(getattr(self, name))
        if name in _TIME_FIELDS:
            return str(getattr(self.times, _TIME_FIELDS[name]))
        if name in {"chan_name", "channel_name"}:
            return self.chan_name
        return None


_TEXT_FIELDS = frozenset(
    [
        "uuid",
        "caller_id_number",
        "caller_id_name",
        "destination_number",
        "username",
        "ani",
        "network_addr",
        "rdnis",
        "callee_id_name",
        "callee_id_number",
        "dialplan",
        "context",
        "source",
        "direction",
    ]
)
_TIME_FIELDS = {
    "created_time": "created",
    "answered_time": "answered",
    "progress_time": "progress",
    "progress_media_time": "progress_media",
    "hangup_time": "hungup",
    "transferred_time": "transferred",
    "bridged_time": "bridged",
    "profile_created_time": "profile_created",
}
