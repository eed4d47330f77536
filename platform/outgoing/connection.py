"""One connection to one address that was checked before: nothing here looks a name up or follows anybody elsewhere.

The socket is connected to the address itself, TLS asks for and checks the name, and when the time is over the socket is
shut from outside. Time-outs of single reads would not do: a server that sends one byte a second never meets them.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.connection import HTTPConnection, HTTPSConnection

from .model import Destination, IpAddress


class Cut:
    """Shuts a socket ``after_s`` seconds from now, whatever it is doing then; ``is_over`` tells afterwards."""

    def __init__(self, after_s: float) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._twin: socket.socket | None = None
        self._timer = threading.Timer(after_s, self._shut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        """The socket to shut. A twin of it is kept: TLS takes the original away."""
        with self._lock:
            self._twin = sock.dup()
        if self.is_over:
            self._shut()

    def _shut(self) -> None:
        with self._lock:
            self.is_over = True
            if self._twin is None:
                return
            try:
                self._twin.shutdown(socket.SHUT_RDWR)
            except OSError:
                # Not connected yet or any more: its own time-out, or its end, is there already.
                return

    def close(self) -> None:
        """Nothing is shut from now on."""
        self._timer.cancel()
        with self._lock:
            if self._twin is not None:
                self._twin.close()
                self._twin = None


def _open(address: str, port: int | None, cut: Cut, timeout_s: float) -> socket.socket:
    """A socket connected to an address; nothing is looked up, since it is no name. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cut.watch(sock)
    except BaseException:
        sock.close()
        raise
    return sock


class PlainConnection(HTTPConnection):
    """HTTP, for networks that the operator has named. The host is the address; the name stands in the Host header."""

    cut: Cut
    connect_s: float

    def _new_conn(self) -> socket.socket:
        return _open(self.host, self.port, self.cut, self.connect_s)


class TlsConnection(HTTPSConnection):
    """HTTPS. The host is the address; the name stands in the Host header and in TLS."""

    cut: Cut
    connect_s: float

    def _new_conn(self) -> socket.socket:
        return _open(self.host, self.port, self.cut, self.connect_s)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Certificates are checked against the system's authorities, and those of a file where one is given."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


@contextmanager
def connected(
    destination: Destination, address: IpAddress, *, cut: Cut, timeout_s: float, tls: ssl.SSLContext
) -> Iterator[PlainConnection | TlsConnection]:
    """A connection, closed in the end. Raises OSError, ssl.SSLError, urllib3's errors."""
    connection: PlainConnection | TlsConnection
    if destination.scheme == "https":
        # The name is checked by OpenSSL itself, against what TLS was asked for.
        connection = TlsConnection(
            str(address), destination.port, timeout=timeout_s, ssl_context=tls, server_hostname=destination.host
        )
    else:
        connection = PlainConnection(str(address), destination.port, timeout=timeout_s)
    connection.cut, connection.connect_s = cut, timeout_s
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()
