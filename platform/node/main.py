"""The process of an embedded node: from settings to a clean end. The command line is built around :func:`run_node`."""

from __future__ import annotations

import signal
import sys

import gevent
from gevent.event import Event

from .model import NodeConfig
from .node import Node


def run_node(config: NodeConfig) -> None:
    """Run a node until SIGTERM or SIGINT. The process must be patched for gevent already.

    Raises :class:`~.errors.NodeError` when it cannot start.
    """
    node = Node(config)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    _say(f"dialtrace node {config.name}: a stand-in for FreeSWITCH, for development, demonstration and tests only")
    node.start()
    _say(
        f"dialtrace node {config.name}: ready, SIP udp {config.sip_host}:{config.sip_port}, "
        f"event socket {config.event_socket_host}:{config.event_socket_port}, spool {config.spool}"
    )
    stop.wait()
    node.stop()
    _say(f"dialtrace node {config.name}: stopped, {node.faults.count} faults")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
