"""Visitors of the demonstration: they browse a site in the background, some call the number that their page shows, and
since the demonstration knows who called, it can say for how many the platform found the right source.

They stand in for callers that the demonstration has anyway, so they make it no longer. Must not know how a call is
matched.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog
from rich.console import Console
from rich.table import Table

from ..apiclient import ApiClient
from .mix import FIRST_CALLER, PlannedCall, number_at
from .pages import PageRefused, Pages, Seen

log = structlog.get_logger("demo")

SITE = "demo-dental.example"
REAL_NUMBER = "+441632961999"
#: Fewer numbers than visitors: some share one, and their calls are told less surely.
NUMBERS, VISITORS = 9, 10
#: The demonstration's numbers from here on are the pool's.
FIRST_OF_POOL = 500
#: A page that is seen gives a sign of life so often.
BEAT_EVERY_S = 20.0
#: Landing page's query, referrer, and what the platform must find: source and campaign.
ARRIVALS: tuple[tuple[str, str, str, str | None], ...] = (
    ("utm_source=yandex&utm_medium=cpc&utm_campaign=implants&yclid=1001", "", "yandex", "implants"),
    ("utm_source=google&utm_medium=cpc&utm_campaign=whitening&gclid=abc", "", "google", "whitening"),
    ("", "https://www.google.com/", "google", None),
    ("utm_source=vk&utm_medium=social&utm_campaign=smiles", "https://vk.com/", "vk", "smiles"),
    ("utm_source=newsletter&utm_medium=email&utm_campaign=spring", "", "newsletter", "spring"),
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who browses: what the page shows, and where he came from."""

    seen: Seen
    device: str
    source: str
    campaign: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the platform found of the visitors who called. ``stated``: how many it expects to be right by its own
    probabilities; it means what it says when it is near ``source_right``."""

    visits: int
    called: int
    source_right: int
    visit_right: int
    stated: float

    def as_dict(self) -> dict[str, Any]:
        return {name: round(getattr(self, name), 2) for name in self.__dataclass_fields__}


class Browsing:
    """Visitors on one site, as long as its ``with`` lasts."""

    def __init__(self, pages: Pages, visitors: Sequence[Visitor]) -> None:
        self._pages = pages
        self._visitors = visitors
        self._callers: dict[str, Visitor] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="visitors", daemon=True)
        self._thread.start()

    def stand_in(self, calls: list[PlannedCall], seed: int) -> list[PlannedCall]:
        """The same calls; some of those that are answered are visitors' now: they call what their page shows."""
        chance = random.Random(seed)  # noqa: S311 (a plan that can be repeated)
        shown = [one for one in self._visitors if one.seen.number is not None]
        places = [place for place, call in enumerate(calls) if call.kind == "answered"]
        chance.shuffle(places)
        changed = list(calls)
        for place, visitor in zip(places[: len(places) // 2], shown, strict=False):
            caller = f"+{FIRST_CALLER + 1000 + len(self._callers)}"
            self._callers[caller] = visitor
            changed[place] = replace(calls[place], caller=caller, number=visitor.seen.number or "")
        return changed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The pages are closed."""
        self._stop.set()
        self._thread.join(2 * BEAT_EVERY_S)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_EVERY_S):
            for one in self._visitors:
                try:
                    self._pages.beat(one.seen, one.device)
                except PageRefused as fault:
                    log.warning("a page's sign of life was not heard", fault=str(fault))

    def outcome(self, cdrs: Sequence[dict[str, Any]]) -> Outcome:
        """What the records say of the visitors who called, against the truth."""
        called = [(self._callers[cdr["caller"]], cdr["attribution"]) for cdr in cdrs if cdr["caller"] in self._callers]
        found = [(visitor, told) for visitor, told in called if told is not None]
        return Outcome(
            visits=len(self._visitors),
            called=len(called),
            source_right=sum(
                (told["source"]["source"], told["source"]["campaign"]) == (visitor.source, visitor.campaign)
                for visitor, told in found
            ),
            visit_right=sum(told["visit_id"] == visitor.seen.visit_id for visitor, told in found),
            stated=sum(told["source_probability"] or 0.0 for _, told in found),
        )


def begin_browsing(own: ApiClient, api_url: str) -> Browsing:
    """A site with a pool for the agency's first client, and visitors on its pages. Raises ApiRefused, PageRefused."""
    flow = next(one for one in own.read_all("/v1/flows", limit=200) if one["name"] == "answered")
    client_id = flow["client_id"]
    pool = own.post("/v1/pools", {"client_id": client_id, "name": "Visitors", "flow_id": flow["id"], "tail_s": 300})
    numbers = [
        own.post("/v1/numbers", {"client_id": client_id, "number": number_at(FIRST_OF_POOL + index), "kind": "dynamic"})
        for index in range(NUMBERS)
    ]
    own.post(f"/v1/pools/{pool['id']}/numbers/add", {"number_ids": [one["id"] for one in numbers]})
    site = own.post("/v1/sites", {"client_id": client_id, "name": "Demo Dental", "domains": [SITE]})
    rules = {
        "places": [{"name": "header", "numbers": [REAL_NUMBER]}],
        "rules": [{"name": "everybody", "show": {"pool_id": pool["id"]}}],
    }
    own.put(f"/v1/sites/{site['id']}/rules/draft", {"rules": rules})
    own.post(f"/v1/sites/{site['id']}/rules/publish", {})
    pages = Pages(api_url, site["token"], SITE)
    visitors = []
    for index in range(VISITORS):
        query, referrer, source, campaign = ARRIVALS[index % len(ARRIVALS)]
        device = "mobile" if index % 3 else "desktop"
        visitors.append(Visitor(pages.open(query, referrer, device), device, source, campaign))
    return Browsing(pages, visitors)


def show_visitors(console: Console, found: Outcome) -> None:
    """For how many the source was right."""
    table = Table(title="Visitors", title_justify="left")
    for heading in ("browsed", "called", "source right", "visit right", "stated by the platform"):
        table.add_column(heading, justify="right")
    table.add_row(
        str(found.visits),
        str(found.called),
        f"{found.source_right} of {found.called}",
        f"{found.visit_right} of {found.called}",
        f"{found.stated:.1f}",
    )
    console.print(table)
