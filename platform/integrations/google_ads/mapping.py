"""A call as a conversion of the click that led to it, for Google's Data Manager API. Pure.

Shapes: `google.ads.datamanager.v1` in github.com/googleapis/googleapis. `transactionId` carries our id: Google counts
one conversion for it, however often it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from ..facts import CallFacts
from .settings import GoogleAdsSettings

REFERENCE = "calls"
#: Google's click ids, the surest first.
CLICK_IDS = ("gclid", "gbraid", "wbraid")


def is_wanted(call: CallFacts, settings: GoogleAdsSettings) -> bool:
    """Whether this call is a conversion."""
    if settings.calls == "answered" and call.is_missed:
        return False
    return call.outcome != "blocked" and call.talk_s >= settings.min_talk_s


def click(call: CallFacts) -> dict[str, str]:
    """By which Google knows the click: `{"gclid": …}`; empty where no advertisement of Google's led to the call."""
    known = call.visit.click_ids if call.visit is not None else {}
    return next(({name: known[name]} for name in CLICK_IDS if known.get(name)), {})


def event(call: CallFacts, settings: GoogleAdsSettings) -> dict[str, Any]:
    """One of `events`."""
    said: dict[str, Any] = {
        "destinationReferences": [REFERENCE],
        "transactionId": str(call.id),
        "eventTimestamp": call.started_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "eventSource": "PHONE",
        "adIdentifiers": click(call),
        "consent": {
            "adUserData": _consent(call.may_advertise),
            "adPersonalization": _consent(call.may_advertise and settings.ad_personalization),
        },
    }
    if settings.value is not None:
        said |= {"conversionValue": settings.value, "currency": settings.currency}
    if settings.tell_caller and call.caller:
        said["userData"] = {"userIdentifiers": [{"phoneNumber": hashlib.sha256(call.caller.encode()).hexdigest()}]}
    return said


def _consent(is_given: bool) -> str:
    return "CONSENT_GRANTED" if is_given else "CONSENT_DENIED"


def request(settings: GoogleAdsSettings, events: Sequence[Mapping[str, Any]], *, validate_only: bool) -> dict[str, Any]:
    """The body of events:ingest."""
    destination: dict[str, Any] = {
        "reference": REFERENCE,
        "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": settings.customer_id},
        "productDestinationId": settings.conversion_action_id,
    }
    if settings.login_customer_id is not None:
        destination["loginAccount"] = {"accountType": "GOOGLE_ADS", "accountId": settings.login_customer_id}
    return {
        "destinations": [destination], "events": list(events), "encoding": "HEX", "validateOnly": validate_only,
    }  # fmt: skip


def pretend(method: str, _what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What Google answers to conversions that it takes."""
    return {"requestId": "1"} if method == "POST" else {}
