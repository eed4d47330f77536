"""Completes the OpenAPI 3.1 document that APIFlask makes from the declarations: problems, headers, examples, the key.

Works on plain dicts, so that it can be tested without an application.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..calls.flows import flow_schema, hours_schema
from .catalogue import CATALOGUE
from .examples import example_of
from .flows import EXAMPLE_DOCUMENT
from .problems import MEDIA_TYPE
from .schedules import EXAMPLE_HOURS
from .session_cookies import COOKIE

Document = dict[str, Any]

TITLE = "Dialtrace API"
VERSION = "1.0.0"
DESCRIPTION = """\
Provision agencies, clients, numbers, flows and targets, and read call records and recordings.

**Keys.** Send `Authorization: Bearer <key>`. A key acts for the operator, for one agency, or for one client; whatever
it may not see is answered as not there (404). `scopes` narrow what it may do, `networks` from where; rotate it without
a gap. People sign in (`POST /v1/sessions`) and come by a cookie; partners may change a key for access tokens (OAuth 2).

**Times** are RFC 3339 in UTC, lengths are milliseconds, telephone numbers are E.164, identifiers are UUIDs. Amounts of
money are decimal strings beside their currency. Within `/v1` members are only ever added: ignore those that you do not
know.

**Lists** answer `data`, `next_cursor` and `has_more`. Ask again with `cursor` until `next_cursor` is null, and leave
the filters as they are meanwhile. `GET /v1/events` is a log instead: its `next_cursor` is always there and never ends.

**Repeating safely.** Send an `Idempotency-Key` with every POST: the same key with the same request is answered the
same way for 72 hours, marked `Idempotent-Replayed: true`, and done once.

**Changing safely.** PATCH is a JSON merge patch (RFC 7396): what is left out stays. It needs `If-Match` with the `ETag`
of what was read, so that nobody's change is lost; PUT and DELETE take it too. A write is done whole or not at all.

**Answering less.** `fields=id,name` leaves of an answer, or of each item of a list, these members only.

**Quotas.** `RateLimit-Policy` says how many requests a key and its agency may send in a minute, `RateLimit` how many
are left and in how many seconds they count anew. Beyond them requests are refused with 429 and `Retry-After`.

**What goes.** An endpoint that will go says so for a year before: `Deprecation`, `Sunset`, and a `Link` to what takes
its place.

**Errors** are problem documents (RFC 9457). Decide by `code`, never by a text. `errors` lists every fault of a body by
its JSON pointer. Quote `request_id` when you ask for help.
"""
TAGS = [
    {"name": "Agencies", "description": "The operator's customers."},
    {"name": "Clients", "description": "Whom an agency works for. A client owns numbers, flows, targets and calls."},
    {"name": "Targets", "description": "Places that a flow rings."},
    {"name": "Flows", "description": "What happens to a call to a number, step by step."},
    {"name": "Prompts", "description": "Sounds of an agency's own that flows play."},
    {"name": "Numbers", "description": "Telephone numbers that callers dial."},
    {"name": "Sites", "description": "Web sites, what their snippet shows to whom, and where visits come from."},
    {"name": "Pools", "description": "Sets of dynamic numbers that visits are given in turn."},
    {"name": "Pages", "description": "What pages ask through the snippet. No key: the token says which site."},
    {"name": "Calls", "description": "Call records (CDRs), their legs and recordings."},
    {"name": "Attribution", "description": "Where calls came from, with probabilities; models side by side."},
    {"name": "Reports", "description": "Figures by one dictionary of metrics; what advertising cost; who was missed."},
    {"name": "Billing", "description": "Prices, accounts, movements of money, usage and statements."},
    {"name": "Exports", "description": "Calls, events and the audit log as files, once or by schedule."},
    {"name": "Events", "description": "What happened, as one log for each agency, read or sent by webhooks."},
    {"name": "Recordings", "description": "Where recordings are kept, and under which keys."},
    {"name": "Privacy", "description": "How long what is kept, legal holds, requests of persons, receipts."},
    {"name": "Webhooks", "description": "Addresses of yours that are told what happens (Standard Webhooks)."},
    {"name": "Integrations", "description": "Other systems that are told of calls: CRM, analytics, notices."},
    {"name": "Limits", "description": "How many calls, from whom, and where to."},
    {"name": "Trunks", "description": "Who carries calls to telephone numbers. The operator's."},
    {"name": "Bulk", "description": "Many writes in one request."},
    {"name": "Carriers", "description": "Who has telephone numbers for the platform. The operator's."},
    {"name": "Keys", "description": "API keys, and what can be allowed."},
    {"name": "People", "description": "Who signs in: users and roles."},
    {"name": "Sessions", "description": "Signing in, by a person or by OAuth 2, and what one does about oneself."},
    {"name": "Archive", "description": "Months of records that have gone to the object store."},
    {"name": "Audit", "description": "Who did what, when and from where. Entries are added and never changed."},
    {"name": "Nodes", "description": "The operator's switches: how they are, and taking them out of service."},
    {"name": "Operation", "description": "For those who run the platform; not to be passed on to the public."},
]
SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`dt_…`, shown once when it is made), or an access token for one (`da_…`).",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Somebody who is signed in. What changes something carries `X-CSRF-Token` as well.",
    },
}

_IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}, "example": '"v7"',
    "description": "The `ETag` of what was read.",
}  # fmt: skip
_IF_MATCH_MAY = {**_IF_MATCH, "required": False}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "maxLength": 257}, "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
    "description": "Makes it safe to send the request again for 72 hours. Quoted or not.",
}  # fmt: skip
_IF_NONE_MATCH = {
    "name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}, "example": '"v7"',
    "description": "The `ETag` of what you have: 304 when that is what there is.",
}  # fmt: skip
_RANGE = {
    "name": "Range", "in": "header", "required": False, "schema": {"type": "string"}, "example": "bytes=0-65535",
    "description": "One range of bytes.",
}  # fmt: skip
_REQUEST_ID = {
    "description": "The request's id: `X-Request-Id` as it was sent, or one that was made.",
    "schema": {"type": "string"},
}
_RATE_LIMIT: Document = {
    "RateLimit-Policy": {
        "description": "The quotas: requests (`q`) in so many seconds (`w`).",
        "schema": {"type": "string", "examples": ['"key";q=6000;w=60, "tenant";q=30000;w=60']},
    },
    "RateLimit": {
        "description": "How many are left (`r`), and in how many seconds they count anew (`t`).",
        "schema": {"type": "string", "examples": ['"key";r=5999;t=42, "tenant";r=29875;t=42']},
    },
}
_ETAG = {"description": "What it is now: for `If-Match` and `If-None-Match`.", "schema": {"type": "string"}}
_PROBLEM_SCHEMA: Document = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: decide by it.", "examples": ["validation_failed"]},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body.", "examples": ["#/name"]},
                    "parameter": {"type": "string", "description": "The culprit in the query."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def complete(document: Document | str) -> Document:
    """The document as it is served."""
    assert isinstance(document, dict), "the document is made as JSON"
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    # The room of calls owns this document's rules; its schema travels as it is.
    flow = flow_schema("#/components/schemas/{model}")
    parts = flow.pop("$defs")
    assert not parts.keys() & schemas.keys(), "two schemas of one name"
    schemas |= parts
    flow |= {"description": "A flow: `FlowDocument`, or `OldFlowDocument`.", "examples": [EXAMPLE_DOCUMENT]}
    hours = {**hours_schema("#/components/schemas/{model}"), "examples": [EXAMPLE_HOURS]}
    schemas |= {"AnyFlowDocument": flow, "OpenHours": hours, "Problem": _PROBLEM_SCHEMA}
    completed: Document = _with_references(_with_plain_names(document))
    for path, operations in completed["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation)
            _add_examples(operation, completed["components"]["schemas"])
    completed["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    return completed


def _with_plain_names(document: Document) -> Document:
    """`Parent.Child` → `Child`: APIFlask names a nested schema once for each parent. Ours have one name each."""
    nested = {name: name.rsplit(".", 1)[1] for name in document["components"]["schemas"] if "." in name}
    text = json.dumps(document)
    for long, short in nested.items():
        text = text.replace(f'"#/components/schemas/{long}"', f'"#/components/schemas/{short}"')
    renamed: Document = json.loads(text)
    schemas = renamed["components"]["schemas"]
    for long, short in nested.items():
        schema = schemas.pop(long)
        assert schemas.setdefault(short, schema) == schema, f"two schemas are called {short}"
    return renamed


def _with_references(value: Any) -> Any:
    """Puts a reference where a model says `x-schema`."""
    if isinstance(value, list):
        return [_with_references(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "x-schema" in value:
        return {"$ref": f"#/components/schemas/{value['x-schema']}"}
    return {name: _with_references(one) for name, one in value.items()}


def _complete_operation(path: str, method: str, operation: Document) -> None:
    parameters = operation.setdefault("parameters", [])
    _describe_path_ids(parameters)
    _lift_descriptions(parameters)
    if said := operation.pop("x-body", None):
        operation["requestBody"] = {"content": said}
    if method == "post" and operation.get("security"):
        parameters.append(_IDEMPOTENCY_KEY)
    if method in {"put", "delete"}:
        parameters.append(_IF_MATCH_MAY)
    if method == "patch":
        parameters.append(_IF_MATCH)
        content = operation["requestBody"]["content"]
        content["application/merge-patch+json"] = content["application/json"]
    if method == "get" and operation.get("security") and not any(one["name"] == "cursor" for one in parameters):
        parameters.append(_IF_NONE_MATCH)
        operation["responses"]["304"] = {"description": "What you have is what there is."}
    ranges = operation.pop("x-ranges", False)
    if ranges:
        parameters.append(_RANGE)
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    if not parameters:
        del operation["parameters"]
    for code in operation.pop("x-problems", ()):
        _add_problem(operation, code)
    operation["responses"] = dict(sorted(operation["responses"].items()))
    if told := operation.pop("x-deprecated", None):
        operation["description"] = f"{told}\n\n{operation.get('description', '')}".strip()
    for status, response in operation["responses"].items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = _REQUEST_ID
        if operation.get("security"):
            headers |= _RATE_LIMIT
        if method in {"get", "put", "patch"} and status in {"200", "206", "304"}:
            headers["ETag"] = _ETAG


def _add_examples(operation: Document, schemas: Document) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if status < "300" and content and "example" not in content:
            content["example"] = example_of(content["schema"], schemas)


def _describe_path_ids(parameters: list[Document]) -> None:
    for parameter in parameters:
        if parameter["in"] == "path":
            is_id = parameter["name"].endswith("_id")
            parameter["schema"] = {"type": "string"} | ({"format": "uuid"} if is_id else {})
            parameter.setdefault("description", "Its id." if is_id else "Its name.")


def _lift_descriptions(parameters: list[Document]) -> None:
    """A parameter's description belongs beside its schema, and an absent one needs no null."""
    for parameter in parameters:
        schema = parameter["schema"]
        choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        if len(choices) == 1:
            del schema["anyOf"]
            schema.update({**choices[0], **({"description": schema["description"]} if "description" in schema else {})})
            if schema.get("default", 0) is None:
                del schema["default"]
        if "description" in schema:
            parameter["description"] = schema.pop("description")
        schema.pop("title", None)


def _add_problem(operation: Document, code: str) -> None:
    """Problems of one status share a response; each code is an example in it."""
    kind = CATALOGUE[code]
    response = operation["responses"].setdefault(str(kind.status), {})
    content = response.setdefault("content", {}).setdefault(
        MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}}
    )
    content.setdefault("examples", {})[code] = {"summary": kind.title, "value": _example_problem(code)}
    told = response.get("description")
    line = f"`{code}`: {kind.meaning}"
    response["description"] = f"{told}\n{line}" if told else line


def _example_problem(code: str) -> Document:
    kind = CATALOGUE[code]
    example: Document = {
        "type": f"/v1/reference#problem-{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": re.sub(r"`", "", kind.meaning),
        "instance": "/v1/requests/0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47",
        "request_id": "0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47",
    }
    if code == "validation_failed":
        example["errors"] = [{"pointer": "#/name", "code": "required", "detail": "Field required"}]
    if code.startswith("recording_absent"):
        example["reason"] = "not_answered"
    return example
