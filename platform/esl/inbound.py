"""The monitor's side of the inbound socket: log in, subscribe, hear events in order, ask questions.

It never reconnects by itself: events were missed in between, and only the owner knows how to make up for them
(``show channels as json``). Make a link, hear ``on_disconnect``, resynchronise, call :meth:`InboundClient.connect`
again.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from gevent import Timeout

from . import commands
from .errors import AccessDenied, BadEvent, CommandRefused, ConnectionLost, EslError
from .events import Event, parse_event
from .link import Link, open_socket
from .wire import Frame, FrameReader

log = logging.getLogger(__name__)

_EVENTS = frozenset(("text/event-json", "text/event-plain"))


class InboundClient:
    """A client of one switch's event socket.

    ``on_event(event)`` runs in one greenlet, in the switch's order; while it waits, events queue up to
    ``max_queued_events``, and then the link ends with :class:`QueueOverflow`. ``on_disconnect(error)`` is called
    exactly once for each link that was up, after the last event, with :class:`ClosedHere` if we closed it.
    ``user`` as ``name@domain`` logs in as a user of the directory. ``silence_timeout_s`` ends a link on which
    nothing was heard for so long: three heartbeats, where HEARTBEAT is subscribed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        password: str,
        *,
        connect_timeout_s: float = 2.0,
        command_timeout_s: float = 5.0,
        on_event: Callable[[Event], None],
        on_disconnect: Callable[[EslError], None],
        max_queued_events: int = 100_000,
        silence_timeout_s: float | None = None,
        user: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._login = _login(password, user)
        self._connect_timeout_s = connect_timeout_s
        self._command_timeout_s = command_timeout_s
        self._on_event = on_event
        self._on_disconnect = on_disconnect
        self._max_queued_events = max_queued_events
        self._silence_timeout_s = silence_timeout_s
        self._link: Link | None = None
        #: Events that made no sense and were passed over.
        self.bad_events = 0

    @property
    def connected(self) -> bool:
        """Whether commands can be sent."""
        return self._link is not None and self._link.connected

    @property
    def queued(self) -> int:
        """Events received and not yet handled."""
        return 0 if self._link is None else self._link.queued

    @property
    def dispatch_lag_s(self) -> float:
        """For how long the oldest event that is not yet handled has been here."""
        return 0.0 if self._link is None else self._link.dispatch_lag_s

    @property
    def handler_errors(self) -> int:
        """How many times ``on_event`` raised on this link."""
        return 0 if self._link is None else self._link.handler_errors

    def connect(self) -> None:
        """Connect and log in; works again once ``on_disconnect`` has been called, and inside it.

        Raises :class:`ConnectionLost`, :class:`AccessDenied` or :class:`WireError`; nothing is left open then, and
        ``on_disconnect`` is not called.
        """
        if self.connected:
            raise RuntimeError("already connected")
        if self._link is not None and not self._link.drained:
            raise ConnectionLost("events of the last link are still being handled")
        sock = open_socket(self._host, self._port, self._connect_timeout_s)
        reader = FrameReader()
        deadline = Timeout.start_new(self._connect_timeout_s)
        try:
            early = self._log_in(sock, reader)
        except Timeout as fault:
            sock.close()
            if fault is not deadline:
                raise
            raise ConnectionLost(f"the switch did not let us in within {self._connect_timeout_s} s") from None
        except OSError as fault:
            sock.close()
            raise ConnectionLost(f"the connection broke: {fault.strerror or fault}") from fault
        except BaseException:
            sock.close()
            raise
        finally:
            deadline.close()
        self._link = Link(
            sock,
            deliver=self._deliver,
            ended=self._on_disconnect,
            command_timeout_s=self._command_timeout_s,
            name=f"esl-{self._host}:{self._port}",
            max_queued=self._max_queued_events,
            silence_timeout_s=self._silence_timeout_s,
            reader=reader,
        )
        self._link.start(early)

    def command(self, block: bytes, *, timeout_s: float | None = None) -> Frame:
        """Send any command of ``commands`` and return its reply.

        Raises :class:`CommandRefused` (the link is alive), or :class:`CommandTimeout`, :class:`ConnectionLost` and
        their like (it is not).
        """
        if self._link is None:
            raise ConnectionLost("not connected")
        frame = self._link.command(block, timeout_s)
        if frame.refused:
            raise CommandRefused(frame.text if frame.content_type == "api/response" else frame.reply_text)
        return frame

    def api(self, name: str, *args: str, timeout_s: float | None = None) -> str:
        """Run an API command and return its output as the switch sent it. Raises as :meth:`command` does."""
        return self.command(commands.api(name, *args), timeout_s=timeout_s).text

    def bgapi(self, name: str, *args: str, job_id: str | None = None) -> str:
        """Start an API command in the background and return its job's id.

        The output comes as a BACKGROUND_JOB event with that ``Job-UUID``, if it is subscribed.
        """
        job = job_id or str(uuid.uuid4())
        self.command(commands.bgapi(name, *args, job_id=job))
        return job

    def subscribe(self, *names: str) -> None:
        """Subscribe to events, in JSON. Ask for as few as will do."""
        self.command(commands.events_json(*names))

    def close(self, *, timeout_s: float = 1.0) -> None:
        """End the link; what was received is still delivered. Harmless when repeated or never connected."""
        if self._link is not None:
            self._link.close(farewell=commands.exit_(), timeout_s=timeout_s)

    def _log_in(self, sock: Any, reader: FrameReader) -> list[Frame]:
        """The handshake; returns frames that came right behind it."""
        frames: list[Frame] = []
        greeting = _next_frame(sock, reader, frames)
        if greeting.content_type == "text/rude-rejection":
            raise AccessDenied("the switch's access list refuses our address")
        if greeting.content_type != "auth/request":
            raise ConnectionLost(f"the switch greeted us with {greeting.content_type!r:.60}")
        sock.sendall(self._login)
        reply = _next_frame(sock, reader, frames)
        if reply.content_type == "text/disconnect-notice":
            raise ConnectionLost("the switch said goodbye during login")
        if reply.content_type != "command/reply" or not reply.reply_text.startswith("+OK"):
            raise AccessDenied("the switch refused our password")
        return frames

    def _deliver(self, frame: Frame) -> None:
        if frame.content_type not in _EVENTS:
            return
        try:
            event = parse_event(frame)
        except BadEvent as fault:
            self.bad_events += 1
            log.warning("an event was passed over: %s", fault)
            return
        self._on_event(event)


def _login(password: str, user: str | None) -> bytes:
    if user is None:
        return commands.auth(password)
    name, _, domain = user.partition("@")
    return commands.userauth(name, domain, password)


def _next_frame(sock: Any, reader: FrameReader, frames: list[Frame]) -> Frame:
    while not frames:
        data = sock.recv(65_536)
        if not data:
            raise ConnectionLost("the switch closed during login")
        frames.extend(reader.feed(data))
    return frames.pop(0)
