"""Plays a switch on the event socket, without media: the bytes that FreeSWITCH 1.10.12 sends and the order in which it
does, so that what is measured is the control plane alone.

``OutboundCall`` is one call in the ``socket`` application: it answers what a worker asks until the worker lets go, or,
for a server that holds its calls, plays the call's events to its end. ``EventLink`` is the socket on which a monitor
listens. Both turn bytes into bytes and know no socket; :func:`place_calls` and :func:`serve_link` are the sockets.

What is sent comes from captures of a real switch (tests/data/contract, tests/data/esl) and from mod_event_socket.c
(listener_run, parse_command, send_disconnect).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dialtrace.esl.events import encode_json_event, encode_plain_event, parse_event
from dialtrace.esl.wire import Command, CommandReader, FrameReader

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
_ASKS = re.compile(r"asks=([^;\"]*)")
_VARIABLE = re.compile(r"\$\$?\{([a-z_]+)\}|\$([0-9])")
_GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
#: How long a worker may take before the dialplan's guard has taken the call away.
GUARD_S = 2.0


@dataclass(frozen=True)
class CapturedCall:
    """An answered call as a real switch told it: the reply to `connect`, and the events of both its legs."""

    call_id: bytes
    connect: bytes
    events_plain: bytes
    #: The events that a monitor subscribes to, one frame each, by name; only the caller's leg.
    caller_events: Mapping[str, bytes]

    @classmethod
    def read(cls, data: Path = DATA) -> CapturedCall:
        """From the repository's captures."""
        connect = (data / "contract" / "captures" / "answered" / "connect-1.reply").read_bytes()
        raw = (data / "contract" / "captures" / "answered" / "events.raw").read_bytes()
        found = re.search(rb"Unique-ID: ([0-9a-f-]{36})", connect)
        assert found is not None, "a connect reply names its call"
        events = [parse_event(frame) for frame in FrameReader().feed(raw) if frame.content_type == "text/event-json"]
        caller = found[1].decode()
        return cls(
            call_id=found[1],
            connect=connect,
            events_plain=b"".join(encode_plain_event(event.headers, event.body) for event in events),
            caller_events={
                event.name: encode_json_event(event.headers, event.body) for event in events if event.call_id == caller
            },
        )


def asked_of(dialplan: str) -> str:
    """What the packaged dialplan (the text of ``inbound.xml``) puts into the variable that a worker asks for as a call
    enters; its own variables are not filled in yet."""
    found = [text for text in _ASKS.findall(dialplan) if "$1" in text]
    if len(found) != 1:
        raise ValueError("the dialplan does not say what a worker asks for: mend eslsim.py")
    return found[0]


def filled(template: str, values: Mapping[str, str]) -> str:
    """With its variables; one that is not known is empty, as on the switch."""
    return _VARIABLE.sub(lambda part: values.get(part[1] or part[2], ""), template)


def reply(text: str) -> bytes:
    """An answer to a command (mod_event_socket.c, listener_run)."""
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def api_response(text: str) -> bytes:
    """An answer to ``api``."""
    body = text.encode()
    return b"Content-Type: api/response\nContent-Length: %d\n\n%b" % (len(body), body)


@dataclass
class OutboundCall:
    """One call in the hands of a worker. ``asks`` is what `getvar` answers with."""

    call_id: str
    asks: str
    captured: CapturedCall = field(repr=False)
    #: The plan that was set, once it was.
    plan: str | None = None
    #: The call goes on: a plan was set and the worker has left, or a server that holds it has told it to ring.
    decided: bool = False
    closed: bool = False
    _reader: CommandReader = field(default_factory=CommandReader, repr=False)
    _first: bool = True
    _listening: bool = False

    def receive(self, data: bytes) -> bytes:
        """What the switch says to what has arrived."""
        return b"".join(self._answer(command) for command in self._reader.feed(data))

    def hang_up(self) -> bytes:
        """What a server that holds the call hears of the rest of it."""
        self.closed = True
        events = self._own(self.captured.events_plain) if self._listening else b""
        return events + self._disconnect()

    def _answer(self, command: Command) -> bytes:
        first, self._first = self._first, False
        word = command.line.split(" ", 1)[0]
        if word == "connect":
            return self._own(self.captured.connect)
        said = self._said(word, command)
        if word == "exit":
            self.closed = True
            self.decided = self.decided or self.plan is not None
            return reply(said) + self._disconnect()
        # What answers a first command other than `connect` is never written (listener_run).
        return b"" if first else reply(said)

    def _said(self, word: str, command: Command) -> str:
        if word == "getvar":
            return self.asks if command.line == "getvar asks" else "-ERR command not found"
        if word == "sendmsg":
            return self._execute(command)
        if word == "myevents":
            self._listening = True
            return "+OK Events Enabled"
        return {"linger": "+OK will linger", "exit": "+OK bye"}.get(word, "-ERR command not found")

    def _execute(self, command: Command) -> str:
        application = command.headers.get("execute-app-name", "")
        argument = command.body.decode() or command.headers.get("execute-app-arg", "")
        if application in ("set", "multiset") and "dialtrace_plan=" in argument:
            self.plan = argument.partition("dialtrace_plan=")[2]
        if application == "bridge":
            self.decided = True
        return "+OK"

    def _own(self, captured: bytes) -> bytes:
        return captured.replace(self.captured.call_id, self.call_id.encode())

    def _disconnect(self) -> bytes:
        return (
            f"Content-Type: text/disconnect-notice\nControlled-Session-UUID: {self.call_id}\n"
            f"Content-Disposition: disconnect\nContent-Length: {len(_GOODBYE)}\n\n{_GOODBYE}"
        ).encode()


@dataclass
class EventLink:
    """The switch's side of an inbound connection: lets anybody in, has no calls of its own, and says when somebody has
    subscribed."""

    core_uuid: str
    subscribed: bool = False
    #: As JSON, or in plain text.
    as_json: bool = False
    #: When the first event was sent, on the monotonic clock.
    began_s: float = 0.0
    _reader: CommandReader = field(default_factory=CommandReader, repr=False)

    greeting = b"Content-Type: auth/request\n\n"

    def receive(self, data: bytes) -> bytes:
        """What the switch says to what has arrived."""
        return b"".join(self._answer(command.line.split()) for command in self._reader.feed(data))

    def _answer(self, words: list[str]) -> bytes:
        if words[0] in ("api", "bgapi"):
            return api_response(self._api(words[1:]))
        if words[0] in ("auth", "userauth"):
            return reply("+OK accepted")
        if words[0] in ("event", "events"):
            self.subscribed, self.as_json = True, words[1] == "json"
            return reply(f"+OK event listener enabled {words[1]}")
        return reply("+OK bye" if words[0] == "exit" else "+OK")

    def _api(self, words: list[str]) -> str:
        if words[:2] == ["global_getvar", "core_uuid"]:
            return self.core_uuid
        if words[:2] == ["show", "channels"]:
            return json.dumps({"row_count": 0}) + "\n"
        return "false" if words[:1] == ["uuid_exists"] else "+OK\n"


def calls_events(captured: CapturedCall, names: Iterable[str], *, core_uuid: str, dialled: str) -> Iterator[bytes]:
    """The events of these names of one call after another, each with an id and a moment of its own, for ever."""
    template = b"".join(captured.caller_events[name] for name in names)
    own_core = re.search(rb'"Core-UUID":"([0-9a-f-]{36})"', template)
    number = re.search(rb'"Caller-Destination-Number":"([0-9]+)"', template)
    assert own_core is not None, "an event names its switch"
    assert number is not None, "an event names what was dialled"
    template = template.replace(own_core[1], core_uuid.encode())
    if len(number[1]) == len(dialled):
        template = template.replace(number[1], dialled.encode())
    while True:
        yield template.replace(captured.call_id, str(uuid.uuid4()).encode())


def in_plain(events: bytes) -> bytes:
    """The same events as a stock client reads them."""
    return b"".join(
        encode_plain_event(event.headers, event.body) for event in map(parse_event, FrameReader().feed(events))
    )


@dataclass
class Placed:
    """What became of the calls that were placed; times in ms, from the connection to the decision."""

    asked: int = 0
    decided_ms: list[float] = field(default_factory=list)
    plan: str | None = None
    span_s: float = 0.0

    @property
    def failed(self) -> int:
        return self.asked - len(self.decided_ms)

    @property
    def rate(self) -> float:
        """Decisions a second."""
        return len(self.decided_ms) / self.span_s if self.span_s else 0.0


class _Line(asyncio.Protocol):
    """The socket of one call; ``over`` is set when the call is decided, or can no longer be."""

    def __init__(self, call: OutboundCall, hold_s: float) -> None:
        self._call, self._hold_s = call, hold_s
        self._transport: asyncio.Transport | None = None
        self.over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(self._call.receive(data))
        if self._call.decided and not self.over.done():
            self.over.set_result(True)
            if not self._call.closed:
                asyncio.get_running_loop().call_later(self._hold_s, self._hang_up)
        if self._call.closed:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(self._call.decided)

    def _hang_up(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._call.hang_up())
            self._transport.close()


@dataclass(frozen=True)
class Switch:
    """What the calls of a simulated switch have in common. ``asked`` is what :func:`asked_of` found; ``hold_s`` is how
    long a call stands whose server holds it."""

    worker: tuple[str, int]
    asked: str
    spool: str
    captured: CapturedCall = field(repr=False)
    hold_s: float = 1.0

    def new_call(self, number: str) -> OutboundCall:
        """A call to a number (with its ``+``) that has just entered the `socket` application."""
        call_id = str(uuid.uuid4())
        told = {
            "uuid": call_id,
            "1": number.removeprefix("+"),
            "created_time": str(time.time_ns() // 1000),
            "dialtrace_spool": self.spool,
            "caller_id_number": "+74955550123",
        }
        return OutboundCall(call_id, filled(self.asked, told), self.captured)

    async def place(self, number: str, placed: Placed) -> None:
        """One call, from the connection to the decision."""
        placed.asked += 1
        call = self.new_call(number)
        began_s = time.perf_counter()
        try:
            _, line = await asyncio.get_running_loop().create_connection(lambda: _Line(call, self.hold_s), *self.worker)
            decided = await asyncio.wait_for(line.over, GUARD_S)
        except OSError:  # TimeoutError is one: the guard has taken the call
            return
        if decided:
            placed.decided_ms.append((time.perf_counter() - began_s) * 1000)
            placed.plan = call.plan or placed.plan


async def place_calls(
    switch: Switch, numbers: list[str], *, seconds: float, at_a_time: int | None = None, rate: float | None = None
) -> Placed:
    """Calls for so long: always ``at_a_time`` in the worker's hands, or ``rate`` a second whatever becomes of them."""
    placed, began_s = Placed(), time.perf_counter()
    ends_s = began_s + seconds

    async def one_after_another(place: int) -> None:
        while time.perf_counter() < ends_s:
            place += 1
            await switch.place(numbers[place % len(numbers)], placed)

    if rate is None:
        await asyncio.gather(*(one_after_another(place * 7) for place in range(at_a_time or 1)))
    else:
        running = []
        for place in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, began_s + place / rate - time.perf_counter()))
            running.append(asyncio.create_task(switch.place(numbers[place % len(numbers)], placed)))
        await asyncio.gather(*running)
    placed.span_s = time.perf_counter() - began_s
    return placed


async def serve_link(
    link: EventLink, address: tuple[str, int], events: Iterator[bytes], count: int
) -> tuple[asyncio.Server, asyncio.Event]:
    """Listens as the switch does. Once somebody has subscribed, the next ``count`` pieces of ``events`` are sent as
    fast as they are read. The event is set when the client has gone."""
    pieces = [next(events) for _ in range(count)]
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sending: asyncio.Task[None] | None = None
        try:
            writer.write(link.greeting)
            while data := await reader.read(65_536):
                writer.write(link.receive(data))
                if link.subscribed and sending is None:
                    sending = asyncio.create_task(_send(link, writer, pieces))
        except ConnectionError:
            pass  # it was killed, as it is when all was heard
        finally:
            if sending is not None:
                sending.cancel()
            writer.close()
            gone.set()

    return await asyncio.start_server(serve, *address), gone


async def _send(link: EventLink, writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    ready = pieces if link.as_json else [in_plain(piece) for piece in pieces]
    # The client's own questions come first: a monitor asks for standing calls right after it has subscribed.
    await asyncio.sleep(0.5)
    link.began_s = time.monotonic()
    for piece in ready:
        writer.write(piece)
        await writer.drain()
