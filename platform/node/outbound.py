"""The ``socket`` application: the call connects to a worker, who then drives it or lets it go.

What happens when the worker fails follows the reference ``freeswitch.md`` 1.2, case by case; the tests hold the table.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gevent
import gevent.socket

from ..esl.wire import Command, encode_frame, encode_plain
from . import facts
from .apps import app
from .esocket import GOODBYE, MY_EVENTS, Connection
from .session import MAX_CALL_S, Session, flag
from .syntax import separate

if TYPE_CHECKING:
    from .core import Core

log = logging.getLogger(__name__)

DEFAULT_PORT = 8084
CONNECT_S = 10.0  # The switch waits for the kernel, some 127 s; nothing here waits that long.
MAX_HOSTS = 50


def read_hosts(text: str) -> list[tuple[str, int]]:
    """``host[:port][|host2…]``; an omitted port is the one before (reference freeswitch 1.1)."""
    port = DEFAULT_PORT
    found = []
    for piece in text.split("|")[:MAX_HOSTS]:
        host, _, number = piece.partition("/")[0].rpartition(":") if ":" in piece else (piece, "", "")
        port = int(number) if number.isdigit() else port
        if host:
            found.append((host, port))
    return found


class OutboundSocket(Connection):
    """The connection of one call to its worker."""

    def __init__(self, core: Core, sock: Any, session: Session, *, full: bool, asynchronous: bool) -> None:
        super().__init__(core, sock)
        self.session = session
        self.only_call = session.channel.uuid
        self._full = full
        self._asynchronous = asynchronous
        self.connected = False
        self.controlled = False
        self._sticky_resume = False
        self._linger_s: float | None = None
        self.over = False

    @property
    def resumes(self) -> bool:
        """Whether a lost worker resets the call: asked when it is lost, so that it can change during the call."""
        return self._sticky_resume or flag(self.session.channel, "socket_resume")

    def run(self) -> None:
        """Read until the connection is over, then say so to the call."""
        self.read()
        self.over = True
        self.controlled = False
        if self.resumes and not self.session.channel.down:
            self.session.reset = True
        self.end()
        self.session.channel.wake()

    def carry_out(self, command: Command) -> None:
        word, _, rest = command.line.partition(" ")
        word = word.lower()
        if word == "connect":
            self._connect()
        elif self.commands == 1 and not self.connected:
            # The reply to a first command that is not `connect` is never written (reference freeswitch 1.3).
            if word == "exit":
                self.close()
        elif not self._own(word, rest) and not (self._allowed(word) and self.common(word, rest, command)):
            self.reply("-ERR command not found")

    def _allowed(self, word: str) -> bool:
        return self._full or word in {"filter", "sendmsg", "exit", "divert_events"}

    def _connect(self) -> None:
        channel = self.session.channel
        headers = [
            *self.core.bus.common("CHANNEL_DATA"),
            # The switch fills in the number that was dialled before a transfer only later than here.
            *facts.profile_headers(replace(channel.profile, rdnis=""), "Channel"),
            *facts.channel_headers(channel, "CHANNEL_DATA"),
            ("Content-Type", "command/reply"),
            ("Reply-Text", "+OK\n"),
            ("Socket-Mode", "async" if self._asynchronous else "static"),
            ("Control", "full" if self._full else "single-channel"),
        ]
        self.send(encode_plain(headers))
        self.connected = self.controlled = True
        channel.wake()

    def _own(self, word: str, rest: str) -> bool:
        """Commands that only a call's own socket knows; False when it is none."""
        if word == "myevents":
            self._names |= MY_EVENTS
            self._form = "json" if rest.strip().lower() == "json" else "plain"
            self.core.bus.add(self)
            self.reply("+OK Events Enabled")
        elif word == "getvar":
            # What the switch says instead of any empty reply (mod_event_socket.c, parse_command, "done").
            value = self.session.channel.get(rest.strip()) or "-ERR command not found"
            self.send(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", value.split("\n")[0][:511])]))
        elif word == "resume":
            self._sticky_resume = True
            self.session.channel.set("socket_resume", "true")
            self.reply("+OK")
        elif word == "linger" and self._full:
            seconds = rest.strip()
            self._linger_s = float(seconds) if seconds.isdigit() else MAX_CALL_S
            self.reply("+OK will linger")
        elif word == "nolinger" and self._full:
            self._linger_s = None
            self.reply("+OK will not linger")
        else:
            return False
        return True

    def after_hangup(self) -> None:
        """The call is down: tell, stay as long as ``linger`` asked, then go."""
        if self.closed:
            return
        call = ("Controlled-Session-UUID", self.session.channel.uuid)
        if self._linger_s is not None:
            linger = (("Content-Disposition", "linger"), ("Channel-Name", self.session.channel.name))
            self.notice(b"", call, *linger, ("Linger-Time", str(int(self._linger_s))))
            gevent.sleep(0)
            self.core.faults.spawn("event socket linger", self._linger, self._linger_s, call)
        else:
            self._last_words(call)

    def _linger(self, seconds: float, call: tuple[str, str]) -> None:
        gevent.sleep(seconds)
        self._last_words(call)

    def _last_words(self, call: tuple[str, str]) -> None:
        self.notice(GOODBYE, call, ("Content-Disposition", "disconnect"))
        self.finish()


@app("socket")
def socket(session: Session, data: str) -> None:
    """Connect, then wait until the worker is gone or the call is. Returns into the dialplan."""
    words = separate(data, " ", 10)
    if not words:
        return
    session.channel.set("call_uuid", session.channel.variables.get("call_uuid", session.channel.uuid))
    hosts = read_hosts(words[0])
    sock = _dial(session, hosts)
    if sock is None:
        return  # "Socket Error!": the dialplan goes on.
    options = {word.lower() for word in words[1:]}
    connection = OutboundSocket(session.core, sock, session, full="full" in options, asynchronous="async" in options)
    # A call that is moved away leaves its worker connected, as on the switch: it may still speak to the call, and its
    # 25 s for a first command still run (reference call-setup, "The form", 2).
    session.core.worker_sockets.append(connection)
    session.core.faults.spawn("event socket worker", connection.run)
    _hold(session, connection)


def _dial(session: Session, hosts: list[tuple[str, int]]) -> Any:
    for host, port in hosts:
        session.channel.set("socket_host", host)
        try:
            sock = gevent.socket.create_connection((host, port), timeout=CONNECT_S)
        except OSError as fault:
            log.warning("no worker at %s:%s: %s", host, port, fault)
            continue
        sock.settimeout(None)
        sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        return sock
    return None


def _hold(session: Session, connection: OutboundSocket) -> None:
    """Park under the worker's control. Commands that had arrived before it left are still run, in order.

    A worker that never said ``connect``, or left within a moment of it, leaves the call parked with nobody in control
    unless ``socket_resume`` is set (reference freeswitch 1.2); here that park is bounded by the longest call.
    """

    def over() -> bool:
        return connection.over and connection.connected

    session.channel.fire("CHANNEL_PARK")
    while not session.channel.down and session.transfer is None:
        session.reset = session.reset and not session.commands
        if connection.over and connection.resumes:
            _run_left_over(session)
            break
        ended = not session.pause(MAX_CALL_S, over) or over()
        if ended and not (connection.over and connection.resumes):
            break
    session.reset = False
    session.channel.fire("CHANNEL_UNPARK")


def _run_left_over(session: Session) -> None:
    """What the worker queued before it left; a sound among it is cut short, as a reset does."""
    while session.commands and not session.channel.down and session.transfer is None:
        session.reset = False
        session.run_commands()
