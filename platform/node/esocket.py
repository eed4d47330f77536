"""One event-socket connection, the switch's side: reads commands, queues answers and events, never waits for a peer.

``inbound.py`` and ``outbound.py`` add what each direction allows. A listener whose queue is full is dropped: a slow
client must never stop a call (reference freeswitch 1.7 tells what happens where it can).
"""

from __future__ import annotations

import logging
import re
import uuid
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event as Signal

from ..esl.errors import EslError
from ..esl.wire import Command, CommandReader, Limits, encode_frame
from . import api
from .events import Event
from .session import Command as Queued
from .session import Session

if TYPE_CHECKING:
    from .core import Core

log = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 16 * 1024 * 1024
MAX_QUEUED_FRAMES = 20_000
FINISH_S = 2.0
FIRST_COMMAND_S = 25.0  # listener_run, read_packet
_JOIN_BYTES = 65_536
_LIMITS = Limits(body_bytes=1_048_576)
_NAME = re.compile(r"[A-Z_]+\Z")
GOODBYE = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
# `myevents` (parse_command): no RECORD_*, no PLAYBACK_*, no BACKGROUND_JOB.
MY_EVENTS = frozenset(
    [
        "CHANNEL_ANSWER",
        "CHANNEL_BRIDGE",
        "CHANNEL_CREATE",
        "CHANNEL_DATA",
        "CHANNEL_DESTROY",
        "CHANNEL_EXECUTE",
        "CHANNEL_EXECUTE_COMPLETE",
        "CHANNEL_HANGUP",
        "CHANNEL_HANGUP_COMPLETE",
        "CHANNEL_ORIGINATE",
        "CHANNEL_OUTGOING",
        "CHANNEL_PARK",
        "CHANNEL_PROGRESS",
        "CHANNEL_PROGRESS_MEDIA",
        "CHANNEL_STATE",
        "CHANNEL_UNBRIDGE",
        "CHANNEL_UNPARK",
        "DTMF",
    ]
)


class Connection:
    """What both directions share: framing, subscriptions, filters, the writer."""

    def __init__(self, core: Core, sock: Any) -> None:
        self.core = core
        self._sock = sock
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._signal = Signal()
        self._closing = False
        self.closed = False
        self._names: set[str] = set()
        self._all = False
        self._form = "plain"
        self._filters: list[tuple[str, str]] = []
        self.only_call: str | None = None
        self._jobs: set[str] = set()
        self.commands = 0
        self._writer = core.faults.spawn("event socket writer", self._write)

    # --- events (Listener) ---

    def wants(self, name: str, call_id: str | None) -> bool:
        if self.closed or not (self._all or name in self._names):
            return False
        return self.only_call is None or call_id == self.only_call or name == "BACKGROUND_JOB"

    def offer(self, event: Event) -> None:
        if self.only_call is not None and event.name == "BACKGROUND_JOB" and event.get("Job-UUID") not in self._jobs:
            return
        if filters_pass(self._filters, event):
            self.send(event.frame(self._form))

    # --- writing ---

    def send(self, data: bytes) -> None:
        """Queue bytes; a listener that does not read is dropped."""
        if self.closed or self._closing:
            return
        if self._queued_bytes + len(data) > MAX_QUEUED_BYTES or len(self._queue) >= MAX_QUEUED_FRAMES:
            log.warning("an event-socket client does not read and is dropped")
            self._queue.clear()
            self._queued_bytes = 0
            self.close()
            return
        self._queue.append(data)
        self._queued_bytes += len(data)
        self._signal.set()

    def _write(self) -> None:
        while not self.closed:
            self._signal.wait()
            self._signal.clear()
            while self._queue:
                piece = bytearray()
                while self._queue and len(piece) < _JOIN_BYTES:
                    piece += self._queue.popleft()
                try:
                    self._sock.sendall(piece)
                except OSError:
                    self.close()
                    return
                self._queued_bytes = max(0, self._queued_bytes - len(piece))
            if self._closing:
                self.close()

    def finish(self) -> None:
        """Close once everything queued has been sent, or after a while in which it could not be."""
        if not self._closing:
            self._closing = True
            self._signal.set()
            gevent.spawn_later(FINISH_S, self.close)

    def end(self) -> None:
        """The peer has nothing more to say: close, once what is on its way to it has been sent."""
        if not self._closing:
            self.close()
        self._writer.join(FINISH_S)

    def close(self) -> None:
        """Close now; safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self.core.bus.remove(self)
        try:
            self._sock.shutdown(2)
        except OSError:
            log.debug("the event socket's peer was gone already")
        self._sock.close()
        self._signal.set()

    def reply(self, text: str, *more: tuple[str, str]) -> None:
        """``command/reply`` with its text."""
        clean = text.replace("\n", " ")
        self.send(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", clean), *more]))

    def answer_api(self, text: str) -> None:
        body = text.encode("utf-8", "replace")
        self.send(encode_frame([("Content-Type", "api/response"), ("Content-Length", str(len(body)))], body))

    def notice(self, text: bytes, *headers: tuple[str, str]) -> None:
        """``text/disconnect-notice``."""
        length = ("Content-Length", str(len(text)))
        self.send(encode_frame([("Content-Type", "text/disconnect-notice"), *headers, length], text))

    # --- reading ---

    def read(self) -> None:
        """Read and carry out commands until the peer or we close."""
        reader = CommandReader(limits=_LIMITS)
        timer = gevent.spawn_later(FIRST_COMMAND_S, self._first_command_late)
        try:
            while not self.closed:
                data = self._sock.recv(65_536)
                if not data:
                    return
                for command in reader.feed(data):
                    self.commands += 1
                    self.carry_out(command)
                    if self.closed or self._closing:
                        return
        except (OSError, EslError) as fault:
            log.info("an event-socket client is gone: %s", fault)
        finally:
            timer.kill(block=False)

    def _first_command_late(self) -> None:
        if not self.commands:
            self.close()

    def carry_out(self, command: Command) -> None:
        raise NotImplementedError

    # --- commands that both directions know ---

    def common(self, word: str, rest: str, command: Command) -> bool:
        """Carry out a command of both directions; False when it is none."""
        handler = _COMMON.get(word)
        if handler is None:
            return False
        handler(self, rest, command)
        return True

    def subscribe(self, rest: str) -> None:
        words = rest.split()
        if words and words[0].lower() in {"plain", "json", "xml"}:
            form = words.pop(0).lower()
            if form == "xml":
                self.reply("-ERR this node sends plain and json events only")
                return
            self._form = form
        custom = False
        for word in words:
            name = word.upper()
            if name == "ALL":
                self._all = True
            elif custom or name == "CUSTOM":
                custom = True
                self._names.add("CUSTOM")
            elif _NAME.match(name):
                self._names.add(name)
        self.core.bus.add(self)
        self.reply(f"+OK event listener enabled {self._form}")

    def _nixevent(self, rest: str, command: Command) -> None:
        for word in rest.split():
            if word.upper() == "ALL":
                self._all, self._names = False, set()
            self._names.discard(word.upper())
        self.reply("+OK events nixed")

    def _noevents(self, rest: str, command: Command) -> None:
        self._all, self._names = False, set()
        self.reply("+OK no longer listening for events")

    def _filter(self, rest: str, command: Command) -> None:
        header, _, value = rest.strip().partition(" ")
        if header.lower() == "delete":
            name, _, wanted = value.partition(" ")
            keep = [] if name == "all" else [f for f in self._filters if f[0] != name or (wanted and f[1] != wanted)]
            self._filters = keep
            self.reply(f"+OK filter deleted. [{name}]=[{wanted}]")
        elif header and value and len(self._filters) < 256:
            self._filters.append((header, value.strip()))
            self.reply(f"+OK filter added. [{header}]=[{value.strip()}]")
        else:
            self.reply("-ERR invalid syntax")

    def _api(self, rest: str, command: Command) -> None:
        self.answer_api(api.run(self.core, rest))

    def _bgapi(self, rest: str, command: Command) -> None:
        job = command.headers.get("job-uuid") or str(uuid.uuid4())
        self._jobs.add(job)
        self.reply(f"+OK Job-UUID: {job}", ("Job-UUID", job))
        self.core.faults.spawn("bgapi", self._run_job, job, rest)

    def _run_job(self, job: str, text: str) -> None:
        body = api.run(self.core, text).encode("utf-8", "replace")
        name, _, argument = text.strip().partition(" ")
        headers = [("Job-UUID", job), ("Job-Command", name)]
        if argument:
            headers.append(("Job-Command-Arg", argument))
        if self.only_call:
            headers.append(("Job-Owner-UUID", self.only_call))
        self.core.bus.fire("BACKGROUND_JOB", lambda: headers, body=body)

    def _exit(self, rest: str, command: Command) -> None:
        self.reply("+OK bye")
        self.notice(GOODBYE)
        self.finish()

    def _accept(self, rest: str, command: Command) -> None:
        self.reply("+OK")

    def _sendmsg(self, rest: str, command: Command) -> None:
        target = rest.strip() or self.only_call or ""
        session = self.core.sessions.get(target)
        if session is None:
            self.reply(f"-ERR invalid session id [{target}]")
            return
        self.reply(queue_message(session, command))


def queue_message(session: Session, command: Command) -> str:
    """Put a ``sendmsg`` into a call's queue; returns the reply."""
    headers = command.headers
    what = headers.get("call-command", "")
    if what == "hangup":
        cause = headers.get("hangup-cause", "NORMAL_CLEARING").upper()
        return "+OK" if session.request(Queued("hangup:", cause)) else "-ERR memory error"
    if what != "execute":
        return f"-ERR this node knows execute and hangup, not {what!r:.40}"
    argument = headers.get("execute-app-arg", "")
    if not argument and headers.get("content-type", "").lower() == "text/plain":
        argument = command.body.decode("utf-8", "replace")
    loops = headers.get("loops", "1")
    queued = Queued(
        application=headers.get("execute-app-name", ""),
        data=argument,
        event_id=headers.get("event-uuid") or str(uuid.uuid4()),
        lock=headers.get("event-lock", "").lower() == "true",
        loops=min(int(loops), 1000) if loops.isdigit() else 1,
    )
    return "+OK" if session.request(queued) else "-ERR memory error"


def filters_pass(filters: list[tuple[str, str]], event: Event) -> bool:
    """Filters are OR'ed; a leading minus vetoes; once there is any, one must match (reference freeswitch 1.6)."""
    if not filters:
        return True
    matched = False
    for header, wanted in filters:
        value = event.get(header)
        negative = wanted.startswith("-")
        if value is None or not _matches(value, wanted.removeprefix("-")):
            continue
        if negative:
            return False
        matched = True
    return matched


def _matches(value: str, wanted: str) -> bool:
    if len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/"):
        try:
            return re.search(wanted[1:-1], value) is not None
        except re.error:
            return False
    return wanted.lower() in value.lower()


_COMMON: dict[str, Callable[[Connection, str, Command], None]] = {
    "event": lambda connection, rest, command: connection.subscribe(rest),
    "nixevent": Connection._nixevent,
    "noevents": Connection._noevents,
    "filter": Connection._filter,
    "api": Connection._api,
    "bgapi": Connection._bgapi,
    "exit": Connection._exit,
    "sendmsg": Connection._sendmsg,
    "log": Connection._accept,
    "nolog": Connection._accept,
    "divert_events": Connection._accept,
}
