"""greenswitch's public classes on our reader, sender, waits and server.

For code written against greenswitch 0.0.19: the same names, arguments and results. Below the surface nothing of its
wire handling is left. What differs, on purpose:

* ``send`` takes one line without control characters; an application's argument travels as a counted body.
* Every wait ends: with a reply, with the link, or at a deadline (``NotConnectedError`` or
  ``OutboundSessionHasGoneAway`` for the link, ``CommandTimeout`` for a reply, ``ApplicationTimeout``, which is a
  ``gevent.Timeout``, when an application takes longer than its ``response_timeout``).
* ``myevents`` asks for JSON, ``linger`` without a number means ``DEFAULT_LINGER_S``.
* Handlers for different calls do not wait for each other; those of one call run in order.
* The server never ends the process, closes what it cannot take (the dialplan goes on), and survives a lack of
  descriptors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import greenswitch
from gevent import Timeout
from gevent.event import AsyncResult

from . import commands
from .errors import BindFailed, ConnectionLost, EslError
from .greenswitch_base import (
    ApplicationTimeout,
    ESLEvent,
    InvalidPassword,
    NotConnectedError,
    OutboundSessionHasGoneAway,
    Protocol,
)
from .greenswitch_session import OutboundSession
from .link import open_socket
from .server import ConnectionServer
from .wire import Frame

log = logging.getLogger(__name__)

__all__ = [
    "ApplicationTimeout",
    "ESLEvent",
    "InboundESL",
    "InvalidPassword",
    "NotConnectedError",
    "OutboundESLServer",
    "OutboundSession",
    "OutboundSessionHasGoneAway",
]


class InboundESL(Protocol, greenswitch.InboundESL):
    """greenswitch's inbound client: ``connect``, ``send``, ``register_handle``, ``stop``; a context manager.

    It may be connected again after its link has ended.
    """

    def __init__(self, host: str, port: int, password: str, timeout: float = 5) -> None:
        Protocol.__init__(self)
        self.host = host
        self.port = port
        self.password = password
        self.timeout = timeout
        self._greeted: AsyncResult[bool] = AsyncResult()

    def connect(self) -> None:
        """Connect and log in, within ``timeout`` seconds each.

        Raises :class:`NotConnectedError`, or :class:`InvalidPassword` (a ``ValueError``).
        """
        self._greeted = AsyncResult()
        self._run = True
        try:
            sock = open_socket(self.host, self.port, self.timeout)
        except ConnectionLost as fault:
            raise NotConnectedError(str(fault)) from fault
        self._start(sock, f"esl-{self.host}:{self.port}")
        try:
            welcome = self._greeted.get(timeout=self.timeout)
        except Timeout:
            welcome = False
        if not welcome:
            self.stop()
            raise NotConnectedError("Server closed connection, check FreeSWITCH config.")
        self.authenticate()

    def authenticate(self) -> None:
        """Log in. Raises :class:`InvalidPassword`, and leaves nothing open then."""
        try:
            reply = self._send_block(commands.auth(self.password), self.timeout)
        except BaseException:
            self.stop()
            raise
        if not reply.headers.get("Reply-Text", "").startswith("+OK"):
            self.stop()
            raise InvalidPassword("Invalid password.")

    def _glance(self, frame: Frame) -> None:
        if not self._greeted.ready() and frame.content_type in ("auth/request", "text/rude-rejection"):
            self._greeted.set(frame.content_type == "auth/request")

    def _on_frame(self, frame: Frame) -> None:
        if frame.content_type not in ("auth/request", "text/rude-rejection"):
            super()._on_frame(frame)

    def _on_end(self, fault: EslError) -> None:
        if not self._greeted.ready():
            self._greeted.set(False)
        super()._on_end(fault)


class OutboundESLServer(greenswitch.OutboundESLServer):
    """greenswitch's server: ``application(session).run()`` for each call, at most ``max_connections`` at a time.

    ``bind_port`` may be a list, of which the first free one is taken. ``drain_timeout`` is how many seconds
    :meth:`stop` gives running calls.
    """

    def __init__(
        self,
        bind_address: str = "127.0.0.1",
        bind_port: int | list[int] | tuple[int, ...] = 8000,
        application: Callable[[OutboundSession], Any] | None = None,
        max_connections: int = 100,
        *,
        backlog: int = 1024,
        drain_timeout: float = 30.0,
    ) -> None:
        ports = list(bind_port) if isinstance(bind_port, (list, tuple)) else [bind_port]
        if not ports:
            raise ValueError("bind_port must be a string or list with port numbers")
        if not application:
            raise ValueError("You need an Application to control your calls.")
        self.bind_address = bind_address
        self.bind_port = ports
        self.application = application
        self.max_connections = max_connections
        self.bound_port: int | None = None
        self.failures = 0
        self._backlog = backlog
        self._drain_timeout = drain_timeout
        self._running = False
        self.server: ConnectionServer | None = None

    @property
    def connection_count(self) -> int:
        """Connections that are open now, those still in the handshake included."""
        return 0 if self.server is None else self.server.active

    def listen(self) -> None:
        """Serve until :meth:`stop`, then let running calls end. Raises ``BindFailed`` if no port is free."""
        self.start()
        assert self.server is not None
        self.server.serve_forever()

    def start(self) -> None:
        """Bind and begin to accept, without waiting. Raises ``BindFailed`` if no port is free."""
        for port in self.bind_port:
            server = ConnectionServer(
                (self.bind_address, int(port)),
                self._serve,
                backlog=self._backlog,
                max_connections=self.max_connections,
                reuse_port=False,
                failed=self._failed,
                name="esl-app",
            )
            try:
                server.start()
            except BindFailed:
                log.info("port %s is taken, trying the next", port)
                continue
            self.server = server
            self.bound_port = server.address[1]
            self._running = True
            return
        raise BindFailed(f"none of {len(self.bind_port)} ports could be bound")

    def stop(self) -> None:
        """Stop accepting, wait ``drain_timeout`` for running calls, close what is left."""
        self._running = False
        if self.server is not None:
            self.server.stop(self._drain_timeout)

    def _serve(self, sock: Any) -> None:
        session = OutboundSession(None, sock)
        try:
            session.connect()
            self.application(session).run()
        finally:
            session.stop()

    def _failed(self, fault: EslError) -> None:
        self.failures += 1
        log.warning("a call was left to the dialplan: %s", fault)
