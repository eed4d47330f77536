"""What pages of clients' sites are answered at `/t/…`, from the request to the answer's bytes. No key: the token of a
site names it, and the browser's Origin must be one of its domains. Must not know Flask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.http import dump_cookie
from werkzeug.wsgi import get_host, get_input_stream

from ..addresses import Network, believed_address
from ..metrics import VISIT_REFUSALS
from ..phone import is_e164
from ..sites.addresses import is_below, read_address
from ..sites.analytics_ids import read_analytics_ids
from ..sites.errors import SiteUnknown
from ..sites.model import Consent, moment_of
from ..sites.rates import Rates
from ..sites.shown import place_document
from ..sites.signs import Signs
from ..sites.visits import Arrival, LiveSite, Shown
from .errors import Problem
from .previews import is_preview
from .problems import faults_of, validation_problem
from .rooms import ApiServices

MOST_BYTES = 16 * 1024
COOKIE = "_dt"


class _Said(BaseModel):
    """What a page says. Members of newer scripts are left alone. ``ids``: cookies by which analytics systems know the
    visitor, said with consent only."""

    model_config = ConfigDict(extra="ignore")
    ids: list[str] | None = None

    @property
    def analytics_ids(self) -> dict[str, Any]:
        return read_analytics_ids(self.ids) if self.ids else {}


class PageSaid(_Said):
    """A page was opened, or asks again."""

    page: Annotated[str, Field(max_length=4000)]
    referrer: Annotated[str, Field(max_length=4000)] = ""
    consent: Consent = "not_asked"
    visitor: UUID | None = None
    visit: UUID | None = None
    time_zone: Annotated[str, Field(max_length=64)] = ""
    touch: Annotated[int, Field(ge=0, le=256)] = 0
    preview: Annotated[str, Field(max_length=500)] = ""


class VisitSaid(_Said):
    """A sign of life, or that the page was left, or that it shows a promo code."""

    visit: UUID


class ClickSaid(VisitSaid):
    """A telephone link was pressed."""

    number: Annotated[str, Field(max_length=20)] = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, without what every answer carries."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"


NOTHING = Reply(204)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
S = TypeVar("S", bound=_Said)


class PageRequest:
    """A request as WSGI hands it over. ``origin``: whose page it is, once it is known to be one of the site's."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.origin: str | None = None

    def header(self, name: str) -> str:
        """By its name in the environment (`USER_AGENT`); empty where it was not sent."""
        found: str = self.environ.get("HTTP_" + name, "")
        return found

    @cached_property
    def host(self) -> str:
        """The name, without a port, under which we were asked."""
        name = get_host(self.environ)
        return name.partition("]")[0].removeprefix("[") if name.startswith("[") else name.partition(":")[0]

    def address(self, proxies: tuple[Network, ...]) -> str | None:
        """Where it came from."""
        forwarded = self.header("X_FORWARDED_FOR")
        return believed_address(self.environ.get("REMOTE_ADDR"), [forwarded] if forwarded else [], proxies)

    def read(self, model: type[S]) -> S:
        """The body. Browsers send it as text, so that they need not ask first whether they may. Raises Problem."""
        raw = get_input_stream(self.environ).read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise Problem("body_too_large", f"A page may say {MOST_BYTES // 1024} KiB at most.")
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
                raise Problem("malformed_request") from error
            raise validation_problem(faults_of(error, "json")) from error


class PageAnswers:
    """The answers of one API process."""

    def __init__(self, services: ApiServices, rates: Rates, signs: Signs) -> None:
        self._services = services
        self._rates = rates
        self._signs = signs
        #: By the last part of the address.
        self.of: Mapping[str, Callable[[str, PageRequest], Reply]] = {
            "visit": self.visit, "beat": self.beat, "leave": self.leave, "click": self.click, "code": self.code,
        }  # fmt: skip

    def visit(self, token: str, page: PageRequest) -> Reply:
        """What a page is to show."""
        live, address = self._admitted(token, "visit", page)
        said = page.read(PageSaid)
        arrival = Arrival(
            page=said.page,
            referrer=said.referrer or None,
            user_agent=page.header("USER_AGENT"),
            address=address,
            consent=_consent(live, said.consent, page),
            visitor_id=said.visitor,
            visit_id=said.visit if _is_visit(said.visit) else None,
            time_zone=said.time_zone,
            region=self._region(page, address),
            touch_points=said.touch,
            is_preview=is_preview(self._services.secret_key, said.preview, live.site.id),
            analytics_ids=said.analytics_ids,
        )
        shown = self._services.visits.arrive(live, arrival)
        domain = _cookie_domain(live, arrival)
        return Reply(200, _json(_document(live, arrival, shown, domain)), _cookie(live, arrival, shown, domain, page))

    def beat(self, token: str, page: PageRequest) -> Reply:
        """A sign of life."""
        live, _ = self._admitted(token, "beat", page)
        said = page.read(VisitSaid)
        self._signs.add(live.site.agency_id, _visit(said), said.analytics_ids)
        return NOTHING

    def leave(self, token: str, page: PageRequest) -> Reply:
        """The page was left."""
        live, _ = self._admitted(token, "leave", page)
        said = page.read(VisitSaid)
        visit_id = _visit(said)
        self._signs.forget(live.site.agency_id, visit_id)
        self._services.visits.leave(live, visit_id, said.analytics_ids)
        return NOTHING

    def click(self, token: str, page: PageRequest) -> Reply:
        """A telephone link was pressed."""
        live, _ = self._admitted(token, "click", page)
        said = page.read(ClickSaid)
        self._services.visits.click(live, _visit(said), said.number if is_e164(said.number) else None)
        return NOTHING

    def code(self, token: str, page: PageRequest) -> Reply:
        """A promo code for the visitor to read out or to press."""
        live, _ = self._admitted(token, "code", page)
        site, visit_id = live.site, _visit(page.read(VisitSaid))
        code, _ = self._services.attribution.give_code(site.agency_id, site.client_id, visit_id, site_id=site.id)
        return Reply(200, _json({"code": code}))

    def _admitted(self, token: str, what: str, page: PageRequest) -> tuple[LiveSite, str | None]:
        """The site, for a page of its own that does not ask too often, and where it asks from. Raises SiteUnknown,
        Problem (403, 429)."""
        try:
            live = self._services.visits.open_site(token)
        except SiteUnknown:
            VISIT_REFUSALS.labels("site").inc()
            raise
        page.origin = own_origin(live, page.header("ORIGIN"))
        if page.origin is None:
            VISIT_REFUSALS.labels("origin").inc()
            raise Problem("origin_not_allowed")
        address = page.address(self._services.proxies)
        # A page that is open asks once and then gives three signs a minute.
        wait_s = self._rates.wait_s((token, what == "visit", address))
        if wait_s:
            VISIT_REFUSALS.labels("rate").inc()
            raise Problem("too_many_visits", headers={"Retry-After": str(int(wait_s) + 1)})
        return live, address

    def _region(self, page: PageRequest, address: str | None) -> str | None:
        """What a proxy of ours says."""
        header = self._services.region_header
        if not header or address == page.environ.get("REMOTE_ADDR"):
            return None
        return page.header(header.upper().replace("-", "_")) or None


def own_origin(live: LiveSite, origin: str) -> str | None:
    """The asking page's origin, if the site's domains have it."""
    host = _host_of(origin)
    return origin if any(is_below(host, domain) for domain in live.site.domains) else None


@lru_cache(maxsize=4096)
def _host_of(origin: str) -> str:
    return read_address(origin).host


def _json(document: Any) -> bytes:
    return _encode(document).encode()


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


def _consent(live: LiveSite, said: Consent, page: PageRequest) -> Consent:
    """A browser that says by itself that it does not want to be followed has refused, unless its user says otherwise
    on the page."""
    if said == "not_asked" and live.settings.privacy_signal and page.header("SEC_GPC") == "1":
        return "refused"
    return said


def _keeps(live: LiveSite, consent: Literal["given", "refused", "not_asked"]) -> bool:
    """Whether the browser may keep who its visitor is."""
    return consent == "given" or (consent == "not_asked" and live.settings.consent == "assumed")


def _document(live: LiveSite, arrival: Arrival, shown: Shown, domain: str) -> dict[str, Any]:
    visit, settings = shown.visit, live.settings
    return {
        "visit": visit and str(visit.id),
        "visitor": visit and str(visit.visitor_id),
        "keep_days": settings.visitor_days if visit is not None and _keeps(live, arrival.consent) else 0,
        "domain": domain,
        "hold_s": shown.hold_s,
        "iframes": settings.iframes,
        "shadow": settings.shadow,
        "keep_width": settings.keep_width,
        "places": [place_document(one) for one in shown.places],
    }


def _cookie_domain(live: LiveSite, arrival: Arrival) -> str:
    """Of the site's domains the one that the page belongs to."""
    host = arrival.here.host
    return max((one for one in live.site.domains if is_below(host, one)), key=len, default="")


def _cookie(
    live: LiveSite, arrival: Arrival, shown: Shown, domain: str, page: PageRequest
) -> tuple[tuple[str, str], ...]:
    """Where the page's own domain serves this address too, the cookie is set by the server: some browsers forget those
    that scripts set after a week."""
    visit = shown.visit
    if visit is None or not domain or not _keeps(live, arrival.consent) or not is_below(page.host, domain):
        return ()
    cookie = dump_cookie(
        COOKIE,
        f"{visit.visitor_id}.{visit.id}",
        max_age=live.settings.visitor_days * 86_400,
        domain=domain if "." in domain else None,
        path="/",
        samesite="Lax",
        secure=arrival.here.scheme == "https",
    )
    return (("Set-Cookie", cookie),)
