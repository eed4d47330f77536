"""`dialtrace live`: streams the calls that stand as server-sent events, so that no thread of the API is held.

`GET /v1/calls/live/stream` with the API's keys, `GET /healthz` without. A public proxy sends that one path here and
does not buffer it. Bounded in everything: listeners in all and for each key, a connection's life, every write.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ..addresses import Network, believed_address
from ..db.engine import Database
from ..db.errors import DatabaseError
from ..errors import DialtraceError
from ..live.service import LiveService
from ..live.stream import message
from ..metrics import LIVE_STREAMS_REFUSED
from ..readiness import tell_ready
from ..tenancy.errors import AddressRefused, AgencyUnknown, ClientUnknown, InvalidKey
from ..tenancy.model import Principal
from ..tenancy.service import TenancyService
from ..watching.service import WatchService
from .live_counts import count_standing
from .live_hub import Ear, LiveHub, TooManyListeners

log = structlog.get_logger("live")

STREAM_PATH = "/v1/calls/live/stream"
HEARTBEAT_S = 10.0
#: A reader that takes nothing for so long is gone, or as good as that.
WRITE_TIMEOUT_S = 20.0
#: A key that was revoked stops hearing within a minute.
CHECK_KEY_EVERY_S = 60.0
#: Then the client comes again, which spreads listeners over processes after a restart.
LONGEST_STREAM_S = 3_600.0
RETRY_MS = 3_000
#: Connections beyond the listeners: refusals, probes.
SPARE_CONNECTIONS = 32
STOP_TIMEOUT_S = 3.0

StartResponse = Callable[..., Any]


class LiveNotServed(DialtraceError):
    """The address for streams cannot be listened on."""


class Refused(DialtraceError):
    """A request that gets no stream."""

    def __init__(self, status: str, code: str, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers


@dataclass(frozen=True)
class Allowed:
    """Whose calls a request may hear. ``client_id`` None: the whole agency's."""

    token: str
    address: str | None
    principal: Principal
    agency_id: UUID
    client_id: UUID | None


class LiveApp:
    """The WSGI application."""

    def __init__(self, hub: LiveHub, tenancy: TenancyService, proxies: Sequence[Network] = ()) -> None:
        self._hub = hub
        self._tenancy = tenancy
        self._proxies = tuple(proxies)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            if environ["PATH_INFO"] == "/healthz":
                return _answer(start_response, "200 OK", "application/json", b'{"status":"ok"}')
            if environ["PATH_INFO"] != STREAM_PATH:
                raise Refused("404 Not Found", "not_found", f"This process serves {STREAM_PATH} only.")
            if environ["REQUEST_METHOD"] != "GET":
                raise Refused("405 Method Not Allowed", "method_not_allowed", "Only GET.", ("Allow", "GET"))
            return self._stream(self.allow(environ), start_response)
        except Refused as refused:
            return _refuse(start_response, refused)
        except DatabaseError:
            return _refuse(
                start_response,
                Refused(
                    "503 Service Unavailable",
                    "temporarily_unavailable",
                    "The same request may succeed after a moment.",
                    ("Retry-After", "2"),
                ),
            )

    def allow(self, environ: dict[str, Any]) -> Allowed:
        """Whose calls they may hear. Raises Refused, DatabaseError."""
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        forwarded = environ.get("HTTP_X_FORWARDED_FOR")
        address = believed_address(
            environ.get("REMOTE_ADDR"), [forwarded] if forwarded is not None else [], self._proxies
        )
        principal = self._principal(scheme, token.strip(), address)
        if "calls.read" not in principal.permissions:
            raise Refused("403 Forbidden", "permission_missing", "This needs the permission calls.read.")
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=10)
        if unknown := sorted(set(query) - {"agency_id", "client_id"}):
            raise Refused("422 Unprocessable Content", "validation_failed", f"Unknown parameter: {unknown[0][:40]!r}.")
        agency_id = _id_of(query, "agency_id") or principal.agency_id
        client_id = _id_of(query, "client_id") or principal.client_id
        if agency_id != principal.agency_id and principal.role != "operator":
            raise _not_found("agency")
        if principal.client_id is not None and client_id != principal.client_id:
            raise _not_found("client")
        try:
            self._tenancy.get_agency(agency_id)
            if client_id is not None:
                self._tenancy.get_client(agency_id, client_id)
        except (AgencyUnknown, ClientUnknown) as error:
            raise _not_found("agency" if isinstance(error, AgencyUnknown) else "client") from error
        return Allowed(token.strip(), address, principal, agency_id, client_id)

    def _principal(self, scheme: str, token: str, address: str | None) -> Principal:
        challenge = ("WWW-Authenticate", 'Bearer realm="dialtrace"')
        if scheme.lower() != "bearer" or not token:
            raise Refused("401 Unauthorized", "credential_missing", "Send `Authorization: Bearer <key>`.", challenge)
        try:
            return self._tenancy.authenticate(token, address)
        except AddressRefused as error:
            raise Refused(
                "403 Forbidden", "address_not_allowed", "The key is to be used from other networks only."
            ) from error
        except InvalidKey as error:
            raise Refused(
                "401 Unauthorized", "credential_invalid", "The key is unknown, revoked or has expired.", challenge
            ) from error

    def _stream(self, allowed: Allowed, start_response: StartResponse) -> Iterator[bytes]:
        """The place is taken here, before the answer begins; the generator gives it back."""
        listening = self._hub.listening(allowed.principal.key_id, allowed.agency_id, allowed.client_id)
        try:
            ear = listening.__enter__()
        except TooManyListeners as error:
            raise Refused("429 Too Many Requests", "too_many_listeners", str(error), ("Retry-After", "30")) from error
        headers = [
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        start_response("200 OK", headers)
        return Told(self._messages(ear, allowed), lambda: listening.__exit__(None, None, None))

    def _messages(self, ear: Ear, allowed: Allowed) -> Iterator[bytes]:
        began_s = checked_s = time.monotonic()
        yield f"retry: {RETRY_MS}\n\n".encode()
        while not self._hub.stopping and time.monotonic() - began_s < LONGEST_STREAM_S:
            if ear.fresh.wait(HEARTBEAT_S):
                ear.fresh.clear()
                if told := b"".join(ear.listener.take()):
                    yield told
            else:
                yield b": beat\n\n"
            if time.monotonic() - checked_s >= CHECK_KEY_EVERY_S:
                checked_s = time.monotonic()
                if not self._still_allowed(allowed):
                    break
        yield message("bye", {})

    def _still_allowed(self, allowed: Allowed) -> bool:
        """A database that is away takes nobody's stream."""
        try:
            return self._tenancy.authenticate(allowed.token, allowed.address) == allowed.principal
        except (InvalidKey, AddressRefused):
            return False
        except DatabaseError:
            return True


class Told:
    """The body of one stream: its place is given back however it ends, begun or not."""

    def __init__(self, messages: Iterator[bytes], give_back: Callable[[], object]) -> None:
        self._messages = messages
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        return self._messages

    def __next__(self) -> bytes:
        return next(self._messages)

    def close(self) -> None:
        """Called by the server, once (PEP 3333)."""
        self._give_back()


def _id_of(query: dict[str, list[str]], name: str) -> UUID | None:
    values = query.get(name, [])
    if not values:
        return None
    try:
        (text,) = values
        return UUID(text)
    except ValueError:
        raise Refused("422 Unprocessable Content", "validation_failed", f"{name} must be one UUID.") from None


def _not_found(what: str) -> Refused:
    return Refused("404 Not Found", "not_found", f"There is no such {what}.")


def _refuse(start_response: StartResponse, refused: Refused) -> list[bytes]:
    LIVE_STREAMS_REFUSED.labels(refused.code).inc()
    status, _, title = refused.status.partition(" ")
    body = {"type": f"/v1/reference#problem-{refused.code}", "title": title, "status": int(status),
            "code": refused.code, "detail": refused.detail}  # fmt: skip
    return _answer(
        start_response, refused.status, "application/problem+json", json.dumps(body).encode(), *refused.headers
    )


def _answer(
    start_response: StartResponse, status: str, media_type: str, body: bytes, *headers: tuple[str, str]
) -> list[bytes]:
    start_response(
        status,
        [("Content-Type", media_type), ("Content-Length", str(len(body))), ("Connection", "close"),
         ("Cache-Control", "no-store"), *headers],
    )  # fmt: skip
    return [body]


class _Handler(WSGIHandler):
    """One request a connection; nothing is waited for without end, and a reader that went away is no error."""

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        sock.settimeout(WRITE_TIMEOUT_S)
        super().__init__(sock, address, server)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        if isinstance(v, OSError):
            self.close_connection = True
            return
        log.error("a stream failed", exc_info=(t, v, tb))
        super().handle_error(t, v, tb)


def run_live_server(
    *,
    listen: tuple[str, int],
    database: Database,
    tenancy: TenancyService,
    most: int,
    most_of_a_key: int,
    proxies: Sequence[Network] = (),
) -> None:
    """Serves until SIGTERM or SIGINT, tells everybody goodbye and returns. Raises LiveNotServed. The process must be
    patched for gevent."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    hub = LiveHub(LiveService(database).read_for_streams, most=most, most_of_a_key=most_of_a_key)
    server = WSGIServer(
        listen, LiveApp(hub, tenancy, proxies), spawn=Pool(most + SPARE_CONNECTIONS), log=None, error_log=None,
        handler_class=_Handler,
    )  # fmt: skip
    try:
        server.start()
    except OSError as error:
        raise LiveNotServed(
            f"streams cannot be served at {listen[0]}:{listen[1]}: {error.strerror or error}; "
            "name another address (DIALTRACE_LIVE_LISTEN)"
        ) from error
    counting = gevent.spawn(count_standing, WatchService(database).standing)
    reading = gevent.spawn(hub.run)
    reading.link_exception(lambda dead: _report_death(dead, stop))
    log.info("live stream ready", listen=f"{listen[0]}:{listen[1]}")
    tell_ready()
    stop.wait()
    server.stop_accepting()
    hub.stop()
    server.stop(timeout=STOP_TIMEOUT_S)
    reading.kill()
    counting.kill()
    database.dispose()
    if reading.exception is not None:
        raise SystemExit(1)


def _report_death(dead: gevent.Greenlet[..., None], stop: Event) -> None:
    log.error("the reader of live calls died", why=repr(dead.exception))
    stop.set()
