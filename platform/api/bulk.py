"""`/v1/bulk`: up to a thousand writes in one request and one transaction, tried out first where that is asked.

A row is a request like any other: the same key, rules, checks and answers, by the same code. So whatever can be written
alone can be written here, and no row may do what its key may not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Flask, Response, current_app, g, request
from pydantic import ConfigDict, Field
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from ..db.floor import confined
from .auth import EVERYBODY, Asked
from .endpoint import WHOLE_REQUESTS, Endpoint, endpoint
from .errors import Fault, Problem
from .fields import EXAMPLE_ID, Answer, Body
from .problems import document_of, validation_problem

blueprint = APIBlueprint("bulk", __name__, tag="Bulk")

MOST_ROWS = 1000
_REFERENCE = re.compile(r"\$(\d{1,3})\.([a-z_]{1,40})")
#: Of the request's own, what no row inherits.
_OWN_HEADERS = ("Content-Length", "Content-Type", "Transfer-Encoding", "Idempotency-Key", "If-Match", "If-None-Match",
                "X-Request-Id", "Range")  # fmt: skip


class RowBody(Body):
    """One write."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2000,
            pattern=r"^/v1/",
            description="Its address. A segment `$0.id` stands for what row 0 has answered as `id`.",
            examples=["/v1/targets"],
        ),
    ]
    body: Annotated[
        dict[str, Any] | None,
        Field(default=None, description="Its body; a text `$0.id` stands for what row 0 has answered as `id`."),
    ]
    if_match: Annotated[
        str | None,
        Field(
            default=None,
            max_length=1000,
            # A header's value: no line break, nothing beyond ASCII.
            pattern=r"^[\x20-\x7e]*$",
            description="Its `If-Match`.",
            examples=['"v1"'],
        ),
    ]


class BulkBody(Body):
    """Writes, in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "dry_run": True,
                "rows": [
                    {
                        "method": "POST",
                        "path": "/v1/targets",
                        "body": {"client_id": EXAMPLE_ID, "name": "Desk", "address": "sip:desk@pbx.example.com"},
                    },
                    {
                        "method": "POST",
                        "path": "/v1/flows",
                        "body": {
                            "client_id": EXAMPLE_ID,
                            "name": "Rings the desk",
                            "document": {"version": 1, "steps": [{"type": "ring", "targets": ["$0.id"]}]},
                        },
                    },
                ],
            }
        }
    )

    agency_id: Annotated[
        UUID | None,
        Field(
            default=None,
            description="Only the operator needs it: the agency that rows act for which name none themselves.",
            examples=[EXAMPLE_ID],
        ),
    ]
    dry_run: Annotated[
        bool, Field(default=False, description="Do it all, answer what came of it, and undo it: ids do not last.")
    ]
    all_or_nothing: Annotated[
        bool, Field(default=False, description="Undo it all when one row is refused; else the other rows stay.")
    ]
    rows: Annotated[list[RowBody], Field(min_length=1, max_length=MOST_ROWS)]


class RowResult(Answer):
    """What one row would have been answered alone."""

    row: Annotated[int, Field(description="Which one, from 0.", examples=[0])]
    status: Annotated[int, Field(description="As of HTTP.", examples=[201])]
    etag: Annotated[str | None, Field(examples=['"v1"'])]
    location: Annotated[str | None, Field(examples=["/v1/targets/" + EXAMPLE_ID])]
    body: Annotated[
        dict[str, Any] | None, Field(description="The answer, or the problem.", examples=[{"id": EXAMPLE_ID}])
    ]


class BulkAnswer(Answer):
    """What came of each row."""

    is_applied: Annotated[bool, Field(description="False: a dry run, or undone because a row was refused.")]
    accepted: Annotated[int, Field(description="Rows with a status below 400.", examples=[2])]
    refused: Annotated[int, Field(examples=[0])]
    results: list[RowResult]


class _Undone(Exception):
    """Rolls back what was done since the last savepoint."""


@endpoint(
    blueprint, "POST", "/v1/bulk", roles=EVERYBODY, permission=(), deed="bulk.written", body=BulkBody, answer=BulkAnswer
)
def write_bulk(asked: Asked, body: BulkBody) -> BulkAnswer:
    """Write many things at once

    Up to 1,000 rows, each a POST, PUT, PATCH or DELETE of this API with its own answer. They are done in their order
    and in one transaction: nobody sees half of them, and with an `Idempotency-Key` all of them are done once. Rows
    whose answer holds a secret, or that ask another system, must be sent alone. Each row counts as a request.
    """
    results: list[RowResult] = []
    try:
        with asked.services.database.whole():
            for index, row in enumerate(body.rows):
                results.append(_result(asked, index, row, results))
            refused = sum(result.status >= 400 for result in results)
            if body.dry_run or (body.all_or_nothing and refused):
                raise _Undone
        is_applied = True
    except _Undone:
        is_applied = False
    return BulkAnswer(is_applied=is_applied, accepted=len(results) - refused, refused=refused, results=results)


def _result(asked: Asked, index: int, row: RowBody, before: Sequence[RowResult]) -> RowResult:
    try:
        path = _with_references(row.path, before, index, "path")
        body = _with_references(row.body, before, index, "body")
        _check_allowed(row.method, path, index)
    except Problem as problem:
        document = document_of(problem, g.request_id)
        return RowResult(row=index, status=_status(document), etag=None, location=None, body=document)
    response = _answered(asked, index, row, path, body)
    told: dict[str, Any] | None = json.loads(response.get_data()) if response.get_data() else None
    headers = response.headers
    return RowResult(
        row=index, status=response.status_code, etag=headers.get("ETag"), location=headers.get("Location"), body=told
    )


def _status(document: dict[str, object]) -> int:
    status = document["status"]
    assert isinstance(status, int), "a problem has a status"
    return status


def _with_references(value: Any, before: Sequence[RowResult], index: int, place: str) -> Any:
    """The value with what earlier rows have answered put in. Raises Problem (422)."""
    if isinstance(value, dict):
        return {name: _with_references(one, before, index, f"{place}/{name}") for name, one in value.items()}
    if isinstance(value, list):
        return [_with_references(one, before, index, f"{place}/{at}") for at, one in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value
    if place == "path":
        return "/".join(_referred(segment, before, index, place) for segment in value.split("/"))
    return _referred(value, before, index, place)


def _referred(text: str, before: Sequence[RowResult], index: int, place: str) -> Any:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return text
    result = before[int(match[1])] if int(match[1]) < len(before) else None
    if result is None or result.status >= 400 or match[2] not in (result.body or {}):
        detail = f"row {match[1]} has not answered any {match[2]!r}"
        raise validation_problem([Fault(code="reference_unknown", detail=detail, pointer=f"#/rows/{index}/{place}")])
    found = (result.body or {})[match[2]]
    return str(found) if place == "path" else found


def _check_allowed(method: str, path: str, index: int) -> None:
    """Whether the row is for an endpoint that can be undone. Raises Problem (422); what is not there is told by the
    answer itself."""
    adapter = current_app.url_map.bind("")
    try:
        name, _ = adapter.match(path.partition("?")[0], method=method)
    except HTTPException:
        return
    declared = getattr(current_app.view_functions[name], "declaration", None)
    if not isinstance(declared, Endpoint) or not declared.whole or declared.secrets or declared.path == "/v1/bulk":
        raise validation_problem(
            [Fault(code="not_in_bulk", detail="must be sent alone", pointer=f"#/rows/{index}/path")]
        )


def _answered(asked: Asked, index: int, row: RowBody, path: str, body: Any) -> Response:
    """The row's own answer; what a refused one had begun is undone."""
    headers = Headers([(name, value) for name, value in request.headers if name not in _OWN_HEADERS])
    headers["X-Request-Id"] = f"{g.request_id}.{index}"
    if row.if_match is not None:
        headers["If-Match"] = row.if_match
    standing = {"REMOTE_ADDR": request.remote_addr, WHOLE_REQUESTS: asked.agency_id}
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    response = Response(status=500)
    try:
        with (
            asked.services.database.whole(),
            # The row lays a floor of its own, once it is known who asks.
            confined(None),
            # A context of its own: what the request keeps in `g` is not the row's.
            app.app_context(),
            app.test_request_context(path, method=row.method, headers=headers, json=body, environ_base=standing),
        ):
            response = app.full_dispatch_request()
            if response.status_code >= 400:
                raise _Undone
    except _Undone:
        pass
    return response
