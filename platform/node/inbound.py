"""The inbound event socket: clients that log in. One greenlet reads, one writes, per client."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Any

from gevent.pool import Pool
from gevent.server import StreamServer

from ..esl.wire import Command, encode_frame
from .errors import AddressTaken
from .esocket import Connection

if TYPE_CHECKING:
    from .core import Core

log = logging.getLogger(__name__)
MAX_CLIENTS = 100


class InboundConnection(Connection):
    """A client; nothing but ``auth`` and ``exit`` before it has logged in."""

    def __init__(self, core: Core, sock: Any) -> None:
        super().__init__(core, sock)
        self._logged_in = False
        self.send(encode_frame([("Content-Type", "auth/request")]))

    def carry_out(self, command: Command) -> None:
        word, _, rest = command.line.partition(" ")
        word = word.lower()
        if word == "auth":
            self._auth(rest)
        elif not self._logged_in and word != "exit":
            self.reply("-ERR command not found")
        elif word == "myevents":
            self._my_events(rest)
        elif not self.common(word, rest, command):
            self.reply("-ERR command not found")

    def _auth(self, password: str) -> None:
        if hmac.compare_digest(password.encode(), self.core.config.event_socket_password.encode()):
            self._logged_in = True
            self.reply("+OK accepted")
        else:
            self.reply("-ERR invalid")
            self.finish()

    def _my_events(self, rest: str) -> None:
        """``myevents <uuid> [format]``: turn this connection to one call."""
        call_id, _, form = rest.strip().partition(" ")
        if call_id not in self.core.channels:
            self.reply("-ERR invalid uuid")
            return
        self.only_call = call_id
        self.subscribe(f"{form} ALL")


class InboundServer:
    """Listens for clients."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._connections: set[InboundConnection] = set()
        config = core.config
        address = (config.event_socket_host, config.event_socket_port)
        self._server = StreamServer(address, self._serve, backlog=64, spawn=Pool(MAX_CLIENTS))

    def start(self) -> None:
        """Listen; raises :class:`AddressTaken`."""
        try:
            self._server.start()
        except OSError as fault:
            config = self._core.config
            where = f"{config.event_socket_host}:{config.event_socket_port}"
            text = f"the event socket cannot listen on {where}: {fault}; give another event_socket_port"
            raise AddressTaken(text) from fault

    def stop(self) -> None:
        for connection in list(self._connections):
            connection.notice(b"The system is being shut down.\n")
            connection.finish()
        self._server.stop(timeout=1)

    def _serve(self, sock: Any, address: tuple[str, int]) -> None:
        sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        connection = InboundConnection(self._core, sock)
        self._connections.add(connection)
        try:
            self._core.faults.guarded("event socket client", connection.read)()
        finally:
            self._connections.discard(connection)
            connection.end()
