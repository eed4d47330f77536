"""A standing connection to a switch: one reader, one dispatcher, one way to end.

The reader does nothing but receive, frame and queue, so that the switch never has to wait for us (a switch that
cannot write stalls every other listener, and after 500 lost events cuts us off: mod_event_socket.c, kill_listener).
Replies go straight to whoever waits; everything else goes through a bounded queue to the dispatcher, in order.

However the link ends, the order is: what was received is dispatched, every waiter fails with one typed error, the
owner is told exactly once. There is no reconnecting in here: it would hide a gap in the events.
"""

from __future__ import annotations

import logging
import socket as stdlib_socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import Timeout, socket
from gevent.event import AsyncResult, Event
from gevent.lock import RLock

from .errors import ClosedHere, CommandTimeout, ConnectionLost, EslError, QueueOverflow, WireError
from .wire import Frame, FrameReader

log = logging.getLogger(__name__)

_CHUNK_BYTES = 262_144
_SLICE_S = 0.005
_LAST_WORDS_S = 1.0
_REPLIES = frozenset(("command/reply", "api/response"))


def open_socket(host: str, port: int, timeout_s: float) -> Any:
    """A connected socket that notices a vanished peer: keepalive after 5 s, dead after about 15.

    IPv4 or IPv6. Raises :class:`ConnectionLost`.
    """
    try:
        sock = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as fault:
        raise ConnectionLost(f"cannot reach the switch: {fault.strerror or fault}") from fault
    sock.settimeout(None)
    set_watchful(sock)
    return sock


def set_watchful(sock: Any) -> None:
    """Make the kernel watch a connection: no delay, keepalive probes, a limit on unacknowledged data."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, stdlib_socket.TCP_KEEPIDLE, 5)
    sock.setsockopt(socket.IPPROTO_TCP, stdlib_socket.TCP_KEEPINTVL, 3)
    sock.setsockopt(socket.IPPROTO_TCP, stdlib_socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, stdlib_socket.TCP_USER_TIMEOUT, 15_000)


class _Waiter:
    __slots__ = ("greenlet", "result")

    def __init__(self) -> None:
        self.result: AsyncResult[Frame] = AsyncResult()
        self.greenlet = gevent.getcurrent()


class Link:
    """One connection, from the first byte to the last. ``deliver`` and ``ended`` run in the dispatcher greenlet.

    ``deliver`` gets every frame that is no reply, in order; what it raises is logged and counted in
    ``handler_errors``. ``ended`` is called once, last. ``glance``, if given, sees each such frame in the reader
    before it is queued and must not wait. ``silence_timeout_s`` ends a link on which nothing was heard for so long
    (use it where heartbeats are subscribed).
    """

    def __init__(
        self,
        sock: Any,
        *,
        deliver: Callable[[Frame], None],
        ended: Callable[[EslError], None],
        command_timeout_s: float,
        name: str = "esl",
        max_queued: int = 100_000,
        max_queued_bytes: int = 268_435_456,
        silence_timeout_s: float | None = None,
        glance: Callable[[Frame], None] | None = None,
        reader: FrameReader | None = None,
    ) -> None:
        self._sock = sock
        self._deliver = deliver
        self._ended = ended
        self._command_timeout_s = command_timeout_s
        self._name = name
        self._max_queued = max_queued
        self._max_queued_bytes = max_queued_bytes
        self._silence_timeout_s = silence_timeout_s
        self._glance = glance
        self._reader = reader or FrameReader()
        self._waiters: deque[_Waiter] = deque()
        self._queue: deque[tuple[float, Frame]] = deque()
        self._queued_bytes = 0
        self._handling_since: float | None = None
        self._work = Event()
        self._over = Event()
        self._write_lock = RLock()
        self._fault: EslError | None = None  # why nothing can be sent any more
        self._closed = False
        self._drained = False
        self._reading: gevent.Greenlet[[], None] | None = None
        self._dispatching: gevent.Greenlet[[], None] | None = None
        #: How many times ``deliver`` raised.
        self.handler_errors = 0

    def start(self, early: Iterable[Frame] = ()) -> None:
        """Begin to read and dispatch; ``early`` are frames that were read before."""
        ending = self._accept(early)
        self._reading = gevent.Greenlet(self._read)
        self._dispatching = gevent.Greenlet(self._dispatch)
        self._reading.name = f"{self._name}-read"
        self._dispatching.name = f"{self._name}-dispatch"
        self._reading.start()
        self._dispatching.start()
        if ending is not None:
            self._drop(ending)

    @property
    def connected(self) -> bool:
        """Whether commands can be sent."""
        return self._fault is None

    @property
    def drained(self) -> bool:
        """Whether the link has ended and everything that was received has been handled."""
        return self._drained

    @property
    def queued(self) -> int:
        """Frames received and not yet dispatched."""
        return len(self._queue)

    @property
    def dispatch_lag_s(self) -> float:
        """For how long the oldest frame that is queued or being handled has been here; 0 if there is none."""
        oldest = self._handling_since
        if oldest is None:
            if not self._queue:
                return 0.0
            oldest = self._queue[0][0]
        return max(0.0, time.monotonic() - oldest)

    def command(self, block: bytes, timeout_s: float | None = None) -> Frame:
        """Send one command and return its reply, refused or not.

        Raises :class:`CommandTimeout` (and ends the link) if the reply is not here in time, or the error with which
        the link ended.
        """
        wait_s = self._command_timeout_s if timeout_s is None else timeout_s
        waiter = _Waiter()
        deadline = Timeout.start_new(wait_s)
        try:
            self._send(block, waiter)
            frame: Frame = waiter.result.get()  # type: ignore[assignment]  # never set to None
        except Timeout as expired:
            if expired is not deadline:
                self._drop(CommandTimeout("a command was given up before its reply came"))
                raise
            fault = CommandTimeout(f"no reply within {wait_s} s")
            self._drop(fault)
            raise fault from None
        except gevent.GreenletExit:
            # The reply may still come and would be taken for another's.
            self._drop(CommandTimeout("a command was given up before its reply came"))
            raise
        finally:
            deadline.close()
        return frame

    def close(self, *, farewell: bytes = b"", timeout_s: float = 1.0) -> None:
        """End the link; waits up to ``timeout_s`` until what was received is dispatched. Harmless when repeated."""
        if farewell and self._fault is None:
            self._say(farewell, timeout_s)
        self._drop(ClosedHere())
        if gevent.getcurrent() is not self._dispatching:
            self._over.wait(timeout_s)

    def _say(self, block: bytes, timeout_s: float) -> None:
        """Send something whose reply nobody will wait for, if that works within the time."""
        deadline = Timeout.start_new(timeout_s)
        try:
            with self._write_lock:
                self._sock.sendall(block)
        except Timeout as expired:
            if expired is not deadline:
                raise
        except OSError:
            log.debug("%s: the farewell could not be sent", self._name)
        finally:
            deadline.close()

    def _send(self, block: bytes, waiter: _Waiter) -> None:
        with self._write_lock:
            if self._fault is not None:
                raise _again(self._fault)
            self._waiters.append(waiter)
            try:
                self._sock.sendall(block)
            except TimeoutError:  # part of it may be on the wire
                late = CommandTimeout("the switch does not take what we send")
                self._drop(late)
                raise late from None
            except OSError as broken:
                fault = ConnectionLost(f"the switch broke the connection: {broken.strerror or broken}")
                self._fail_writes(fault)
                raise fault from broken

    def _fail_writes(self, fault: EslError) -> None:
        """Nothing can be sent any more, but events may still lie in the kernel: the reader takes them first."""
        if self._fault is None:
            self._fault = fault
            gevent.spawn_later(_LAST_WORDS_S, self._drop, fault)

    def _read(self) -> None:
        fault: EslError = ConnectionLost("the reader was stopped")
        try:
            fault = self._read_until_fault()
        except Exception as raised:  # noqa: BLE001 (the top of a greenlet: no zombie links)
            log.error("%s: the reader raised %s", self._name, type(raised).__name__)
            fault = WireError(f"the reader raised {type(raised).__name__}")
        finally:
            self._drop(fault)

    def _read_until_fault(self) -> EslError:
        self._sock.settimeout(self._silence_timeout_s)
        while True:
            try:
                data = self._sock.recv(_CHUNK_BYTES)
            except TimeoutError:
                return ConnectionLost("nothing was heard for too long")
            except OSError as broken:
                return ConnectionLost(f"the connection broke: {broken.strerror or broken}")
            if not data:
                if not self._reader.at_boundary:
                    return WireError("the switch closed in the middle of a frame")
                return ConnectionLost()
            try:
                frames = self._reader.feed(data)
            except WireError as fault:
                self._accept(Frame(one.headers, one.body) for one in fault.before if isinstance(one, Frame))
                return fault
            ending = self._accept(frames)
            if ending is not None:
                return ending
            gevent.sleep(0)  # data that is always there must not keep the dispatcher from running

    def _accept(self, frames: Iterable[Frame]) -> EslError | None:
        """Sort frames to waiters and queue; says why the link must end, if it must."""
        now = time.monotonic()
        for frame in frames:
            if frame.content_type in _REPLIES:
                if not self._waiters:
                    return WireError("the switch sent a reply that nobody asked for")
                self._waiters.popleft().result.set(frame)
                continue
            if len(self._queue) >= self._max_queued or self._queued_bytes >= self._max_queued_bytes:
                return QueueOverflow()
            if self._glance is not None:
                self._glance(frame)
            self._queue.append((now, frame))
            self._queued_bytes += len(frame.body)
            self._work.set()
            if _is_farewell(frame):
                return ConnectionLost("the switch said goodbye")
        return None

    def _drop(self, fault: EslError) -> None:
        """The one place where a link ends. The dispatcher does the rest."""
        if self._closed:
            return
        self._closed = True
        self._fault = fault = self._fault or fault
        self._sock.close()
        # A handler that waits for a reply inside the dispatcher would keep the dispatcher from failing it.
        for waiter in self._waiters:
            if waiter.greenlet is self._dispatching:
                waiter.result.set_exception(_again(fault))
        if self._reading is not None and gevent.getcurrent() is not self._reading:
            self._reading.kill(block=False)
        self._work.set()

    def _dispatch(self) -> None:
        while not self._closed:
            self._drain()
            self._work.clear()
            if not self._queue and not self._closed:
                self._work.wait()
        self._drain()  # the reader adds nothing once the link is closed
        self._finish(self._fault or ConnectionLost())

    def _drain(self) -> None:
        slice_ends = time.monotonic() + _SLICE_S
        while self._queue:
            received, frame = self._queue.popleft()
            self._queued_bytes -= len(frame.body)
            self._handling_since = received
            self._handle(frame)
            self._handling_since = None
            if time.monotonic() > slice_ends:
                gevent.sleep(0)
                slice_ends = time.monotonic() + _SLICE_S

    def _handle(self, frame: Frame) -> None:
        try:
            self._deliver(frame)
        except (Exception, Timeout) as fault:  # noqa: BLE001 (one bad handler must not end the dispatch of all others)
            self.handler_errors += 1
            log.error("%s: the handler of an event raised %s", self._name, type(fault).__name__)

    def _finish(self, fault: EslError) -> None:
        self._drained = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.result.ready():
                waiter.result.set_exception(_again(fault))
        try:
            self._ended(fault)
        except (Exception, Timeout) as raised:  # noqa: BLE001 (the top of a greenlet)
            log.error("%s: the owner raised %s when told of the end", self._name, type(raised).__name__)
        finally:
            self._over.set()


def _again(fault: EslError) -> EslError:
    """The same error as a new object, since each raise adds to an exception's traceback."""
    return type(fault)(*fault.args)


def _is_farewell(frame: Frame) -> bool:
    if frame.content_type == "text/disconnect-notice":
        return frame.headers.get("Content-Disposition") != "linger"
    return frame.content_type == "text/rude-rejection"
