"""WSGI before Flask: what pages POST to `/t/…` is answered here, everything else goes through.

These requests are nearly all that an API serves, and each is so little work that Flask's own way from a request to a
view and back (routes, contexts, hooks, response) would be most of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from . import answering
from .catalogue import CATALOGUE
from .page_answers import PageAnswers, PageRequest, Reply
from .problems import MEDIA_TYPE, document_of, told

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class PageFront:
    """Stands before an application."""

    def __init__(self, behind: Application, answers: PageAnswers) -> None:
        self._behind = behind
        self._answers = answers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and self._address(environ) is not None:
            return self.answer(environ, start_response)
        return self._behind(environ, start_response)

    def answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """One request of a page, from its head to its answer."""
        began_s = time.perf_counter()
        address = self._address(environ)
        assert address is not None, environ.get("PATH_INFO")
        token, what = address
        request_id = answering.request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        page = PageRequest(environ)
        try:
            reply = self._answers.of[what](token, page)
        except Exception as error:  # noqa: BLE001 (the top of a request)
            reply = _refusal(error, request_id)
        headers = [("X-Request-Id", request_id), answering.NOSNIFF, *answering.DEFAULTS, *reply.headers]
        if page.origin is not None:
            headers += [("Access-Control-Allow-Origin", page.origin), ("Vary", "Origin")]
        if reply.status != HTTPStatus.NO_CONTENT:
            headers += [("Content-Type", reply.media_type), ("Content-Length", str(len(reply.body)))]
        answering.count("POST", f"/t/<token>/{what}", reply.status, time.perf_counter() - began_s)
        start_response(_STATUS_LINES[reply.status], headers)
        return [reply.body]

    def _address(self, environ: Environ) -> tuple[str, str] | None:
        """Token and what is asked; None: it is none of ours."""
        parts: list[str] = environ.get("PATH_INFO", "").split("/", 4)
        if len(parts) != 4 or parts[1] != "t" or not parts[2] or parts[3] not in self._answers.of:
            return None
        return parts[2], parts[3]


def _refusal(error: Exception, request_id: str) -> Reply:
    problem = told(error, request_id)
    body = json.dumps(document_of(problem, request_id), ensure_ascii=False).encode()
    return Reply(CATALOGUE[problem.code].status, body, tuple(problem.headers.items()), MEDIA_TYPE)
