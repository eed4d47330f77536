"""What both sides of the greenswitch layer share: its exceptions, its event, and its protocol class over a link."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from gevent import Timeout
from greenswitch import esl as stock

from . import commands
from .errors import AccessDenied, BadEvent, CommandTimeout, ConnectionLost, EslError
from .events import parse_event
from .link import Link
from .mailboxes import Mailboxes
from .wire import Frame, decode_value, join_list

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 1.0
#: Events of one link that may wait for a handler, all calls together.
MAX_PENDING_EVENTS = 10_000

Handler = Callable[["ESLEvent"], Any]


class NotConnectedError(stock.NotConnectedError, ConnectionLost):
    """The link to the switch is gone or was never there."""


class OutboundSessionHasGoneAway(stock.OutboundSessionHasGoneAway, ConnectionLost):
    """The call has ended, or the link to it."""


class InvalidPassword(AccessDenied, ValueError):
    """The switch refused our password."""


class ApplicationTimeout(EslError, Timeout):
    """An application did not complete in the time it was given; the connection is alive."""

    connection_dead = False

    def __init__(self, message: str) -> None:
        Timeout.__init__(self, None)
        self.args = (message,)

    def __str__(self) -> str:
        return str(self.args[0])


class ESLEvent(stock.ESLEvent):
    """What the switch said: ``headers`` (text to text) and, for replies, logs and bodies, ``data``."""

    def __init__(self, data: str) -> None:
        self.data: str | None = None
        super().__init__(data)

    def parse_data(self, data: str) -> None:
        """Read header lines: split at line feeds only, then decode each value once; the first of a name wins."""
        for line in data.split("\n"):
            name, colon, value = line.partition(":")
            if colon and name:
                self.headers.setdefault(name.strip(" "), decode_value(value.strip(" \t\r")))

    @classmethod
    def made(cls, headers: dict[str, str], data: str | None = None) -> ESLEvent:
        """An event from parts that are already decoded."""
        event = cls("")
        event.headers = headers
        event.data = data
        return event


def event_from_frame(frame: Frame) -> ESLEvent:
    """A frame in greenswitch's form. Raises :class:`BadEvent` for an event that makes no sense."""
    if frame.content_type in ("text/event-json", "text/event-plain"):
        event = parse_event(frame)
        return ESLEvent.made({name: join_list(value) for name, value in event.headers.items()}, event.body)
    headers = dict(frame.headers)
    return ESLEvent.made(headers, frame.reply_text if frame.content_type == "command/reply" else frame.text)


class Protocol(stock.ESLProtocol):
    """What both sides share: greenswitch's handler registry and ``send`` over a :class:`Link`."""

    _gone: type[stock.NotConnectedError] | type[stock.OutboundSessionHasGoneAway] = NotConnectedError

    def __init__(self) -> None:
        stock.ESLProtocol.__init__(self)
        self._link: Link | None = None
        self._mailboxes: Mailboxes[ESLEvent] = Mailboxes(self._run_handlers, MAX_PENDING_EVENTS)
        self._stopping = False

    def _start(self, sock: Any, name: str) -> None:
        self.sock = sock
        self._link = Link(
            sock,
            deliver=self._on_frame,
            ended=self._on_end,
            command_timeout_s=COMMAND_TIMEOUT_S,
            name=name,
            max_queued=MAX_PENDING_EVENTS,
            glance=self._glance,
        )
        self.connected = True
        self._link.start()

    def send(self, data: str, timeout: float | None = None) -> ESLEvent:
        """Send one line and return the reply (``headers``, ``data``), refused or not.

        Raises ``UnsafeValue`` for anything but one line, :class:`NotConnectedError`, or ``CommandTimeout``.
        """
        return self._send_block(commands.raw_line(data), timeout)

    def _send_block(self, block: bytes, timeout_s: float | None = None) -> ESLEvent:
        if self._link is None or not self._link.connected:
            raise self._gone()
        try:
            return event_from_frame(self._link.command(block, timeout_s))
        except CommandTimeout:
            raise
        except EslError as fault:
            raise self._gone(str(fault)) from fault

    def stop(self) -> None:
        """Leave and close, within ``STOP_TIMEOUT_S`` even if the peer is silent."""
        self._run = False
        self.connected = False
        if self._link is not None:
            self._link.close(farewell=commands.exit_(), timeout_s=STOP_TIMEOUT_S)

    def _glance(self, frame: Frame) -> None:
        """Seen by the reader, before the queue."""

    def _on_frame(self, frame: Frame) -> None:
        try:
            event = event_from_frame(frame)
        except BadEvent as fault:
            log.warning("an event was passed over: %s", fault)
            return
        if frame.content_type == "text/disconnect-notice":
            if frame.headers.get("Content-Disposition") == "linger":
                self._lingering = True
                self._tell_disconnect(event)
            return  # the end itself is told once, by _on_end
        self._mailboxes.put(event.headers.get("Unique-ID", ""), event)

    def _on_end(self, fault: EslError) -> None:
        self.connected = False
        self._run = False
        self._mailboxes.wait_empty(COMMAND_TIMEOUT_S)
        self._tell_disconnect(
            ESLEvent.made({"Content-Type": "text/disconnect-notice", "Content-Disposition": "disconnect"}, str(fault))
        )

    def _tell_disconnect(self, event: ESLEvent) -> None:
        self._call(self.event_handlers.get("DISCONNECT", ()), event)

    def _run_handlers(self, event: ESLEvent) -> None:
        self._call(self._handlers_of(event), event)

    def _handlers_of(self, event: ESLEvent) -> Iterable[Handler]:
        name = event.headers.get("Event-Name")
        if event.headers.get("Content-Type") == "log/data":
            name = "log"
        elif name == "CUSTOM":
            name = event.headers.get("Event-Subclass")
        found: Iterable[Handler] = self.event_handlers.get(name) or self.event_handlers.get("*") or ()
        return found

    def _call(self, handlers: Iterable[Handler], event: ESLEvent) -> None:
        every = tuple(handlers)  # a handler may unregister itself
        if not every:
            return
        for handler in (getattr(self, "before_handle", None), *every, getattr(self, "after_handle", None)):
            if handler is not None:
                self._safe_exec_handler(handler, event)

    def _safe_exec_handler(self, handler: Handler, event: ESLEvent) -> None:
        try:
            handler(event)
        except (Exception, Timeout) as fault:  # noqa: BLE001 (one handler must not end all others)
            name = getattr(handler, "__name__", type(handler).__name__)
            log.error("ESL handler %s raised %s", name, type(fault).__name__)
