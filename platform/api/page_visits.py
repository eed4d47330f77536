"""`/t/…`: what pages ask through the snippet. No key: the token says which site, and the browser's Origin must be one
of its domains. Nothing here is ever cached but the script, which never changes.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, current_app, g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..metrics import VISIT_REFUSALS
from ..phone import is_e164
from ..sites.addresses import is_below, read_address
from ..sites.errors import SiteUnknown
from ..sites.model import moment_of
from ..sites.rates import Rates
from ..sites.shown import place_document
from ..sites.signs import Signs
from ..sites.visits import Arrival, LiveSite, Shown
from .asking import asking_address
from .endpoint import public, services
from .errors import Problem
from .previews import is_preview
from .problems import faults_of, validation_problem
from .scripts import releases

blueprint = APIBlueprint("page_visits", __name__, tag="Pages")

#: Where create_app puts them.
RATES, SIGNS = "dialtrace.visit_rates", "dialtrace.visit_signs"
MOST_BYTES = 16 * 1024
COOKIE = "_dt"
_FOR_EVER = "public, max-age=31536000, immutable"
_POSTED = {
    403: "The page is not one of the site's domains.",
    404: "There is no such site.",
    422: "The request is not valid.",
    429: "Too many requests from one address.",
}


class _Said(BaseModel):
    """What a page says. Members of newer scripts are left alone."""

    model_config = ConfigDict(extra="ignore")


class PageSaid(_Said):
    """A page was opened, or asks again."""

    page: Annotated[str, Field(max_length=4000)]
    referrer: Annotated[str, Field(max_length=4000)] = ""
    consent: Literal["given", "refused", "not_asked"] = "not_asked"
    visitor: UUID | None = None
    visit: UUID | None = None
    time_zone: Annotated[str, Field(max_length=64)] = ""
    touch: Annotated[int, Field(ge=0, le=256)] = 0
    preview: Annotated[str, Field(max_length=500)] = ""


class VisitSaid(_Said):
    """A sign of life, or that the page was left."""

    visit: UUID


class ClickSaid(VisitSaid):
    """A telephone link was pressed."""

    number: Annotated[str, Field(max_length=20)] = ""


@public(
    blueprint,
    "/t/<token>/visit",
    method="POST",
    summary="What a page is to show",
    answers={200: "Numbers to look for, and what to show instead.", **_POSTED},
)
def page_visit(token: str) -> Response:
    live = _admitted(token, "visit")
    said = _read(PageSaid)
    arrival = Arrival(
        page=said.page,
        referrer=said.referrer or None,
        user_agent=request.headers.get("User-Agent", ""),
        address=asking_address(services().proxies),
        consent=_consent(live, said.consent),
        visitor_id=said.visitor,
        visit_id=said.visit if _is_visit(said.visit) else None,
        time_zone=said.time_zone,
        region=_region(),
        touch_points=said.touch,
        is_preview=is_preview(services().secret_key, said.preview, live.site.id),
    )
    shown = services().visits.arrive(live, arrival)
    response = jsonify(_document(live, arrival, shown))
    _keep(response, live, arrival, shown)
    return response


@public(blueprint, "/t/<token>/beat", method="POST", summary="A sign of life", answers={204: "Heard.", **_POSTED})
def page_beat(token: str) -> Response:
    live = _admitted(token, "beat")
    signs: Signs = current_app.extensions[SIGNS]
    signs.add(live.site.agency_id, _visit(_read(VisitSaid)))
    return Response(status=204)


@public(blueprint, "/t/<token>/leave", method="POST", summary="The page was left", answers={204: "Heard.", **_POSTED})
def page_leave(token: str) -> Response:
    live = _admitted(token, "leave")
    services().visits.leave(live, _visit(_read(VisitSaid)))
    return Response(status=204)


@public(
    blueprint,
    "/t/<token>/click",
    method="POST",
    summary="A telephone link was pressed",
    answers={204: "Kept.", **_POSTED},
)
def page_click(token: str) -> Response:
    live = _admitted(token, "click")
    said = _read(ClickSaid)
    services().visits.click(live, _visit(said), said.number if is_e164(said.number) else None)
    return Response(status=204)


@public(
    blueprint,
    "/t/swap/<name>",
    summary="The script, one release of it",
    answers={200: "JavaScript, which never changes.", 404: "There is no such release."},
    media_type="text/javascript",
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
    """The browser may hand the answer to the page: to pages of the site's domains only."""
    origin = getattr(g, "page_origin", None)
    if request.method == "OPTIONS" and origin is None:
        origin = _origin_of(str((request.view_args or {}).get("token", "")))
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
        response.headers["Access-Control-Max-Age"] = "86400"
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.add("Vary", "Origin")
    return response


def _origin_of(token: str) -> str | None:
    """The asking page's origin, if the site's domains have it."""
    origin = request.headers.get("Origin", "")
    try:
        live = services().visits.open_site(token)
    except SiteUnknown:
        return None
    host = read_address(origin).host
    return origin if any(is_below(host, domain) for domain in live.site.domains) else None


def _admitted(token: str, what: str) -> LiveSite:
    """The site, for a page of its own that does not ask too often. Raises SiteUnknown, Problem (403, 429)."""
    try:
        live = services().visits.open_site(token)
    except SiteUnknown:
        VISIT_REFUSALS.labels("site").inc()
        raise
    g.page_origin = _origin_of(token)
    if g.page_origin is None:
        VISIT_REFUSALS.labels("origin").inc()
        raise Problem("origin_not_allowed")
    rates: Rates = current_app.extensions[RATES]
    # A page that is open asks once and then gives three signs a minute.
    wait_s = rates.wait_s((token, what == "visit", asking_address(services().proxies)))
    if wait_s:
        VISIT_REFUSALS.labels("rate").inc()
        raise Problem("too_many_visits", headers={"Retry-After": str(int(wait_s) + 1)})
    return live


S = TypeVar("S", bound=_Said)


def _read(model: type[S]) -> S:
    """The body. Browsers send it as text, so that they need not ask first whether they may. Raises Problem."""
    raw = request.get_data(cache=True)
    if len(raw) > MOST_BYTES:
        raise Problem("body_too_large", f"A page may say {MOST_BYTES // 1024} KiB at most.")
    try:
        document = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Problem("malformed_request") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise validation_problem(faults_of(error, "json")) from error


def _visit(said: VisitSaid) -> UUID:
    """Raises Problem (422) for an id that no visit has."""
    if not _is_visit(said.visit):
        raise Problem("validation_failed", "`visit` is no id of a visit.")
    return said.visit


def _is_visit(visit_id: UUID | None) -> bool:
    try:
        return visit_id is not None and bool(moment_of(visit_id))
    except ValueError:
        return False


def _consent(
    live: LiveSite, said: Literal["given", "refused", "not_asked"]
) -> Literal["given", "refused", "not_asked"]:
    """A browser that says by itself that it does not want to be followed has refused, unless its user says otherwise
    on the page."""
    if said == "not_asked" and live.settings.privacy_signal and request.headers.get("Sec-GPC") == "1":
        return "refused"
    return said


def _region() -> str | None:
    header = services().region_header
    return request.headers.get(header) if header and asking_address(services().proxies) != request.remote_addr else None


def _keeps(live: LiveSite, arrival: Arrival) -> bool:
    """Whether the browser may keep who its visitor is."""
    return arrival.consent == "given" or (arrival.consent == "not_asked" and live.settings.consent == "assumed")


def _document(live: LiveSite, arrival: Arrival, shown: Shown) -> dict[str, Any]:
    visit = shown.visit
    return {
        "visit": visit and str(visit.id),
        "visitor": visit and str(visit.visitor_id),
        "keep_days": live.settings.visitor_days if visit is not None and _keeps(live, arrival) else 0,
        "domain": _cookie_domain(live, arrival),
        "hold_s": shown.hold_s,
        "iframes": live.settings.iframes,
        "keep_width": live.settings.keep_width,
        "places": [place_document(one) for one in shown.places],
    }


def _cookie_domain(live: LiveSite, arrival: Arrival) -> str:
    """Of the site's domains the one that the page belongs to."""
    host = read_address(arrival.page).host
    return max((one for one in live.site.domains if is_below(host, one)), key=len, default="")


def _keep(response: Response, live: LiveSite, arrival: Arrival, shown: Shown) -> None:
    """Where the page's own domain serves this address too, the cookie is set by the server: some browsers forget those
    that scripts set after a week."""
    visit, here = shown.visit, urlsplit(request.host_url).hostname or ""
    domain = _cookie_domain(live, arrival)
    if visit is None or not _keeps(live, arrival) or not domain or not is_below(here, domain):
        return
    response.set_cookie(
        COOKIE,
        f"{visit.visitor_id}.{visit.id}",
        max_age=live.settings.visitor_days * 86_400,
        domain=domain if "." in domain else None,
        path="/",
        samesite="Lax",
        secure=read_address(arrival.page).scheme == "https",
    )
