"""Asks the API from inside of the process, as the browser whose request is being answered would ask it.

Nothing goes around the API: a page can show and do no more than its user may
(docs/decisions/0015-the-console-asks-the-api.md).
The question carries the browser's own cookie, address and origin, so the API judges all of them itself; it never
carries what a page was sent in `Authorization`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

from flask import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from .errors import Refused

#: What of the browser's own request goes with the question.
_CARRIED = ("Cookie", "Origin", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "X-Request-Id")
Query = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the API says. ``chunks``: the body, read as it is sent on."""

    status: int
    headers: Headers
    chunks: Iterable[bytes]

    def whole(self) -> bytes:
        """The body, read to its end."""
        try:
            return b"".join(self.chunks)
        finally:
            close = getattr(self.chunks, "close", None)
            if close is not None:
                close()


class Asking:
    """Questions of one request. ``scope``: the tenant that its page is about, which every question names."""

    def __init__(self, api: WSGIApplication, request: Request, *, scope: Query | None = None, csrf: str = "") -> None:
        self._api = api
        self._request = request
        self.scope = dict(scope or {})
        self.csrf = csrf

    def open(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, headers: Query | None = None
    ) -> Answer:
        """One question, whatever is answered."""
        sent = {name: self._request.headers[name] for name in _CARRIED if name in self._request.headers}
        if method != "GET":
            sent["X-CSRF-Token"] = self.csrf
        builder = EnvironBuilder(
            path=path, method=method, query_string={name: _text(value) for name, value in (query or {}).items()},
            base_url=self._request.host_url, headers=sent | dict(headers or {}),
            data=json.dumps(body) if body is not None else None,
            content_type="application/json" if body is not None else None,
            environ_base={"REMOTE_ADDR": self._request.remote_addr or ""},
        )  # fmt: skip
        try:
            chunks, status, answered = run_wsgi_app(self._api, builder.get_environ(), buffered=False)
        finally:
            builder.close()
        return Answer(int(status.partition(" ")[0]), answered, chunks)

    def ask(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, headers: Query | None = None
    ) -> tuple[Any, Headers]:
        """The answer's document (None: there is none) and its headers. Raises Refused."""
        answer = self.open(method, path, query=query, body=body, headers=headers)
        told = answer.whole()
        document = json.loads(told) if told and "json" in answer.headers.get("Content-Type", "") else None
        if answer.status >= 400:
            raise Refused(answer.status, document or {})
        return document, answer.headers

    def get(self, path: str, **query: Any) -> Any:
        """Reads; what is None is not asked for. Raises Refused."""
        return self.ask("GET", path, query=self._scoped(path, query))[0]

    def write(self, method: str, path: str, body: Any = None, *, version: int | None = None, once: str = "") -> Any:
        """Changes something. ``version``: of what was looked at; ``once``: a form that is sent twice acts once. Raises
        Refused."""
        headers = {"If-Match": f'"v{version}"'} if version is not None else {}
        if once and method == "POST":
            headers["Idempotency-Key"] = once
        query = {"agency_id": self.scope.get("agency_id")} if "/agencies/" not in path else {}
        return self.ask(method, path, query=_known(query), body=body, headers=headers)[0]

    def _scoped(self, path: str, query: Query) -> dict[str, Any]:
        agency = {"agency_id": self.scope.get("agency_id")} if "/agencies/" not in path else {}
        return _known({**agency, **query})


def _known(query: Query) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None and value != ""}


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
