"""What every answer carries and how it is counted, by Flask or before it (`page_front`)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog

from .. import tracing
from ..ids import new_id
from ..metrics import HTTP_DURATION, HTTP_REQUESTS

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOSNIFF = ("X-Content-Type-Options", "nosniff")
#: Unless an answer says otherwise.
DEFAULTS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    # Browsers heed it over TLS only.
    ("Strict-Transport-Security", "max-age=31536000"),
)


def request_id_of(sent: str) -> str:
    """The name of a request: what its sender calls it, if that can be one."""
    return sent if sent and _REQUEST_ID.fullmatch(sent) else str(new_id())


def name_lines(request_id: str, address: Mapping[str, Any] | None) -> None:
    """Whatever is logged from here on in this thread bears the request, and the call that its address names."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=request_id)
    if address and "call_id" in address:
        structlog.contextvars.bind_contextvars(call=str(address["call_id"]))


def trace(method: str, route: str, status: int, took_s: float, address: Mapping[str, Any] | None) -> None:
    """A span of the answer, in the trace of the call that its address names, if any."""
    if tracing.is_on():
        began_ns = time.time_ns() - int(took_s * 1e9)
        call_id = str(address["call_id"]) if address and "call_id" in address else None
        facts: dict[str, str | int | float | bool] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        tracing.told(f"{method} {route}", began_ns, call_id, **facts)


def count(method: str, route: str, status: int, took_s: float) -> None:
    """Counts an answer. ``route``: its pattern."""
    requests, duration = _counters(method if method in _METHODS else "other", route, status)
    requests.inc()
    duration.observe(took_s)


@lru_cache(maxsize=4096)
def _counters(method: str, route: str, status: int) -> tuple[Any, Any]:
    """Looked up once: labels are bounded."""
    return HTTP_REQUESTS.labels(method=method, route=route, status=str(status)), HTTP_DURATION.labels(route=route)
