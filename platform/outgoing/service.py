"""The platform's one HTTP client for addresses that other people have written down.

Looks a name up once and connects to what was found and checked; follows no redirect; asks no proxy; bounds the time as
a whole, both bodies, and how many requests run to one host. Works in plain threads and under gevent alike. Must not
know what the requests are for.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
import urllib3.exceptions

from ..metrics import OUTGOING_REQUESTS, OUTGOING_SECONDS
from .connection import Cut, connected, tls_context
from .errors import BrokenAnswer, NotConnected, OutgoingError, RequestTooBig, TimedOut, TlsFailed, TooBusy
from .lookup import NameLookup
from .model import MOST_SENT_BYTES, Answer, Destination, IpAddress, Request, Rules, parse_url

USER_AGENT = "Dialtrace"
MOST_PER_HOST = 16
#: Addresses of one name that are tried at most.
MOST_TRIED = 4

_NOT_HTTP = (http.client.HTTPException, urllib3.exceptions.HTTPError, ssl.SSLError, OSError, ValueError)


@dataclass
class _Host:
    """A host and port that requests are running to, or wait for."""

    places: threading.BoundedSemaphore
    users: int = field(default=0)


class HostPlaces:
    """So many requests to one host and port at a time. Forgets a host when nobody asks for it any more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._hosts: dict[tuple[str, int], _Host] = {}

    @contextmanager
    def taken(self, host: tuple[str, int], *, timeout_s: float) -> Iterator[None]:
        """Raises TooBusy when no place came free in time."""
        with self._lock:
            entry = self._hosts.setdefault(host, _Host(threading.BoundedSemaphore(self._most)))
            entry.users += 1
        try:
            if not entry.places.acquire(timeout=max(timeout_s, 0)):
                raise TooBusy(f"{TooBusy.__doc__} ({self._most} to one host)")
            try:
                yield
            finally:
                entry.places.release()
        finally:
            with self._lock:
                entry.users -= 1
                if not entry.users:
                    del self._hosts[host]


class OutgoingClient:
    """Sends requests. One for a process; any number of threads or greenlets use it at a time."""

    def __init__(
        self,
        rules: Rules,
        *,
        lookup: NameLookup | None = None,
        ca_file: Path | None = None,
        most_per_host: int = MOST_PER_HOST,
    ) -> None:
        self._rules = rules
        self._lookup = lookup or NameLookup()
        self._tls = tls_context(str(ca_file) if ca_file else None)
        self._places = HostPlaces(most_per_host)
        # Its warnings of odd headers name the whole URL, which may hold a key.
        logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

    def send(self, request: Request, *, use: str) -> Answer:
        """The answer, whatever its status; a redirect is an answer. ``use`` says what for in metrics: a word of a
        bounded set. Raises OutgoingError."""
        begun_s = time.monotonic()
        outcome = "failed"
        try:
            answer = self._send(request, begun_s + request.timeout_s)
            outcome = f"{answer.status // 100}xx"
        except OutgoingError as error:
            outcome = error.word
            raise
        else:
            return answer
        finally:
            OUTGOING_REQUESTS.labels(use, outcome).inc()
            OUTGOING_SECONDS.labels(use).observe(time.monotonic() - begun_s)

    def _send(self, request: Request, deadline_s: float) -> Answer:
        destination = parse_url(request.url)
        if len(request.body) > MOST_SENT_BYTES:
            raise RequestTooBig(f"the body has {len(request.body)} bytes; at most {MOST_SENT_BYTES} are sent")
        with self._places.taken((destination.host, destination.port), timeout_s=_left_s(deadline_s)):
            addresses = self._find(destination, deadline_s)
            self._rules.check(destination, addresses)
            return self._try_each(request, destination, addresses[:MOST_TRIED], deadline_s)

    def _find(self, destination: Destination, deadline_s: float) -> list[IpAddress]:
        if destination.literal is not None:
            return [destination.literal]
        return self._lookup.find(destination.host, timeout_s=_left_s(deadline_s))

    def _try_each(
        self, request: Request, destination: Destination, addresses: Sequence[IpAddress], deadline_s: float
    ) -> Answer:
        """The next address only where nobody took the connection: whatever was sent may have been read."""
        for position, address in enumerate(addresses):
            is_last = position == len(addresses) - 1
            left_s = _left_s(deadline_s)
            # An address that swallows packets must leave time for the next one.
            connect_s = left_s if is_last else left_s / 2
            try:
                return self._exchange(request, destination, address, deadline_s, connect_s=connect_s)
            except NotConnected:
                if is_last or time.monotonic() >= deadline_s:
                    raise
        raise AssertionError("a name has at least one address")

    def _exchange(
        self, request: Request, destination: Destination, address: IpAddress, deadline_s: float, *, connect_s: float
    ) -> Answer:
        cut = Cut(_left_s(deadline_s))
        sent = False
        try:
            with connected(destination, address, cut=cut, timeout_s=connect_s, tls=self._tls) as connection:
                sent = True
                connection.timeout = _left_s(deadline_s)
                headers = {
                    "Host": destination.host_header,
                    "User-Agent": USER_AGENT,
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                    **request.headers,
                }
                connection.request(
                    request.method, destination.path, body=request.body, headers=headers, preload_content=False,
                    decode_content=False,
                )  # fmt: skip
                answer = _read(connection.getresponse(), request.most_read_bytes)
        except _NOT_HTTP as error:
            raise _named(
                error, destination, is_late=cut.is_over or time.monotonic() >= deadline_s, sent=sent
            ) from error
        finally:
            cut.close()
        if cut.is_over:
            # A body without a length ends where the connection does, so one that was cut looks whole.
            raise TimedOut(f"{destination.host} did not answer in time")
        return answer


def _left_s(deadline_s: float) -> float:
    """Raises TimedOut when nothing is left."""
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimedOut(str(TimedOut.__doc__))
    return left_s


def _read(response: urllib3.HTTPResponse, most_bytes: int) -> Answer:
    body = b""
    while len(body) <= most_bytes and (chunk := response.read(most_bytes + 1 - len(body))):
        body += chunk
    headers = {name.lower(): ", ".join(response.headers.getlist(name)) for name in response.headers}
    return Answer(response.status, headers, body[:most_bytes], is_whole=len(body) <= most_bytes)


def _named(error: Exception, destination: Destination, *, is_late: bool, sent: bool) -> OutgoingError:
    """Ours for a foreign error, by how far the request had come."""
    host = destination.host
    if is_late or (sent and isinstance(error, TimeoutError)):
        return TimedOut(f"{host} did not answer in time")
    if isinstance(error, ssl.SSLError) and not sent:
        return TlsFailed(f"{host} failed at TLS: {getattr(error, 'verify_message', '') or error.reason or error}")
    if not sent:
        return NotConnected(f"{host} did not take the connection: {getattr(error, 'strerror', None) or error}")
    return BrokenAnswer(f"{host} did not answer with HTTP: {error}")
