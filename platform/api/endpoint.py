"""One way to declare an endpoint, so that none can forget its roles, its strict input or its idempotency.

The order of a request: key and role (401, 403), media type and JSON (400, 413, 415), shape (422), tenant (404),
idempotency, and only then the resource. Declarations become the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, current_app, request
from pydantic import BaseModel

from ..db.floor import confined
from ..tenancy.model import Principal
from .access import permissions_of
from .auditing import actor_text, note_deed
from .auth import Asked, authenticate, floor_of, need_factor, need_permissions, need_role, tenant_of
from .catalogue import CATALOGUE
from .deprecation import Deprecated
from .errors import Fault
from .fields import AgencyId, Answer, Body
from .gate import check_query, read_body
from .idempotency import once
from .paging import ListQuery
from .preconditions import is_known
from .problems import MEDIA_TYPE as PROBLEM_TYPE
from .problems import validation_problem
from .quotas import QUOTAS
from .rooms import ApiServices
from .sparse import Fields, item_of, keep_only, members_of, wanted_in
from .writing import READERS, Reader, change, tag_in

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)

#: Where create_app puts the services.
EXTENSION = "dialtrace"
#: Where a row of a bulk finds the agency that the whole of it acts for. No header gets in there.
WHOLE_REQUESTS = "dialtrace.agency_id"
#: Problems of whatever takes a body, and of everything.
_BODY_PROBLEMS = ("malformed_request", "body_too_large", "unsupported_media_type", "validation_failed")
_ALWAYS_PROBLEMS = ("internal_error", "temporarily_unavailable")
#: Answers that have no body; 202 has one where an endpoint with a key says so.
BODILESS = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class TenantQuery(Body):
    """What every endpoint for one thing understands."""

    agency_id: AgencyId
    fields: Fields


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A declaration. ``roles``: who reaches it; ``permission``: what they need (`access` says it where this does not);
    ``permissions``: that, worked out. ``problems``: codes beyond those that every such endpoint has. ``secrets``:
    members of the answer that are shown once. ``answer`` None: the handler makes the response itself, in one of
    ``media_types``; JSON is of ``shape``; ``ranges``: a part of it may be asked for.
    ``whole`` False: it asks another system, or must be quick, so what it writes is not one transaction. ``read_at``:
    the address whose GET tells what a write changes; empty: its own."""

    method: str
    path: str
    roles: Collection[str]
    permission: str | tuple[str, ...] | None = None
    permissions: tuple[str, ...] = ()
    answer: type[Answer] | None = None
    body: type[Body] | None = None
    query: type[Body] = TenantQuery
    status: int = 200
    problems: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    #: What the audit log calls it, where no row of a table tells of it.
    deed: str | None = None
    #: A POST that only reads.
    keeps_nothing: bool = False
    media_types: tuple[str, ...] = ("application/json",)
    shape: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    ranges: bool = False
    whole: bool = True
    read_at: str = ""
    deprecated: Deprecated | None = None

    @property
    def is_list(self) -> bool:
        """Whether it answers page by page."""
        return issubclass(self.query, ListQuery)


def services() -> ApiServices:
    """The services of the application that answers the current request."""
    found: ApiServices = current_app.extensions[EXTENSION]
    return found


def endpoint(blueprint: APIBlueprint, method: str, path: str, **declared: Any) -> Callable[[H], H]:
    """Registers a handler, which gets an `Asked`, the path's values, and ``query`` and ``body`` where declared."""
    needed = permissions_of(blueprint.name, method, declared.get("permission"))
    made = Endpoint(method=method, path=path, permissions=needed, **declared)
    made = replace(made, read_at=made.read_at or path)

    def register(handler: H) -> H:
        if made.method == "GET":
            READERS[path] = Reader(made.answer, handler, made.query if made.query is not TenantQuery else None)
        view: Handler = _answered(blueprint, made, handler)
        view = _within_tenant(made, view)
        if made.body is not None:
            view = blueprint.input(made.body, arg_name="body", example=_example_of(made.body))(view)
        view = blueprint.input(made.query, location="query", arg_name="query")(view)
        view = _guarded(made, view)
        view = blueprint.doc(
            tags=[str(blueprint.tag)],
            operation_id=handler.__name__,
            security=["key", "session"],
            deprecated=True if made.deprecated is not None else None,
            responses=_bare_response(made) if made.answer is None else None,
            extensions=_extensions_of(made),
        )(view)
        _declare(view, made)
        blueprint.route(path, methods=[method])(view)
        return handler

    return register


def _extensions_of(made: Endpoint) -> dict[str, Any]:
    """What `openapi.complete` makes parameters, responses and words of."""
    told: dict[str, Any] = {
        "x-roles": list(made.roles),
        "x-permissions": list(made.permissions),
        "x-problems": _problems_of(made),
        "x-ranges": made.ranges,
    }
    if made.deprecated is not None:
        told["x-deprecated"] = made.deprecated.sentence()
    return told


def _example_of(model: type[BaseModel]) -> Any:
    extra = model.model_config.get("json_schema_extra")
    return extra.get("example") if isinstance(extra, dict) else None


def _bare_response(made: Endpoint) -> dict[int, Any]:
    """What an endpoint answers whose handler makes the response itself."""
    if made.status == 204:
        return {204: {"description": "Done."}}
    content = {one: {"schema": dict(made.shape)} for one in made.media_types}
    if not made.ranges:
        return {made.status: {"description": "OK", "content": content}}
    return {
        200: {"description": "The whole of it.", "content": content},
        206: {"description": "The range that was asked for.", "content": content},
    }


def _problems_of(made: Endpoint) -> list[str]:
    found = ["credential_missing", "credential_invalid", "role_insufficient", "permission_missing"]
    found.append("second_factor_required")
    found += ["address_not_allowed", "address_too_long", "not_found", "validation_failed"]
    found.append("too_many_requests")
    if made.body is not None:
        found += _BODY_PROBLEMS
    if made.method == "POST":
        found += [code for code in CATALOGUE if code.startswith("idempotency_")]
    if made.method in {"PUT", "PATCH", "DELETE"}:
        found.append("version_mismatch")
    if made.method == "PATCH":
        found.append("version_required")
    if made.is_list:
        found.append("cursor_invalid")
    return [*dict.fromkeys([*found, *made.problems, *_ALWAYS_PROBLEMS])]


def _guarded(made: Endpoint, view: Handler) -> Handler:
    """Key, role, and a request that can be read: before anything looks at what it says."""

    @wraps(view)
    def guarded(**values: Any) -> Any:
        principal = authenticate(services(), request)
        current_app.extensions[QUOTAS].spend(principal.agency_id, principal.key_id)
        need_factor(principal, made.path)
        need_role(principal, made.roles)
        need_permissions(principal, made.permissions)
        check_query(request)
        if made.body is not None:
            read_body(request)
        return view(principal=principal, **values)

    return guarded


def _within_tenant(made: Endpoint, view: Handler) -> Handler:
    """The tenant, the floor under it, and idempotency of what creates."""

    @wraps(view)
    def within(*, principal: Principal, query: Body, body: Body | None = None, **values: Any) -> Any:
        named = _named("agency_id", values.get("agency_id"), query, body)
        agency_id = named or request.environ.get(WHOLE_REQUESTS)
        asked = tenant_of(services(), principal, agency_id, _named("client_id", None, query, body))
        given = values | ({"body": body} if made.body is not None else {})

        def act() -> Response:
            response = current_app.make_response(view(asked=asked, query=query, **given))
            if made.deed is not None and response.status_code < HTTPStatus.BAD_REQUEST:
                note_deed(asked, made.deed, values)
            return response

        with confined(floor_of(principal), actor_text(asked)):
            if made.method == "GET":
                response = act()
            elif made.method == "POST":
                response = once(asked, request, act, secrets=made.secrets, whole=made.whole)
            else:
                response = change(asked, request, made.read_at, values, act, whole=made.whole)
            if made.deprecated is not None:
                response.headers.extend(made.deprecated.headers())
            return _confined_stream(response)

    return within


def _confined_stream(response: Response) -> Response:
    """A body that is read while it is sent reads on the same floor."""
    if not response.is_sequence:
        chunks = iter(response.response)
        if hasattr(chunks, "close"):
            response.call_on_close(chunks.close)
        response.response = _chunks_within(copy_context(), chunks)
    return response


def _chunks_within(context: Context, chunks: Iterator[Any]) -> Iterator[Any]:
    while (chunk := context.run(next, chunks, None)) is not None:
        yield chunk


def _named(name: str, in_path: UUID | None, query: Body, body: Body | None) -> UUID | None:
    """The id that a request names, wherever it does. Raises Problem (422) when it names two."""
    found = {in_path, getattr(query, name, None), getattr(body, name, None)} - {None}
    if len(found) > 1:
        detail = "contradicts the path or the body"
        raise validation_problem([Fault(code="contradiction", detail=detail, parameter=name)])
    return found.pop() if found else None


def _answered(blueprint: APIBlueprint, made: Endpoint, handler: Handler) -> Handler:
    """The handler's value as a response, with its entity tag; a GET that the asker has already becomes 304."""

    def plain(*, asked: Asked, query: Body, **values: Any) -> Any:
        given = values | ({"query": query} if made.query is not TenantQuery else {})
        value = handler(asked, **given)
        return value if made.is_list or made.answer is None else _tagged(made, value)

    wrapped = wraps(handler)(plain)
    if made.answer is None:
        return wrapped
    shown = blueprint.output(made.answer, status_code=made.status)(wrapped)
    members, is_list = members_of(made.answer), item_of(made.answer) is not None

    @wraps(shown)
    def conditional(*, query: Body, **values: Any) -> Response:
        fields = getattr(query, "fields", None) if made.method == "GET" else None
        names = wanted_in(fields, members) if fields is not None else None
        response = current_app.make_response(shown(query=query, **values))
        tag = response.headers.get("ETag")
        if made.method == "GET" and tag and is_known(request.headers, tag):
            response.status_code = 304
            response.set_data(b"")
        elif names is not None and response.mimetype == "application/json":
            keep_only(response, names, is_list=is_list)
        return response

    return conditional


def _tagged(made: Endpoint, value: Any) -> Any:
    """The value with the tag of its content, unless the handler has given one (of its version). What a write answers
    has one where it is what a GET of the same address answers."""
    reader = READERS.get(made.path)
    if reader is None or reader.answer is not made.answer or isinstance(value, Response):
        return value
    tag = tag_in(value)
    answered, status, headers = _parts_of(made, value)
    return (answered, status, {"ETag": tag, **headers}) if tag is not None else value


def _parts_of(made: Endpoint, value: Any) -> tuple[Any, int, dict[str, str]]:
    """What a handler has given, its status and its headers."""
    if not isinstance(value, tuple):
        return value, made.status, {}
    return value[0], value[1] if len(value) > 1 else made.status, value[2] if len(value) > 2 else {}


def public(
    blueprint: APIBlueprint,
    path: str,
    *,
    summary: str,
    answers: Mapping[int, str],
    media_types: tuple[str, ...] = ("application/json",),
    method: str = "GET",
    body: type[Body] | None = None,
    says: type[BaseModel] | None = None,
    said_as: Collection[str] = ("application/json", "text/plain"),
    example: Any = None,
    refusals: str = PROBLEM_TYPE,
) -> Callable[[H], H]:
    """Registers what needs no key; a ``body`` is as strict as any. Nothing behind it may be a tenant's, unless the
    address itself proves that its holder was let in. ``says``: what its handler reads by itself, in the media types
    ``said_as``, with an ``example``. ``refusals``: the media type of what it answers where it refuses.
    """

    def register(handler: H) -> H:
        responses: dict[int | str, Any] = {
            status: _public_response(status, text, media_types, refusals) for status, text in answers.items()
        }

        @wraps(handler)
        def plain(**values: Any) -> Any:
            return handler(**values)

        view: Handler = plain
        if body is not None:
            view = _read_first(blueprint.input(body, arg_name="body", example=_example_of(body))(view))
        told: dict[str, Any] = {"x-problems": [*(_BODY_PROBLEMS if body is not None else ()), *_ALWAYS_PROBLEMS]}
        if says is not None:
            told["x-body"] = {one: {"schema": says.model_json_schema(), "example": example} for one in said_as}
        shown = blueprint.doc(
            summary=summary,
            tags=[str(blueprint.tag)],
            operation_id=handler.__name__,
            responses=responses,
            extensions=told,
        )(view)
        _declare(shown, PUBLIC)
        blueprint.route(path, methods=[method])(shown)
        return handler

    return register


def _public_response(status: int, text: str, media_types: tuple[str, ...], refusals: str) -> dict[str, Any]:
    if status in BODILESS:
        return {"description": text}
    if status < HTTPStatus.BAD_REQUEST:
        return {"description": text, "content": _content_of(media_types)}
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        "description": text,
        "content": {refusals: problem} if refusals == PROBLEM_TYPE else _content_of((refusals,)),
    }


def _content_of(media_types: tuple[str, ...]) -> dict[str, Any]:
    return {one: {"schema": {"type": "object" if one == "application/json" else "string"}} for one in media_types}


def _read_first(view: Handler) -> Handler:
    @wraps(view)
    def reading(**values: Any) -> Any:
        read_body(request)
        return view(**values)

    return reading


#: Marks a view that needs no key.
PUBLIC = "public"


def _declare(view: Any, made: Endpoint | str) -> None:
    """Leaves the declaration on the view, where `app.check_declared` and the tests of isolation look for it."""
    view.declaration = made
