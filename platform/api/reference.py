"""`/v1/openapi.json`, and `/v1/reference`: the same document as one page to read, which needs no other file.

The page is rendered from the OpenAPI document alone, so it cannot say anything else. No script; its only style is its
own, named by its hash in the Content-Security-Policy.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import Response, current_app, request
from jinja2 import Environment
from markupsafe import Markup, escape

from .catalogue import CATALOGUE
from .curl import FORM, curl_of
from .endpoint import public
from .examples import resolve
from .preconditions import is_known

blueprint = APIBlueprint("reference", __name__, tag="Operation")

Document = dict[str, Any]
_CACHE = "dialtrace.reference"


@dataclass(frozen=True)
class Field:
    """One line of a table: a parameter, or a member of a body."""

    name: str
    kind: str
    required: bool
    description: str
    place: str = ""


@dataclass(frozen=True)
class Entry:
    """One endpoint as the page shows it."""

    anchor: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    roles: str
    parameters: list[Field]
    members: list[Field]
    request_example: str
    answers: list[tuple[str, str, str]]
    problems: list[tuple[str, str]]
    curl: str


@dataclass(frozen=True)
class Rendered:
    """The documents as they are sent; they do not change while the process lives."""

    openapi: bytes
    page: bytes
    policy: str


def entries_of(document: Document) -> Iterator[Entry]:
    """Every endpoint of an OpenAPI document, in its order."""
    components = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            contents = operation.get("requestBody", {}).get("content", {})
            content = contents.get("application/json") or contents.get(FORM, {})
            example = content.get("example")
            yield Entry(
                anchor=operation["operationId"],
                tag=operation["tags"][0],
                method=method.upper(),
                path=path,
                summary=operation["summary"],
                description=operation.get("description", ""),
                roles=", ".join(operation.get("x-roles", [])) or "no key needed",
                parameters=[_parameter(one, components) for one in operation.get("parameters", [])],
                members=list(_members(content.get("schema", {}), components)),
                request_example=_pretty(example) if example is not None else "",
                answers=list(_answers(operation)),
                problems=list(_problems(operation)),
                curl=curl_of(method.upper(), path, operation, example),
            )


def _parameter(parameter: Document, components: Document) -> Field:
    return Field(
        name=parameter["name"],
        kind=kind_of(parameter["schema"], components),
        required=bool(parameter.get("required")),
        description=parameter.get("description", ""),
        place=parameter["in"],
    )


def _members(schema: Document, components: Document, prefix: str = "") -> Iterator[Field]:
    found = resolve(schema, components)
    for name, member in found.get("properties", {}).items():
        description = member.get("description") or (resolve(member, components).get("description", ""))
        yield Field(prefix + name, kind_of(member, components), name in found.get("required", ()), description)


def kind_of(schema: Document, components: Document) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(kind_of(one, components) for one in choices))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return "list of " + kind_of(schema["items"], components)
    kind = str(schema.get("format") or schema.get("type", "anything"))
    low, high = schema.get("minimum"), schema.get("maximum")
    span = f" {low} to {high}" if low is not None and high is not None else ""
    default = f", default {json.dumps(schema['default'])}" if schema.get("default") is not None else ""
    return kind + span + default


def _answers(operation: Document) -> Iterator[tuple[str, str, str]]:
    for status, response in operation["responses"].items():
        if status < "400":
            content = response.get("content", {}).get("application/json", {})
            yield status, response["description"], _pretty(content["example"]) if "example" in content else ""


def _problems(operation: Document) -> Iterator[tuple[str, str]]:
    for status, response in operation["responses"].items():
        examples = response.get("content", {}).get("application/problem+json", {}).get("examples", {})
        for code in examples:
            yield status, code


def _example(schema: Document) -> str:
    """The schema's own example, where it gives one."""
    return _pretty(schema["examples"][0]) if schema.get("examples") else ""


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def prose(text: str) -> Markup:
    """Paragraphs, `code` and **weight**: as much Markdown as our own descriptions use."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        safe = str(escape(paragraph.replace("\n", " ")))
        safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
        safe = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe)
        paragraphs.append(f"<p>{safe}</p>")
    # Escaped above, before our own tags were put in.
    return Markup("".join(paragraphs))  # noqa: S704


def render(document: Document) -> Rendered:
    """The page for a document."""
    folder = files("dialtrace.api") / "templates"
    style = (folder / "reference.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["prose"] = prose
    entries = list(entries_of(document))
    groups = [(tag, [entry for entry in entries if entry.tag == tag["name"]]) for tag in document["tags"]]
    components = document["components"]["schemas"]
    schemas = [
        (name, schema.get("description", ""), list(_members(schema, components)), _example(schema))
        for name, schema in sorted(components.items())
        if schema.get("properties") or schema.get("anyOf")
    ]
    page = environment.from_string((folder / "reference.html").read_text(encoding="utf-8")).render(
        info=document["info"],
        style=Markup(style),  # noqa: S704 (our own file)
        groups=groups,
        schemas=schemas,
        catalogue=sorted(CATALOGUE.items(), key=lambda item: (item[1].status, item[0])),
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Rendered(json.dumps(document, ensure_ascii=False).encode(), page.encode(), policy)


def rendered(app: APIFlask) -> Rendered:
    """Made once for each application, when it is first asked for."""
    if _CACHE not in app.extensions:
        document = app.spec
        assert isinstance(document, dict), "the document is made as JSON"
        app.extensions[_CACHE] = render(json.loads(json.dumps(document)))
    found: Rendered = app.extensions[_CACHE]
    return found


def _sent(body: bytes, mimetype: str) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = Response(status=304) if is_known(request.headers, tag) else Response(body, mimetype=mimetype)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache"
    return response


@public(blueprint, "/v1/openapi.json", summary="This API as an OpenAPI 3.1 document", answers={200: "The document."})
def get_openapi() -> Response:
    return _sent(rendered(_app()).openapi, "application/json")


@public(
    blueprint,
    "/v1/reference",
    summary="This API as a page to read",
    answers={200: "The page."},
    media_types=("text/html",),
)
def get_reference() -> Response:
    made = rendered(_app())
    response = _sent(made.page, "text/html")
    response.headers["Content-Security-Policy"] = made.policy
    return response


def _app() -> APIFlask:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    assert isinstance(app, APIFlask)
    return app
