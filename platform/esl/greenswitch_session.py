"""One call on an outbound socket, with greenswitch's methods."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from gevent import Timeout
from gevent.event import AsyncResult
from greenswitch import esl as stock

from . import commands
from .errors import BadEvent, CommandRefused, CommandTimeout, EslError
from .greenswitch_base import ApplicationTimeout, ESLEvent, OutboundSessionHasGoneAway, Protocol, event_from_frame
from .safe import plain_text
from .wire import Frame, decode_headers

CONNECT_TIMEOUT_S = 2.0
DEFAULT_LINGER_S = 30


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
