"""Accepting connections from a switch: bounded, fair to what is running, and hard to stop by accident.

Knows nothing of calls or of the protocol; ``outbound`` and ``greenswitch_api`` put those on top. A connection that is
not wanted is closed at once, because the dialplan then goes on with its next action.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import socket as stdlib_socket
from collections.abc import Callable
from typing import Any

import gevent
from gevent import Timeout, socket
from gevent.event import Event
from gevent.pool import Group
from gevent.server import StreamServer

from .admission import Admission
from .errors import BindFailed, EslError, HandlerFailed, TurnedAway

log = logging.getLogger(__name__)

_PAUSE_S = 0.05

#: Called with each accepted socket, in a greenlet of its own; the server closes the socket afterwards.
Serve = Callable[[Any], None]


def bound_listener(address: tuple[str, int], *, backlog: int, reuse_port: bool) -> Any:
    """A listening socket. With ``reuse_port`` other processes may listen on the same port, and the kernel shares.

    Raises :class:`BindFailed`.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as fault:
        sock.close()
        raise BindFailed(f"cannot listen on port {address[1]}: {fault.strerror or fault}") from fault
    return sock


class _Acceptor(StreamServer):
    """gevent's accept loop, taught what to do when the process is out of descriptors."""

    def __init__(self, listener: Any, take: Callable[[Any], None]) -> None:
        super().__init__(listener, lambda *_: None, spawn=None)
        self._take = take
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as fault:
            if fault.errno == errno.ECONNABORTED or (fault.errno == errno.EMFILE and self._shed()):
                return None
            if fault.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            self._pause(fault)
            return None

    def _pause(self, fault: OSError) -> None:
        """Leave the listener alone for a moment; it would be ready, and fail, over and over."""
        log.warning("cannot accept a connection: %s", fault.strerror)
        self.stop_accepting()
        loop: Any = self.loop
        self._timer = loop.timer(_PAUSE_S)
        self._timer.start(self._resume)

    def _resume(self) -> None:
        if self.started:
            self.start_accepting()

    def _shed(self) -> bool:
        """Spend the spare descriptor on closing one waiting connection, so that its call falls back at once."""
        if self._spare is None:
            return False
        os.close(self._spare)
        self._spare = None
        try:
            connection, _ = self.socket._accept()  # type: ignore[attr-defined]  # gevent unwraps its listener
            os.close(connection)
        except OSError:
            return False
        finally:
            try:
                self._spare = os.open(os.devnull, os.O_RDONLY)
            except OSError:
                self._spare = None
        log.warning("out of file descriptors: a connection was turned away")
        return True

    def do_handle(self, *args: Any) -> None:
        self._take(args[0])

    def take_waiting(self) -> None:
        """Accept what the kernel has already accepted for us; closing the listener would reset it."""
        while not self.closed:
            try:
                accepted = self.do_read()
            except OSError:
                return
            if not accepted:
                return
            self.do_handle(*accepted)

    def close(self) -> None:
        super().close()
        if getattr(self, "_spare", None) is not None:
            os.close(self._spare)  # type: ignore[arg-type]
            self._spare = None


class ConnectionServer:
    """Runs ``serve(socket)`` for each connection, at most ``max_connections`` at a time, and of those only so many
    and so soon as ``admission`` says (None: all at once).

    A connection counts from the moment it is accepted until its socket is closed, so silent peers count too.
    ``failed`` hears of every ``serve`` that raised (as :class:`EslError`; anything else inside
    :class:`HandlerFailed`).
    """

    def __init__(
        self,
        address: tuple[str, int],
        serve: Serve,
        *,
        backlog: int,
        max_connections: int,
        reuse_port: bool,
        failed: Callable[[EslError], None],
        name: str = "esl",
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission
        self._wanted = address
        self._serve = serve
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._failed = failed
        self._name = name
        self._numbers = itertools.count(1)
        self._open: dict[gevent.Greenlet[..., Any], Any] = {}
        self._group = Group()
        self._acceptor: _Acceptor | None = None
        self._stopped = Event()
        self.max_connections = max_connections
        #: Connections closed unheard because ``max_connections`` were open, or ``admission`` saw no turn for them.
        self.turned_away = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens; the real port if 0 was asked for."""
        if self._acceptor is None:
            return self._wanted
        bound: Any = self._acceptor.address
        return bound[0], bound[1]

    @property
    def active(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def start(self) -> None:
        """Bind and begin to accept. Raises :class:`BindFailed`."""
        listener = bound_listener(self._wanted, backlog=self._backlog, reuse_port=self._reuse_port)
        self._stopped.clear()
        self._acceptor = _Acceptor(listener, self._take)
        self._acceptor.start()

    def serve_forever(self) -> None:
        """Accept until another greenlet calls :meth:`stop`."""
        if self._acceptor is None:
            self.start()
        self._stopped.wait()

    def stop(self, timeout_s: float) -> int:
        """Stop accepting, give what runs ``timeout_s`` to end, then close the rest; returns how many that were."""
        if self._acceptor is not None and not self._acceptor.closed:
            self._acceptor.stop_accepting()
            self._acceptor.take_waiting()
            self._acceptor.close()
        self._group.join(timeout=timeout_s)
        left = len(self._open)
        self._group.kill(block=True, timeout=1.0)
        for sock in self._open.values():
            sock.close()
        self._stopped.set()
        return left

    def _take(self, sock: Any) -> None:
        """Runs in the hub: must not wait."""
        if len(self._open) >= self.max_connections or (self._admission is not None and self._admission.is_full):
            self._turn_away(sock)
            return
        greenlet: gevent.Greenlet[..., Any] = gevent.Greenlet(self._run, sock)
        greenlet.name = f"{self._name}-{next(self._numbers)}"
        self._open[greenlet] = sock
        greenlet.rawlink(self._forget)
        self._group.add(greenlet)
        greenlet.start()

    def _turn_away(self, sock: Any) -> None:
        self.turned_away += 1
        sock.close()
        self._report(TurnedAway(TurnedAway.__doc__ or ""))

    def _forget(self, greenlet: gevent.Greenlet[..., Any]) -> None:
        sock = self._open.pop(greenlet, None)
        if sock is not None:
            sock.close()

    def _run(self, sock: Any) -> None:
        if self._admission is None:
            self._serve_one(sock)
        elif self._admission.enter():
            try:
                self._serve_one(sock)
            finally:
                self._admission.leave()
        else:
            self._turn_away(sock)

    def _serve_one(self, sock: Any) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(sock)
        except EslError as fault:
            self._report(fault)
        except (Exception, Timeout) as fault:  # noqa: BLE001 (the top of a greenlet)
            wrapped = HandlerFailed(f"a call's handler raised {type(fault).__name__}")
            wrapped.__cause__ = fault
            self._report(wrapped)
        finally:
            sock.close()

    def _report(self, fault: EslError) -> None:
        try:
            self._failed(fault)
        except Exception as second:  # noqa: BLE001 (a report must not harm what it reports on)
            log.error("reporting a failure raised %s", type(second).__name__)
