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
import uuid as uuids
from collections.abc import Callable
from typing import Any

import greenswitch
from gevent import Timeout
from gevent.event import AsyncResult
from greenswitch import esl as stock

from . import commands
from .errors import BadEvent, BindFailed, CommandRefused, CommandTimeout, ConnectionLost, EslError
from .greenswitch_base import (
    ApplicationTimeout,
    ESLEvent,
    InvalidPassword,
    NotConnectedError,
    OutboundSessionHasGoneAway,
    Protocol,
    event_from_frame,
)
from .link import open_socket
from .safe import plain_text
from .server import ConnectionServer
from .wire import Frame, decode_headers

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2.0
DEFAULT_LINGER_S = 30

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


class OutboundSession(Protocol, stock.OutboundSession):
    """One call on an outbound socket.

    A blocking application is matched by an id of its own (``event-uuid`` comes back as ``Application-UUID``), and its
    wait also ends with the call, the link, or ``response_timeout`` seconds.
    """

    _gone = OutboundSessionHasGoneAway

    def __init__(self, client_address: Any, sock: Any) -> None:
        Protocol.__init__(self)
        self.client_address = client_address
        self.session_data: dict[str, str] | None = None
        self._outbound_connected = False
        self._applications: dict[str, AsyncResult[ESLEvent]] = {}
        self._ended = False
        self.expected_events: dict[str, list[tuple[str, str, AsyncResult[ESLEvent]]]] = {}
        self._start(sock, "esl-session")

    @property
    def uuid(self) -> str | None:
        """The call's UUID; nothing before :meth:`connect`."""
        return self._fact("variable_uuid") or self._fact("Unique-ID")

    @property
    def call_uuid(self) -> str | None:
        """The UUID the call shares with its other leg."""
        return self._fact("variable_call_uuid")

    @property
    def caller_id_number(self) -> str | None:
        """What the caller claims to be calling from."""
        return self._fact("Caller-Caller-ID-Number")

    def _fact(self, name: str) -> str | None:
        return None if self.session_data is None else self.session_data.get(name)

    def connect(self) -> dict[str, str]:
        """Take the call and return what the switch tells of it. Every value of it is the caller's to forge.

        Raises :class:`OutboundSessionHasGoneAway` or ``CommandTimeout``; the socket is closed then.
        """
        if self._outbound_connected and self.session_data is not None:
            return self.session_data
        try:
            if self._link is None:
                raise OutboundSessionHasGoneAway
            frame = self._link.command(commands.connect(), CONNECT_TIMEOUT_S)
        except CommandTimeout:
            self.stop()
            raise
        except EslError as fault:
            self.stop()
            raise OutboundSessionHasGoneAway(str(fault)) from fault
        self.session_data = decode_headers(frame)
        self._outbound_connected = True
        return self.session_data

    def call_command(
        self,
        app_name: str,
        app_args: str | None = None,
        block: bool = False,
        response_timeout: float | None = None,
    ) -> ESLEvent:
        """Run an application; with ``block`` wait for its end and return the event that tells of it.

        Raises ``UnsafeValue``, :class:`OutboundSessionHasGoneAway`, and with ``block`` ``CommandRefused`` or, after
        ``response_timeout`` seconds, :class:`ApplicationTimeout`.
        """
        if self._lingering or self._ended:
            raise OutboundSessionHasGoneAway
        own_id = str(uuids.uuid4())
        request = commands.execute(app_name, app_args or "", event_id=own_id, lock=False)
        if not block:
            return self._send_block(request)
        done: AsyncResult[ESLEvent] = AsyncResult()
        self._applications[own_id] = done
        try:
            reply = self._send_block(request)
            if (reply.data or "").startswith("-ERR"):
                raise CommandRefused(reply.data or "")
            return _wait(done, response_timeout)
        finally:
            self._applications.pop(own_id, None)

    def playback(self, path: str, block: bool = True, response_timeout: float | None = None) -> None:
        """Play a file; with ``block`` until its end."""
        self.call_command("playback", path, block=block, response_timeout=response_timeout)

    def play_and_get_digits(
        self,
        min_digits: Any = None,
        max_digits: Any = None,
        max_attempts: Any = None,
        timeout: Any = None,
        terminators: Any = None,
        prompt_file: Any = None,
        error_file: Any = None,
        variable: Any = None,
        digits_regex: Any = None,
        digit_timeout: Any = None,
        transfer_on_fail: Any = None,
        block: bool = True,
        response_timeout: float | None = 30,
    ) -> str | None:
        """Play a prompt and collect digits, which are returned; nothing if the caller pressed none."""
        name = "dialtrace_digits" if variable is None else str(variable)
        given = (
            _or(min_digits, 1),
            _or(max_digits, 1),
            _or(max_attempts, 1),
            _or(timeout, 5000),
            _or(terminators, "#"),
            _or(prompt_file, "silence_stream://250"),
            _or(error_file, "silence_stream://250"),
            name,
            _or(digits_regex, r"\d+"),
            *(str(extra) for extra in _until_none(digit_timeout, transfer_on_fail)),
        )
        event = self.call_command("play_and_get_digits", " ".join(given), block, response_timeout)
        return event.headers.get(f"variable_{name}") if block else None

    def say(
        self,
        module_name: str = "en",
        lang: str | None = None,
        say_type: str = "NUMBER",
        say_method: str = "pronounced",
        gender: str = "FEMININE",
        text: str | None = None,
        block: bool = True,
        response_timeout: float | None = 30,
    ) -> ESLEvent | None:
        """Say something; with ``block`` until it is said, and then the event that tells so is returned."""
        module = f"{module_name}:{lang}" if lang else module_name
        args = " ".join((module, say_type, say_method, gender, text or ""))
        event = self.call_command("say", args, block, response_timeout)
        return event if block else None

    def myevents(self) -> None:
        """Subscribe to this call's events, in JSON: in plain text a caller could forge them."""
        self._send_block(commands.myevents_json())

    def linger(self, timeout: int | None = None) -> None:
        """Keep the socket open for ``timeout`` seconds after the call ends."""
        self._send_block(commands.linger(DEFAULT_LINGER_S if timeout is None else int(timeout)))

    def hangup(self, cause: str = "NORMAL_CLEARING") -> None:
        """End the call."""
        self.call_command("hangup", cause)

    def uuid_break(self) -> None:
        """Stop what is playing on this call (needs a ``full`` socket)."""
        if self._lingering or self.uuid is None:
            raise OutboundSessionHasGoneAway
        self._send_block(commands.api("uuid_break", self.uuid))

    def on_hangup(self, event: ESLEvent) -> None:
        """Called with each CHANNEL_HANGUP; only our own counts."""
        if event.headers.get("Unique-ID") == self.uuid:
            self._outbound_connected = False

    def on_disconnect(self, event: ESLEvent) -> None:
        """The link has ended, or the call has and the link lingers: nobody waits any longer."""
        self._outbound_connected = False
        self._fail_applications()

    def on_event(self, event: ESLEvent) -> None:
        """greenswitch's hook; completions are matched before the handlers, whatever is registered."""

    def _fail_applications(self) -> None:
        self._ended = True
        expected = [done for one in self.expected_events.values() for *_, done in one]
        self.expected_events.clear()
        for done in (*self._applications.values(), *expected):
            if not done.ready():
                done.set_exception(OutboundSessionHasGoneAway())

    def _match_expected(self, event: ESLEvent) -> None:
        """What :meth:`register_expected_event` asked for: an event whose channel variable has a value."""
        name = event.headers.get("Event-Name", "")
        still: list[tuple[str, str, AsyncResult[ESLEvent]]] = []
        for variable, value, done in self.expected_events.pop(name, ()):
            if event.headers.get(f"variable_{variable}") == value:
                done.set(event)
            else:
                still.append((variable, value, done))
        if still:
            self.expected_events[name] = still

    def _glance(self, frame: Frame) -> None:
        """Completions are matched here, so that a handler may itself wait for an application."""
        if frame.content_type == "text/disconnect-notice":
            self._lingering = frame.headers.get("Content-Disposition") == "linger"
            self._outbound_connected = False
            self._fail_applications()
            return
        if not frame.content_type.startswith("text/event-"):
            return
        try:
            event = event_from_frame(frame)
        except BadEvent:
            return  # the dispatcher reports it
        if self.expected_events:
            self._match_expected(event)
        name = event.headers.get("Event-Name")
        if name == "CHANNEL_EXECUTE_COMPLETE":
            done = self._applications.get(event.headers.get("Application-UUID", ""))
            if done is not None and not done.ready():
                done.set(event)
        elif name == "CHANNEL_HANGUP":
            self.on_hangup(event)
        elif name == "CHANNEL_HANGUP_COMPLETE" and event.headers.get("Unique-ID") == self.uuid:
            self._fail_applications()

    def _on_end(self, fault: EslError) -> None:
        self.on_disconnect(ESLEvent.made({"Content-Type": "text/disconnect-notice"}))
        super()._on_end(fault)


def _wait(done: AsyncResult[ESLEvent], timeout_s: float | None) -> ESLEvent:
    deadline = Timeout.start_new(timeout_s)
    try:
        event: ESLEvent = done.get()  # type: ignore[assignment]  # never set to None
        return event
    except Timeout as expired:
        if expired is not deadline:
            raise
        raise ApplicationTimeout(f"no completion within {timeout_s} s") from None
    finally:
        deadline.close()


def _or(value: Any, default: Any) -> str:
    return plain_text(str(default if value is None else value))


def _until_none(*values: Any) -> list[Any]:
    return list(values[: values.index(None)]) if None in values else list(values)


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
