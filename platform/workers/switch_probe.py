"""Whether a switch's process is there at all: the one thing that can be known without an answer."""

from __future__ import annotations

import socket

from ..nodesfile import NodeSettings

SIP_PROBE_TIMEOUT_S = 0.3


def nobody_listens(node: NodeSettings) -> bool:
    """Whether this machine itself says that neither the event socket nor SIP has a listener. Silence proves nothing."""
    with socket.socket() as probe:
        probe.settimeout(SIP_PROBE_TIMEOUT_S)
        try:
            probe.connect(node.event_socket_address)
        except ConnectionRefusedError:
            pass
        except OSError:
            return False
        else:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(SIP_PROBE_TIMEOUT_S)
        try:
            probe.connect(node.sip_address)
            # A lone line break is SIP's keep-alive (RFC 5626, 3.5.1): nobody answers it or logs it.
            probe.send(b"\r\n\r\n")
            probe.recv(2048)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
