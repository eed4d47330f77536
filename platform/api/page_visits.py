"""`/t/{token}/…`: what pages of clients' sites ask, and `/t/swap/…`: the script that asks it.

What is POSTed is answered before Flask (`page_front`, `page_answers`); here it is declared. Nothing here is ever cached
but the script, which never changes.
"""

from __future__ import annotations

from typing import cast

from apiflask import APIBlueprint
from flask import Response, current_app, request

from ..sites.errors import SiteUnknown
from .endpoint import public, services
from .errors import Problem
from .fields import EXAMPLE_ID
from .page_answers import ClickSaid, PageSaid, VisitSaid, own_origin
from .scripts import releases

blueprint = APIBlueprint("page_visits", __name__, tag="Pages")

#: Where create_app puts them.
SIGNS, FRONT = "dialtrace.visit_signs", "dialtrace.page_front"
_FOR_EVER = "public, max-age=31536000, immutable"
_POSTED = {
    403: "The page is not one of the site's domains.",
    404: "There is no such site.",
    422: "The request is not valid.",
    429: "Too many requests from one address.",
}


@public(
    blueprint,
    "/t/<token>/visit",
    method="POST",
    summary="What a page is to show",
    says=PageSaid,
    example={"page": "https://www.example.com/?gclid=x", "consent": "given", "time_zone": "Europe/London"},
    answers={200: "Numbers to look for, and what to show instead.", **_POSTED},
)
def page_visit(token: str) -> Response:
    return _answered(token)


@public(
    blueprint,
    "/t/<token>/beat",
    method="POST",
    summary="A sign of life",
    says=VisitSaid,
    example={"visit": EXAMPLE_ID},
    answers={204: "Heard.", **_POSTED},
)
def page_beat(token: str) -> Response:
    return _answered(token)


@public(
    blueprint,
    "/t/<token>/leave",
    method="POST",
    summary="The page was left",
    says=VisitSaid,
    example={"visit": EXAMPLE_ID},
    answers={204: "Heard.", **_POSTED},
)
def page_leave(token: str) -> Response:
    return _answered(token)


@public(
    blueprint,
    "/t/<token>/click",
    method="POST",
    summary="A telephone link was pressed",
    says=ClickSaid,
    example={"visit": EXAMPLE_ID, "number": "+442079460123"},
    answers={204: "Kept.", **_POSTED},
)
def page_click(token: str) -> Response:
    return _answered(token)


@public(
    blueprint,
    "/t/<token>/code",
    method="POST",
    summary="A promo code for a page to show",
    says=VisitSaid,
    example={"visit": EXAMPLE_ID},
    answers={
        200: "The visit's code: who reads it out, or presses it, is that visitor.",
        409: "So many codes are in use that none was found free.",
        **_POSTED,
        404: "There is no such site, or it has no such visit.",
    },
)
def page_code(token: str) -> Response:
    return _answered(token)


@public(
    blueprint,
    "/t/swap/<name>",
    summary="The script, one release of it",
    answers={200: "JavaScript, which never changes.", 404: "There is no such release."},
    media_types=("text/javascript",),
)
def page_script(name: str) -> Response:
    release = releases().get(name)
    if release is None:
        raise Problem("not_found", "There is no such release of the script.")
    zipped = request.accept_encodings.best_match(["gzip"]) is not None
    response = Response(release.gzipped if zipped else release.content, content_type="text/javascript; charset=utf-8")
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = _FOR_EVER
    response.headers["ETag"] = f'"{name}"'
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.after_request
def allow_origin(response: Response) -> Response:
    """A browser that asks first is told that it may: for pages of the site's domains only."""
    if request.method != "OPTIONS":
        return response
    response.headers["Access-Control-Allow-Methods"] = "POST"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"
    origin = _origin_of(str((request.view_args or {}).get("token", "")))
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.add("Vary", "Origin")
    return response


def _origin_of(token: str) -> str | None:
    try:
        return own_origin(services().visits.open_site(token), request.headers.get("Origin", ""))
    except SiteUnknown:
        return None


def _answered(token: str) -> Response:
    """For whoever reaches the application without the front."""
    return cast(Response, Response.from_app(current_app.extensions[FRONT], request.environ))
