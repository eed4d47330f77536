"""Requests to other people's machines, and where they may go."""

from __future__ import annotations

from ..config import Settings
from ..outgoing.model import Rules, parse_networks, parse_ports
from ..outgoing.service import OutgoingClient
from ..recording.guard import EndpointGuard


def build_rules(settings: Settings) -> Rules:
    """Where requests to other people's machines may go."""
    return Rules(
        private_networks=parse_networks(settings["DIALTRACE_OUTGOING_PRIVATE_NETWORKS"]),
        ports=parse_ports(settings["DIALTRACE_OUTGOING_PORTS"]),
    )


def build_outgoing(settings: Settings, *, most_per_host: int) -> OutgoingClient:
    """The one HTTP client for addresses that other people have written down."""
    return OutgoingClient(
        build_rules(settings), ca_file=settings["DIALTRACE_OUTGOING_CA_FILE"], most_per_host=most_per_host
    )


def build_guard(settings: Settings) -> EndpointGuard:
    """Which addresses agencies' own stores may have: those that web hooks may have."""
    networks = parse_networks(settings["DIALTRACE_OUTGOING_PRIVATE_NETWORKS"])
    return EndpointGuard(Rules(private_networks=networks, ports=parse_ports(settings["DIALTRACE_OUTGOING_PORTS"])))
