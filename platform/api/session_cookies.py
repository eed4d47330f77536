"""The cookie of a session, and what proves that a request by it comes from a page of ours (CSRF).

The cookie is `__Host-`: for this host alone, over TLS alone (browsers count localhost as such), and no script reads it.
Whatever changes something must carry a token that stands in our answers only, and must not come from another site.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from flask import Request, Response

from .errors import Problem

COOKIE = "__Host-dialtrace"
HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"", "same-origin", "none"})


def set_cookie(response: Response, value: str, expires_at: datetime) -> None:
    response.set_cookie(COOKIE, value, expires=expires_at, secure=True, httponly=True, samesite="Lax", path="/")


def forget_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax", path="/")


def csrf_token(secret_key: str, session_id: UUID) -> str:
    """Belongs to one session."""
    return hmac.new(secret_key.encode(), b"csrf " + session_id.bytes, "sha256").hexdigest()


def check_ours(request: Request, secret_key: str, session_id: UUID) -> None:
    """Raises Problem (403) for a request that changes something and does not come from a page of ours."""
    if request.method in _SAFE:
        return
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "") not in _OURS or (origin and urlsplit(origin).netloc != request.host):
        raise Problem("csrf_failed", "The request comes from another site.")
    if not hmac.compare_digest(request.headers.get(HEADER, "").encode(), csrf_token(secret_key, session_id).encode()):
        raise Problem("csrf_failed", f"Send {HEADER} with the token that `GET /v1/session` answers.")
