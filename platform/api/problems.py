"""Errors as problem documents (RFC 9457): one catalogue of codes, and one way from an exception to an answer.

Clients switch on ``code`` (or ``type``), never on a text, so a code that was published once never changes its meaning.
No stack trace and no foreign text leaves the platform.
"""

from __future__ import annotations

import json
from http import HTTPStatus

import structlog
from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, g
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ..db.errors import DatabaseError, TenantRefused
from ..errors import DialtraceError
from .catalogue import CATALOGUE
from .errors import Fault, Problem
from .translation import problem_of

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Nobody reads more, and a body of 1 MiB can have a hundred thousand: their list would be seven times its size.
MOST_FAULTS = 100

_BY_STATUS = {
    400: "malformed_request",
    401: "credential_missing",
    403: "role_insufficient",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    422: "validation_failed",
    503: "temporarily_unavailable",
}


def document_of(problem: Problem, request_id: str) -> dict[str, object]:
    """The problem document."""
    kind = CATALOGUE[problem.code]
    document: dict[str, object] = {
        "type": f"/v1/reference#problem-{problem.code}",
        "title": kind.title,
        "status": kind.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": f"/v1/requests/{request_id}",
        "request_id": request_id,
        **problem.members,
    }
    if problem.faults:
        document["errors"] = [fault.as_document() for fault in problem.faults[:MOST_FAULTS]]
    return document


def answer(problem: Problem) -> Response:
    """The problem as an HTTP answer; needs a request."""
    body = json.dumps(document_of(problem, g.request_id), ensure_ascii=False)
    response = Response(body, status=CATALOGUE[problem.code].status, mimetype=MEDIA_TYPE)
    response.headers.extend(problem.headers)
    return response


def pointer(location: tuple[int | str, ...]) -> str:
    """A place in a body as JSON pointer in a URI fragment (RFC 6901, 6)."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


# pydantic's own codes that say the same in our words; any other passes as it is.
_FAULT_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_member",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "string_pattern_mismatch": "wrong_form",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
    "value_error": "wrong_form",
    "uuid_parsing": "wrong_form",
    "literal_error": "not_a_choice",
    "datetime_from_date_parsing": "wrong_form",
    "datetime_parsing": "wrong_form",
    "timezone_aware": "time_zone_required",
}


def faults_of(error: ValidationError, location: str) -> list[Fault]:
    """Every fault that pydantic found, without repeating what was sent."""
    found = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        code = _FAULT_CODES.get(one["type"], one["type"].removesuffix("_type").removesuffix("_parsing"))
        message = one["msg"].removeprefix("Value error, ")
        if location == "json":
            found.append(Fault(code=code, detail=message, pointer=pointer(one["loc"])))
        else:
            found.append(Fault(code=code, detail=message, parameter=".".join(map(str, one["loc"]))))
    return found


def validation_problem(faults: list[Fault]) -> Problem:
    """One document for all faults of a request."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return Problem("validation_failed", f"The request has {count}; see errors.", faults=faults)


def _of_framework(error: HTTPError) -> Problem:
    """APIFlask wraps pydantic's error and Werkzeug's into its own."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        location = next(iter(error.detail), "json")
        return validation_problem(faults_of(cause, location))
    return _of_status(error.status_code, {})


def _of_status(status: int, headers: dict[str, str]) -> Problem:
    code = _BY_STATUS.get(status) or ("malformed_request" if 400 <= status < 500 else "internal_error")
    kept = {name: value for name, value in headers.items() if name.lower() in {"allow", "retry-after", "content-range"}}
    return Problem(code, headers=kept)


def problem_for(error: Exception) -> Problem | None:
    """The problem that an exception means to the caller; None for one that nobody foresaw."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPError):
        return _of_framework(error)
    if isinstance(error, HTTPException):
        headers = {"Allow": ", ".join(sorted(error.valid_methods or ()))} if isinstance(error, MethodNotAllowed) else {}
        return _of_status(error.code or 500, headers)
    if isinstance(error, TenantRefused):
        return Problem("not_found", CATALOGUE["not_found"].meaning)
    if isinstance(error, DatabaseError):
        return Problem(
            "temporarily_unavailable",
            CATALOGUE["temporarily_unavailable"].meaning,
            headers={"Retry-After": "2"},
        )
    if isinstance(error, DialtraceError):
        return problem_of(error)
    return None


def told(error: Exception, request_id: str) -> Problem:
    """What the caller is told of any exception; what is our own fault goes into the log."""
    problem = problem_for(error)
    if problem is None:
        log.error("request failed", request_id=request_id, exc_info=error)
        problem = Problem("internal_error")
    elif CATALOGUE[problem.code].status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request refused", request_id=request_id, code=problem.code, reason=type(error).__name__)
    return problem


def _handle(error: Exception) -> Response:
    return answer(told(error, g.request_id))


def install(app: APIFlask) -> None:
    """Every error of the application ends as a problem document."""
    # APIFlask registers handlers for these two itself; ours replace them.
    app.register_error_handler(HTTPError, _handle)
    app.register_error_handler(HTTPException, _handle)
    app.register_error_handler(Exception, _handle)
