"""A call as an event of Meta's Conversions API. Pure.

`event_id` carries our id: Meta counts one event of a name for it within 48 hours. A telephone number is hashed as
digits with the country's code, without a plus (developers.facebook.com/docs/marketing-api/conversions-api).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..facts import CallFacts
from .settings import MetaSettings

#: One event that is older refuses the whole request.
OLDEST = timedelta(days=7)


def is_wanted(call: CallFacts, settings: MetaSettings) -> bool:
    """Whether the client wants this call told."""
    if settings.calls == "answered" and call.is_missed:
        return False
    return call.outcome != "blocked" and call.talk_s >= settings.min_talk_s


def click(call: CallFacts) -> str | None:
    """The click as `fbc` has it: with the moment in which it was first seen, in milliseconds."""
    found = call.visit.click_ids.get("fbclid") if call.visit is not None else None
    if not found or call.visit is None:
        return None
    return f"fb.1.{int(call.visit.started_at.timestamp() * 1000)}.{found}"


def event(call: CallFacts, settings: MetaSettings) -> dict[str, Any]:
    """One of `data`."""
    user: dict[str, Any] = {"fbc": click(call)}
    if settings.tell_caller and call.caller:
        user["ph"] = [hashlib.sha256(call.caller.removeprefix("+").encode()).hexdigest()]
    said: dict[str, Any] = {
        "event_name": settings.event_name, "event_time": int(call.started_at.timestamp()), "event_id": str(call.id),
        "action_source": "phone_call", "user_data": user,
    }  # fmt: skip
    if settings.value is not None:
        said["custom_data"] = {"value": settings.value, "currency": settings.currency}
    return said


def pretend(_method: str, _what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What Meta answers to an event that it takes."""
    return {"events_received": 1, "messages": [], "fbtrace_id": "trace"}
