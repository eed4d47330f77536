"""Calls as conversions in Google Ads, of the clicks that led to them, by the Data Manager API.

The API takes a call by its time and the caller's number too, for advertisements that show a number of Google's; which
of the call's two times it wants there its documents do not settle, so the click is the one way that is gone here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from ..errors import NothingToDo
from ..facts import VisitFacts
from ..model import Check, Rate, System
from ..together import Row, Together
from ..work import Work
from .client import follow_events, ingest, send_events
from .mapping import click, event, is_wanted, pretend
from .settings import GoogleAdsSecrets, GoogleAdsSettings

_NOBODY = UUID("00000000-0000-7000-8000-000000000000")


def _account(settings: GoogleAdsSettings, secrets: GoogleAdsSecrets) -> str:
    """Google counts by its Cloud project, which an OAuth client is of."""
    return f"{settings.api_url.lower()} {settings.project or secrets.client_id}"


def _event_types(_settings: GoogleAdsSettings) -> Sequence[str]:
    return ("call.ended",)


def _row(work: Work) -> Row:
    if not is_wanted(work.call, work.settings):
        raise NothingToDo("not_wanted", "by the settings this call is no conversion")
    if not click(work.call):
        raise NothingToDo("no_click", "no advertisement of Google's led to the call")
    return Row(event(work.call, work.settings))


def _test(work: Work) -> list[Check]:
    """Google looks at a conversion like ours and keeps nothing of it."""
    visit = VisitFacts(id=_NOBODY, started_at=work.now, consent="given", click_ids={"gclid": "TEST-GCLID"})
    call = replace(work.call, started_at=work.now, outcome="answered", talk_ms=60_000, visit=visit)
    ingest(work, [event(call, work.settings)], validate_only=True)
    return [Check("conversion", True, "Google would take conversions like ours")]


GOOGLE_ADS = System(
    name="google_ads",
    title="Google Ads",
    summary="Calls as offline conversions of the clicks that led to them.",
    settings=GoogleAdsSettings,
    secrets=GoogleAdsSecrets,
    # 100,000 requests a day and 300 a minute for a project (developers.google.com/data-manager, "Limits").
    rate=Rate(per_s=1.1, burst=60),
    account=_account,
    event_types=_event_types,
    together=Together(
        # 2,000 events would go; the delivery's own time bounds it. The transaction id makes a repetition harmless.
        most=200, gather_s=60.0, row=_row, send=send_events, follow=follow_events,
    ),
    test=_test,
    pretend=pretend,
    is_advertising=True,
)  # fmt: skip
