"""A call as events of the Measurement Protocol. Pure.

By Google's reference of the Measurement Protocol. Telephone numbers are personal data, which Google Analytics forbids:
none stands in an event, the call's id leads back to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ..facts import CallFacts, VisitFacts
from .settings import Ga4Settings

#: Older events are dated 72 hours back by Google, which would be a lie about when somebody called.
OLDEST = timedelta(hours=72)
_NOBODY = UUID("00000000-0000-7000-8000-000000000000")


def is_wanted(call: CallFacts, settings: Ga4Settings) -> bool:
    """Whether the client wants this call told."""
    return settings.calls == "all" or (settings.calls == "missed") == call.is_missed


def client_id(call: CallFacts) -> str | None:
    """By which Google Analytics knows the visitor; None: it was not told."""
    return str(call.visit.analytics_ids.get("ga") or "") or None if call.visit is not None else None


def session_id(call: CallFacts, settings: Ga4Settings) -> str | None:
    """The session of this property's stream. One that Google does not know would begin a new session: it is left out
    rather than guessed."""
    known = call.visit.analytics_ids.get("ga_sessions") if call.visit is not None else None
    return (known or {}).get(settings.measurement_id.removeprefix("G-"))


def payload(call: CallFacts, settings: Ga4Settings) -> dict[str, Any]:
    """The body. The call must have a visit with a client id."""
    events = [_event(settings.event_name, call, settings)]
    if settings.lead_talk_s is not None and call.talk_s >= settings.lead_talk_s:
        events.append(_event("generate_lead", call, settings))
    return {
        "client_id": client_id(call),
        "timestamp_micros": int(call.started_at.timestamp() * 1_000_000),
        "consent": {
            "ad_user_data": "GRANTED" if call.may_advertise else "DENIED",
            "ad_personalization": "GRANTED" if call.may_advertise and settings.ad_personalization else "DENIED",
        },
        "events": events,
    }


def _event(name: str, call: CallFacts, settings: Ga4Settings) -> dict[str, Any]:
    # Without engagement_time_msec an event does not show in Realtime.
    said: dict[str, Any] = {"engagement_time_msec": 1}
    said |= {"call_id": str(call.id), "call_status": call.outcome, "talk_seconds": call.talk_s}
    session = session_id(call, settings)
    if session is not None:
        said["session_id"] = session
    if call.number_id is not None:
        said["tracking_number_id"] = str(call.number_id)
    if settings.value is not None:
        said |= {"value": settings.value, "currency": settings.currency}
    return {"name": name, "params": said}


def sample(call: CallFacts, settings: Ga4Settings, now: datetime) -> CallFacts:
    """A made-up call, for Google to say whether events like it are valid."""
    stream = settings.measurement_id.removeprefix("G-")
    ids = {"ga": "1000000001.1787200000", "ga_sessions": {stream: "1787209900"}}
    visit = VisitFacts(id=_NOBODY, started_at=now, consent="given", analytics_ids=ids)
    return replace(call, started_at=now, outcome="answered", talk_ms=86_400_000, number_id=_NOBODY, visit=visit)


def pretend(_method: str, _what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What Google answers to whatever it is sent: nothing."""
    return {}
