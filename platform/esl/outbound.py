"""The worker's side of the outbound socket: take a call, hand it to a handler, let it go.

Built for "decide and release": one question, one write of commands, close; nothing listens to the call afterwards.
Whatever goes wrong, the socket is closed, and the dialplan's fallback takes the call. Two ways to ask:
:class:`OutboundServer` says ``connect`` and is told everything; :class:`AskingServer` asks for a few variables, which
gets an ``async`` call out of the socket a frame's time sooner.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import gevent
from gevent import Timeout

from . import commands
from .admission import Admission
from .errors import (
    BadEvent,
    CommandRefused,
    CommandTimeout,
    ConnectionLost,
    EslError,
    NobodySpoke,
    UnsafeValue,
    WireError,
)
from .events import ConnectReply, parse_connect
from .safe import call_uuid
from .server import ConnectionServer
from .wire import Frame, FrameReader

log = logging.getLogger(__name__)

_CONNECT = commands.connect()
_EXIT = commands.exit_()
_REPLIES = frozenset(("command/reply", "api/response"))
_CHUNK_BYTES = 65_536


class _Line:
    """A socket and its reader: write a block, read frames, each under a deadline that covers all of it."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def exchange(self, blocks: bytes, replies: int, timeout_s: float) -> list[Frame]:
        """Write all at once and read ``replies`` replies; fewer only if the peer closed in between.

        Raises :class:`CommandTimeout`, :class:`ConnectionLost` if the write failed, :class:`WireError`.
        """
        got: list[Frame] = []
        deadline = Timeout.start_new(timeout_s)
        try:
            self._sock.sendall(blocks)
            while len(got) < replies:
                frame = self._next()
                if frame is None:
                    break
                got.append(frame)
        except Timeout as fault:
            if fault is not deadline:
                raise
            raise CommandTimeout(f"no reply within {timeout_s} s") from None
        except OSError as fault:
            raise ConnectionLost(f"the switch broke the connection: {fault.strerror or fault}") from fault
        finally:
            deadline.close()
        return got

    def _next(self) -> Frame | None:
        """The next reply; nothing once the peer has closed or says that it will. Events are passed over."""
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame.content_type in _REPLIES:
                    return frame
                if _ends(frame):
                    return None
            data = self._sock.recv(_CHUNK_BYTES)
            if not data:
                if not self._reader.at_boundary:
                    raise WireError("the switch closed in the middle of a frame")
                return None
            self._frames = self._reader.feed(data)

    def close(self) -> None:
        self._sock.close()


def _ends(frame: Frame) -> bool:
    return (
        frame.content_type == "text/disconnect-notice" and frame.headers.get("Content-Disposition") != "linger"
    ) or frame.content_type == "text/rude-rejection"


class _HeldCall:
    """A call that the switch has put into our hands, whichever way we asked for it."""

    def __init__(self, line: _Line, command_timeout_s: float) -> None:
        self._line = line
        self._command_timeout_s = command_timeout_s

    def run(self, *blocks: bytes, timeout_s: float | None = None) -> list[Frame]:
        """Write all commands at once, then read one reply for each, in order.

        The reply to a closing ``exit`` may be missing from what is returned: the switch can be faster in closing.
        Raises :class:`CommandRefused` (after all replies are read: the connection is alive) for the first ``-ERR``
        to anything but ``exit``; :class:`ConnectionLost`, :class:`CommandTimeout` or :class:`WireError` when the
        connection is dead, and then it is closed.
        """
        wait_s = self._command_timeout_s if timeout_s is None else timeout_s
        try:
            replies = self._line.exchange(b"".join(blocks), len(blocks), wait_s)
            if len(replies) < len(blocks) and blocks[len(replies) :] != (_EXIT,):
                raise ConnectionLost("the switch closed before it had answered every command")
        except EslError:
            self.close()
            raise
        for block, frame in zip(blocks, replies, strict=False):
            if frame.refused and block != _EXIT:
                raise CommandRefused(frame.reply_text or frame.text)
        return replies

    def close(self) -> None:
        """Let go of the socket; harmless when repeated."""
        self._line.close()


class OutboundCall(_HeldCall):
    """A call that was taken with ``connect``. ``reply`` is what the switch told of it."""

    def __init__(self, line: _Line, reply: ConnectReply, command_timeout_s: float) -> None:
        super().__init__(line, command_timeout_s)
        self.reply = reply
        self.call_id = reply.call_id


class AskedCall(_HeldCall):
    """A call of which some variables were asked for, and nothing else is known."""

    def __init__(self, line: _Line, call_id: str, variables: Mapping[str, str], command_timeout_s: float) -> None:
        super().__init__(line, command_timeout_s)
        self.call_id = call_id
        self._variables = variables

    def variable(self, name: str) -> str | None:
        """The value of a variable that was asked for, as it is; None if the call lacks it. Treat it as hostile."""
        return self._variables[name] or None


_Call = TypeVar("_Call", OutboundCall, AskedCall)


class _CallServer(ABC, Generic[_Call]):
    """Serves the ``socket`` application of a switch: ``handler(call)`` runs for each call, in its own greenlet.

    ``connect_timeout_s`` runs from the accept to the switch's answer to our question; ``command_timeout_s`` is the
    default for each ``run``. A handler's own time is its own affair. Above ``max_calls``, and when
    the process is out of descriptors, a connection is closed at once (the fallback takes the call). With
    ``reuse_port`` several processes share a port. ``on_failure`` hears of every call that did not go well, the
    handler's own exceptions as :class:`HandlerFailed` (the exception is its ``__cause__``).
    """

    def __init__(
        self,
        listener: tuple[str, int],
        handler: Callable[[_Call], None],
        *,
        backlog: int = 1024,
        max_calls: int = 2000,
        connect_timeout_s: float = 0.5,
        command_timeout_s: float = 0.5,
        reuse_port: bool = True,
        on_failure: Callable[[EslError], None] | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._handler: Callable[[_Call], None] = handler
        self._connect_timeout_s = connect_timeout_s
        self._command_timeout_s = command_timeout_s
        self._on_failure = on_failure
        self._server = ConnectionServer(
            listener,
            self._serve,
            backlog=backlog,
            max_connections=max_calls,
            reuse_port=reuse_port,
            failed=self._failed,
            name="esl-call",
            admission=admission,
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens; the real port if 0 was asked for."""
        return self._server.address

    @property
    def active(self) -> int:
        """Calls in our hands now, those whose switch has not answered our question yet included."""
        return self._server.active

    @property
    def turned_away(self) -> int:
        """Calls that were closed unheard because too many were active already."""
        return self._server.turned_away

    def start(self) -> None:
        """Bind and begin to accept. Raises :class:`BindFailed`."""
        self._server.start()

    def serve_forever(self) -> None:
        """Accept until another greenlet calls :meth:`stop`."""
        self._server.serve_forever()

    def stop(self, timeout_s: float) -> int:
        """Stop accepting, wait for running handlers until the deadline, close the rest; returns how many that were."""
        return self._server.stop(timeout_s)

    @abstractmethod
    def _begin(self, line: _Line) -> _Call:
        """Ask whose call it is, within ``connect_timeout_s``."""

    def _serve(self, sock: Any) -> None:
        call = self._begin(_Line(sock))
        gevent.getcurrent().name = f"esl-call-{call.call_id}"  # type: ignore[attr-defined]
        self._handler(call)

    def _failed(self, fault: EslError) -> None:
        if self._on_failure is not None:
            self._on_failure(fault)
        else:
            log.warning("a call was left to the fallback: %s", fault)


class OutboundServer(_CallServer[OutboundCall]):
    """Takes calls with ``connect``: the switch tells all it knows, the caller's own words among it."""

    def _begin(self, line: _Line) -> OutboundCall:
        answer = line.exchange(_CONNECT, 1, self._connect_timeout_s)
        if not answer:
            raise NobodySpoke
        return OutboundCall(line, parse_connect(answer[0]), self._command_timeout_s)


class AskingServer(_CallServer[AskedCall]):
    """Asks for one variable, which the dialplan has filled with all that is wanted, and never says ``connect``. For
    sockets that are ``async full``, on channels that have ``socket_resume``: without that variable a call would stay in
    the socket for ever when we leave.

    ``asks`` names the variable; it holds the call's UUID and then the values of ``variables`` in their order, ``|``
    between them: no value may hold that sign. Replies are cut at 511 bytes (mod_event_socket.c, listener_run).

    Why: a channel whose worker has said ``connect`` is parked, and the park sleeps 20 ms before it looks whether it is
    over (switch_ivr.c, switch_ivr_park); one whose worker leaves without that word is looked at every millisecond
    (mod_event_socket.c, socket_function). What was sent before we leave is carried out all the same. And one short
    question, because of what a byte of a command costs (commands.py).
    """

    def __init__(
        self,
        listener: tuple[str, int],
        handler: Callable[[AskedCall], None],
        *,
        variables: Sequence[str],
        asks: str = "asks",
        **options: Any,
    ) -> None:
        super().__init__(listener, handler, **options)
        self._variables = tuple(variables)
        # The answer to a first command other than `connect` is never written (mod_event_socket.c, listener_run).
        self._question = b"x\n\n" + commands.getvar(asks)

    def _begin(self, line: _Line) -> AskedCall:
        replies = line.exchange(self._question, 1, self._connect_timeout_s)
        if replies and replies[0].refused:
            # Either this switch does answer the first command, or the variable is empty.
            replies = line.exchange(b"", 1, self._connect_timeout_s)
        if not replies:
            raise NobodySpoke
        call_id, *values = replies[0].reply_text.split("|")
        try:
            call_uuid(call_id)
        except UnsafeValue as fault:
            raise BadEvent(f"the switch does not say which call it is: {fault}") from fault
        # A switch whose dialplan is of another release may tell more or fewer; what is missing is not set.
        told = dict.fromkeys(self._variables, "") | dict(zip(self._variables, values, strict=False))
        return AskedCall(line, call_id, told, self._command_timeout_s)
