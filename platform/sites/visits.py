"""Use cases of visits: a page asks what to show, gives signs of life, leaves; a visitor presses a telephone link.

The room of pools leases the numbers; here it is only known as `Leases`. Must not know HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from ..clock import Clock
from ..db.engine import Database
from ..db.prepared import Ready
from ..ids import new_id
from ..metrics import VISIT_PAGES, VISIT_TEL_CLICKS
from ..paging import Page, cut
from . import store, visit_store
from .addresses import Address, kept_address, read_address, written
from .bots import is_bot
from .classify import Source, classify_addresses
from .errors import SiteUnknown, VisitUnknown
from .leases import Leases, Taken
from .model import DEFAULT_HOLD_S, Consent, Site, SiteSettings, TelClick, Visit, moment_of, read_settings
from .rules import Choice, SiteRules, VisitFacts, choices, read_site_rules
from .shown import PlaceShown
from .source_rules import SourceRule, path_fits, read_source_rules
from .sources import source_book
from .visitors import device_of, kept_of_address, region_of

MAX_PAGE = 500
#: Changes of a site reach pages this late at most.
SITE_FRESH_S = 5.0
MOST_SITES = 10_000
_DIRECT = "direct"
_BEGUN, _CONTINUED = VISIT_PAGES.labels("begun"), VISIT_PAGES.labels("continued")


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What a page says, and what its request tells. ``visit_id`` and ``visitor_id``: what it was told before."""

    page: str
    referrer: str | None
    user_agent: str
    address: str | None
    consent: Consent = "not_asked"
    visitor_id: UUID | None = None
    visit_id: UUID | None = None
    time_zone: str | None = None
    region: str | None = None
    touch_points: int = 0
    is_preview: bool = False
    analytics_ids: Mapping[str, Any] = field(default_factory=dict)

    @property
    def here(self) -> Address:
        """The page, read."""
        return read_address(self.page)

    @property
    def came_from(self) -> Address:
        """Who referred, read."""
        return read_address(self.referrer)

    @property
    def kept_landing(self) -> Address:
        """What of the page's address is kept, if a visit begins with it."""
        return kept_address(self.here, source_book().kept_parameters)

    @property
    def kept_referrer(self) -> Address:
        """And of the referrer's."""
        return kept_address(self.came_from, ())


@dataclass(frozen=True, kw_only=True)
class LiveSite:
    """A site as pages need it: everything read and checked once."""

    site: Site
    settings: SiteSettings
    live: SiteRules
    draft: SiteRules | None
    source_rules: tuple[SourceRule, ...]
    read_s: float

    @property
    def own_hosts(self) -> tuple[str, ...]:
        return (*self.site.domains, *self.settings.follows)

    def rules(self, *, preview: bool) -> SiteRules:
        return self.draft if preview and self.draft is not None else self.live


@dataclass(frozen=True)
class Shown:
    """What a page is to do. ``visit`` None: nothing, for a robot. ``hold_s``: until then its numbers are its own."""

    visit: Visit | None
    places: tuple[PlaceShown, ...] = ()
    hold_s: int = DEFAULT_HOLD_S


class VisitService:
    """Visits in one database. ``hash_key``: what addresses are hashed under, where a site wants that."""

    def __init__(
        self, database: Database, clock: Clock, leases: Leases, *, hash_key: bytes, fresh_s: float = SITE_FRESH_S
    ) -> None:
        self._database = database
        self._clock = clock
        self._leases = leases
        self._hash_key = hash_key
        self._fresh_s = fresh_s
        self._sites: OrderedDict[str, LiveSite] = OrderedDict()
        self._lock = threading.Lock()

    def make_ready(self) -> None:
        """Reads what the first visitor would wait for otherwise: the list of robots takes a third of a second."""
        is_bot("nobody")
        source_book()
        region_of(None, "UTC")

    # --- What pages ask. ---

    def open_site(self, token: str) -> LiveSite:
        """The site of a snippet, as it was ``fresh_s`` ago at most. Raises SiteUnknown, also for a suspended one."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._sites.get(token)
        if known is None or now_s - known.read_s >= self._fresh_s:
            known = self._read_site(token, now_s)
            with self._lock:
                self._sites[token] = known
                self._sites.move_to_end(token)
                while len(self._sites) > MOST_SITES:
                    self._sites.popitem(last=False)
        if known.site.status != "active":
            raise SiteUnknown
        return known

    def arrive(self, live: LiveSite, arrival: Arrival) -> Shown:
        """A page was opened, or asks again: goes on with the visit that it names, or begins one, and says what to
        show."""
        if is_bot(arrival.user_agent):
            self._note_bot(live, arrival)
            return Shown(None)
        came_with = self._source(live, arrival)
        visit, unwritten = self._continued(live, arrival, came_with), None
        if visit is None:
            visit = self._visit(live, arrival, came_with)
            unwritten = visit_store.insertion(visit)
        (_CONTINUED if unwritten is None else _BEGUN).inc()
        return self._shown(live, visit, arrival, unwritten)

    def see(self, agency_id: UUID, signs: Mapping[UUID, Mapping[str, Any]]) -> None:
        """Signs of life of one agency's visits, written together; each with what it says of who the visitor is to
        analytics."""
        wanted = dict(sorted(signs.items()))
        with self._database.tenant(agency_id) as connection:
            visit_store.see_visits(connection, agency_id, wanted, self._clock.now())
        self._leases.renew(agency_id, list(wanted))

    def leave(self, live: LiveSite, visit_id: UUID, analytics_ids: Mapping[str, Any]) -> None:
        """The visitor has closed the page."""
        agency_id = live.site.agency_id
        with self._database.tenant(agency_id, live.site.client_id) as connection:
            visit_store.leave_visit(connection, agency_id, visit_id, self._clock.now(), analytics_ids)
        self._leases.end(agency_id, visit_id)

    def click(self, live: LiveSite, visit_id: UUID, e164: str | None) -> None:
        """The visitor has pressed a telephone link. Raises VisitUnknown."""
        site, now = live.site, self._clock.now()
        with self._database.tenant(site.agency_id, site.client_id) as connection:
            if visit_store.find_visit(connection, site.agency_id, visit_id) is None:
                raise VisitUnknown
            number_id = e164 and visit_store.number_of(connection, site.agency_id, site.client_id, e164)
            click = TelClick(
                agency_id=site.agency_id,
                id=new_id(),
                client_id=site.client_id,
                visit_id=visit_id,
                visit_started_at=moment_of(visit_id),
                number_id=number_id or None,
                clicked_at=now,
            )
            visit_store.insert_click(connection, click)
        if number_id:
            self._leases.click(site.agency_id, visit_id, number_id)
        VISIT_TEL_CLICKS.inc()

    # --- What people ask. ---

    def get_visit(self, agency_id: UUID, visit_id: UUID, *, client_id: UUID | None = None) -> Visit:
        """Raises VisitUnknown."""
        try:
            with self._database.tenant(agency_id, client_id) as connection:
                found = visit_store.find_visit(connection, agency_id, visit_id)
        except ValueError as error:
            raise VisitUnknown from error
        if found is None:
            raise VisitUnknown
        return found

    def list_clicks(self, agency_id: UUID, visit_id: UUID, *, client_id: UUID | None = None) -> list[TelClick]:
        """Of one visit."""
        with self._database.tenant(agency_id, client_id) as connection:
            return visit_store.find_clicks(connection, agency_id, visit_id)

    def list_visits(
        self,
        agency_id: UUID,
        client_id: UUID | None = None,
        *,
        wanted: Mapping[str, Any] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Visit]:
        """The newest first. ``wanted``: column → value."""
        columns = {**({"client_id": client_id} if client_id is not None else {}), **(wanted or {})}
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = visit_store.find_visits(
                connection,
                agency_id,
                columns,
                since=since,
                until=until,
                limit=limit + 1,
                after=(after[0], after[1]) if after else None,
            )
        return cut(found, limit, "started_at", "id")

    # --- Pieces. ---

    def _read_site(self, token: str, now_s: float) -> LiveSite:
        rows = self._database.look_up("SELECT agency_id, client_id, site_id FROM dialtrace_site(%s)", (token,))
        if not rows:
            raise SiteUnknown
        agency_id, client_id, site_id = rows[0]
        with self._database.tenant(agency_id, client_id) as connection:
            site = store.find_site(connection, agency_id, site_id)
            rules = store.find_source_rules(connection, agency_id, client_id)
        if site is None:
            raise SiteUnknown
        return LiveSite(
            site=site,
            settings=read_settings(site.settings),
            live=read_site_rules(dict(site.rules_live)),
            draft=None if site.rules_draft is None else read_site_rules(dict(site.rules_draft)),
            source_rules=read_source_rules(list(rules.rules)) if rules is not None else (),
            read_s=now_s,
        )

    def _source(self, live: LiveSite, arrival: Arrival) -> Source:
        return classify_addresses(
            arrival.here,
            arrival.came_from,
            book=source_book(),
            own_rules=live.source_rules,
            own_hosts=live.own_hosts,
        )

    def _continued(self, live: LiveSite, arrival: Arrival, came_with: Source) -> Visit | None:
        if arrival.visit_id is None or arrival.visitor_id is None:
            return None
        site = live.site
        return visit_store.continue_visit(
            self._database,
            site.agency_id,
            arrival.visit_id,
            site_id=site.id,
            visitor_id=arrival.visitor_id,
            consent=arrival.consent,
            now=self._clock.now(),
            idle=timedelta(minutes=live.settings.visit_idle_min),
            source=None if came_with.channel == _DIRECT else came_with,
            analytics_ids=arrival.analytics_ids,
        )

    def _visit(self, live: LiveSite, arrival: Arrival, source: Source) -> Visit:
        site, now = live.site, self._clock.now()
        visit_id = new_id(now_ms=int(now.timestamp() * 1000))
        policy = live.settings.address
        key = self._key_of(site.agency_id) if policy == "hashed" else b""
        address, address_hash = kept_of_address(arrival.address, policy, key)
        began = moment_of(visit_id)
        return Visit(
            agency_id=site.agency_id,
            id=visit_id,
            client_id=site.client_id,
            site_id=site.id,
            visitor_id=arrival.visitor_id or uuid4(),
            started_at=began,
            landing_page=written(arrival.kept_landing),
            referrer=written(arrival.kept_referrer) or None,
            source=source,
            rules_version=site.rules_version,
            device=device_of(arrival.user_agent, arrival.touch_points),
            region=region_of(arrival.region, arrival.time_zone),
            consent=arrival.consent,
            last_seen_at=began,
            address=address,
            address_hash=address_hash,
            is_preview=arrival.is_preview,
            analytics_ids=arrival.analytics_ids if arrival.consent == "given" else {},
        )

    def _note_bot(self, live: LiveSite, arrival: Arrival) -> None:
        """A robot's visit is kept, so that its share can be told; nothing of its address is."""
        VISIT_PAGES.labels("robot").inc()
        visit = self._visit(
            live, replace(arrival, address=None, visitor_id=None, analytics_ids={}), self._source(live, arrival)
        )
        visit_store.insert_visit(self._database, replace(visit, is_bot=True, device="bot"))

    def _key_of(self, agency_id: UUID) -> bytes:
        """No two agencies can compare their visitors' addresses."""
        return hmac.digest(self._hash_key, b"dialtrace visitors " + agency_id.bytes, hashlib.sha256)

    def _shown(self, live: LiveSite, visit: Visit, arrival: Arrival, unwritten: Ready | None) -> Shown:
        rules = live.rules(preview=arrival.is_preview)
        facts = VisitFacts(
            landing=read_address(visit.landing_page) if unwritten is None else arrival.kept_landing,
            referrer=read_address(visit.referrer) if unwritten is None else arrival.kept_referrer,
            source=visit.source,
            device=visit.device,
            region=visit.region,
        )
        here = arrival.here.path or "/"
        leases = Taken(self._leases, visit, unwritten, is_new=unwritten is not None and arrival.visitor_id is None)
        places = []
        for place in rules.places:
            found = choices(rules, place, facts)
            current = next((at for at, one in enumerate(found) if _is_on(one, here)), None)
            numbers = [leases.number(one.show) if at == current else None for at, one in enumerate(found)]
            waiting = frozenset(at for at, one in enumerate(found) if at != current and one.show.real is None)
            places.append(PlaceShown(place, tuple(found), tuple(numbers), waiting))
        if leases.unwritten is not None:
            self._database.at_once(visit.agency_id, leases.unwritten)
        return Shown(visit, tuple(places), leases.hold_s(self._clock.now()))


def _is_on(choice: Choice, path: str) -> bool:
    return choice.pages is None or path_fits(path, choice.patterns)
