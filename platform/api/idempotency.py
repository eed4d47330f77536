"""`Idempotency-Key`: a POST that is sent again is answered again, and done once (contracts 09, 2).

A key belongs to the credential that sent it and is kept for 72 hours. The request's fingerprint is taken over method,
address and canonical body. What is kept is a final answer; one that begins with 5, or that is refused before the
request was understood, is not, so that the same key may try again. What is done and its answer are one transaction
wherever the database is all that is asked: then a request whose process died has done nothing, and its key is free
again a minute later.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Request, Response

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..errors import DialtraceError
from .auth import Asked
from .catalogue import CATALOGUE
from .errors import Problem
from .problems import answer, problem_for
from .store import Kept, Scope, claim_key, keep_answer, purge_keys, release_key

log = structlog.get_logger(__name__)

KEPT_FOR = timedelta(hours=72)
#: No request lives as long as this: the server answers or dies earlier (statements are cut off after 10 s).
ABANDONED_AFTER = timedelta(seconds=60)
REPLAYED = "Idempotent-Replayed"
#: Headers that belong to the kept answer.
_KEPT_HEADERS = ("Location", "ETag")
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-~]{1,255})')


def parse_key(header: str) -> str:
    """The key, sent as a structured-field string or bare. Raises Problem (400)."""
    match = _KEY.fullmatch(header.strip())
    if match is None:
        raise Problem("idempotency_key_invalid")
    return re.sub(r'\\(["\\])', r"\1", match[1]) if match[1] is not None else match[2]


def fingerprint(key: str, method: str, address: str, body: Any) -> bytes:
    """HMAC-SHA-256 of what the request asks; the body's spelling does not count, its content does. Keyed, so that
    nobody who reads the table can try out what a short secret in a body may have been."""
    canonical = json.dumps([method, address, body], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.digest(b"idempotency " + key.encode(), canonical.encode("ascii"), "sha256")


def once(
    asked: Asked,
    request: Request,
    act: Callable[[], Response],
    *,
    secrets: tuple[str, ...] = (),
    whole: bool = True,
) -> Response:
    """Acts, or answers as the first time. ``secrets`` are members of the answer that are shown once and never kept.
    ``whole``: what is done and what is answered are kept in one transaction, so that a request that was cut short has
    done nothing."""
    header = request.headers.get("Idempotency-Key")
    database, now = asked.services.database, asked.services.clock.now()
    if header is None:
        with database.whole() if whole else nullcontext():
            return act()
    query = "&".join(sorted(request.query_string.decode("latin-1").split("&")))
    digest = fingerprint(asked.services.secret_key, request.method, f"{request.path}?{query}", _sent(request))
    scope = Scope(asked.principal.agency_id, asked.principal.key_id, parse_key(header))
    with database.tenant(scope.agency_id) as connection:
        kept = claim_key(
            connection,
            scope,
            request=f"{request.method} {request.path}",
            digest=digest,
            now=now,
            oldest=now - KEPT_FOR,
            # One that was cut short came to nothing, where all of it is one transaction.
            unfinished=now - ABANDONED_AFTER if whole else None,
        )
        if kept is None and digest[0] < 4:
            # One request in 64 tidies up, so that no process has to.
            purge_keys(connection, scope.agency_id, now - KEPT_FOR)
    if kept is not None:
        return replay(kept, digest, now)
    return _act_and_keep(database, scope, now, act, secrets, whole=whole)


def _sent(request: Request) -> Any:
    """The body's JSON; None where an endpoint takes none."""
    return request.get_json(force=True) if request.get_data() else None


def replay(kept: Kept, digest: bytes, now: datetime) -> Response:
    """The answer of the first time. Raises Problem: 422 for another request, 409 for one that has not finished."""
    if kept.digest != digest:
        raise Problem("idempotency_key_reused")
    if kept.status is None or kept.answer is None:
        code = "idempotency_outcome_unknown" if now - kept.created_at > ABANDONED_AFTER else "idempotency_key_in_use"
        retry = {"Retry-After": "1"} if code == "idempotency_key_in_use" else {}
        raise Problem(code, headers=retry)
    response = Response(kept.answer["body"], status=kept.status, mimetype=kept.answer["mimetype"])
    response.headers.extend(kept.answer["headers"])
    response.headers[REPLAYED] = "true"
    return response


def _act_and_keep(
    database: Database,
    scope: Scope,
    now: datetime,
    act: Callable[[], Response],
    secrets: tuple[str, ...],
    *,
    whole: bool,
) -> Response:
    """What fails before it has an answer leaves the key free again. Once an act that is no whole is done the key never
    becomes free: if its answer cannot be kept, a repetition is told that the outcome is unknown, rather than doing it
    twice."""
    if whole:
        return _as_whole(database, scope, now, act, secrets)
    try:
        response = _answer_of(act)
    except BaseException:
        _free(database, scope, now)
        raise
    _keep(database, scope, now, response, secrets)
    return response


def _as_whole(
    database: Database, scope: Scope, now: datetime, act: Callable[[], Response], secrets: tuple[str, ...]
) -> Response:
    def in_one_step() -> Response:
        # What a refused request had begun is undone; that it was refused is kept.
        with database.whole():
            return act()

    try:
        with database.whole():
            response = _answer_of(in_one_step)
            _keep(database, scope, now, response, secrets)
    except BaseException:
        _free(database, scope, now)
        raise
    return response


def _keep(database: Database, scope: Scope, now: datetime, response: Response, secrets: tuple[str, ...]) -> None:
    """Raises Problem (409) when somebody else has taken the key meanwhile: this request was too slow to count."""
    with database.tenant(scope.agency_id) as connection:
        form = _kept_form(response, secrets)
        if not keep_answer(connection, scope, claimed_at=now, status=response.status_code, answer=form):
            raise Problem("idempotency_key_in_use", headers={"Retry-After": "1"})


def _free(database: Database, scope: Scope, now: datetime) -> None:
    try:
        with database.tenant(scope.agency_id) as connection:
            release_key(connection, scope, claimed_at=now)
    except DatabaseError as error:
        # The request's own failure is what the caller must hear of; the key frees itself after its time.
        log.warning("idempotency key was not released", reason=type(error).__name__)


def _answer_of(act: Callable[[], Response]) -> Response:
    """A refusal by the rules is an answer too."""
    try:
        return act()
    except DialtraceError as error:
        problem = problem_for(error)
        if problem is None or CATALOGUE[problem.code].status >= 500:
            raise
        return answer(problem)


def _kept_form(response: Response, secrets: tuple[str, ...]) -> dict[str, Any]:
    body = response.get_data(as_text=True)
    if secrets and response.status_code < 300:
        body = json.dumps({**json.loads(body), **dict.fromkeys(secrets)}, ensure_ascii=False)
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return {"body": body, "mimetype": response.mimetype, "headers": headers}
