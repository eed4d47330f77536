"""Calls as events in Google Analytics 4, of the visit that it knows: what is done when a call has ended, and whether it
could be.

Google has neither a way to look an event up nor a key by which a repeated one is known: an event whose answer was lost
is given up, unless the client prefers one too many.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import GiveUp, NothingToDo
from ..model import Check, Made, Rate, System
from ..work import Work
from .client import collect, validate
from .mapping import OLDEST, client_id, is_wanted, payload, pretend, sample
from .settings import Ga4Secrets, Ga4Settings


def _account(settings: Ga4Settings, _secrets: Ga4Secrets) -> str:
    return f"{settings.api_url.lower()} {settings.measurement_id}"


def _event_types(_settings: Ga4Settings) -> Sequence[str]:
    return ("call.ended",)


def _deliver(work: Work) -> None:
    if not is_wanted(work.call, work.settings):
        raise NothingToDo("not_wanted", f"events are of {work.settings.calls} calls")
    if client_id(work.call) is None:
        raise NothingToDo("no_client_id", "the visit's page had no Google Analytics, or its cookie came too late")
    if work.now - work.call.started_at > OLDEST:
        raise GiveUp("too_old", "Google Analytics takes events of the last 72 hours only")
    kept = work.journal.find("event")
    if kept is not None and kept.made is None and not work.settings.repeat_in_doubt:
        raise GiveUp("in_doubt", "whether Google has the event is not known, and sending it again might count it twice")
    work.once("event", lambda: _send(work))


def _send(work: Work) -> Made:
    collect(work, payload(work.call, work.settings))
    return Made(str(work.call.id))


def _test(work: Work) -> list[Check]:
    """Google says whether events like ours are valid. Whether the secret is, it tells nobody."""
    faults = validate(work, payload(sample(work.call, work.settings, work.now), work.settings))
    if faults:
        return [Check("event", False, "; ".join(faults)[:500])]
    hint = "events are valid; Google does not say whether measurement_id and api_secret are: look into Realtime"
    return [Check("event", True, hint)]


GA4 = System(
    name="ga4",
    title="Google Analytics 4",
    summary="Calls as events of the visit that they came from, for reports and key events.",
    settings=Ga4Settings,
    secrets=Ga4Secrets,
    # No limit is documented: bounded so that a back-fill does not look like an attack.
    rate=Rate(per_s=20.0, burst=40),
    account=_account,
    event_types=_event_types,
    deliver=_deliver,
    test=_test,
    pretend=pretend,
    is_advertising=True,
)
