"""Ports of the suite: below the ephemeral range, each taken by binding it."""

from __future__ import annotations

import itertools
import os
import random
import socket

HOST = "127.0.0.1"
_FIRST, _COUNT = 27_000, 1000
_next = itertools.count(random.Random(os.getpid()).randrange(_COUNT))
#: RTP of the switch under test, by its kind; the suite never runs the same kind twice at a time (rehearsal.py).
RTP = {"embedded": (34_000, 35_999), "freeswitch": (36_000, 37_999)}


def bind_udp() -> socket.socket:
    """A UDP socket on a port of its own."""
    return _bind(socket.SOCK_DGRAM)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port that nobody has at this moment."""
    with _bind(kind) as sock:
        port: int = sock.getsockname()[1]
        return port


def _bind(kind: int) -> socket.socket:
    for _ in range(_COUNT):
        sock = socket.socket(socket.AF_INET, kind)
        try:
            sock.bind((HOST, _FIRST + next(_next) % _COUNT))
        except OSError:
            sock.close()
            continue
        return sock
    raise OSError(f"no free port in {_FIRST}-{_FIRST + _COUNT - 1}")
