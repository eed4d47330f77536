"""A call in amoCRM's words. Pure.

`uniq` of a call and of an incoming lead carries our id; `request_id` names an item in an answer. The account matches
callers by the last ten digits (developers.kommo.com, "Calls", "Leads", "Incoming leads").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ..facts import CallFacts
from ..returning import Deal, Origin
from .settings import AmocrmSettings

#: call_status: 1 voice mail, 3 not available, 4 conversation, 5 wrong number, 6 no answer, 7 busy.
_STATUSES: Mapping[str, int] = {
    "answered": 4, "voicemail": 1, "no_answer": 6, "busy": 7, "unallocated": 5, "rejected": 3, "unavailable": 3,
    "network_failure": 3,
}  # fmt: skip
#: The status of a lead that was won, in every pipeline of every account.
WON = 142
#: Of the fields that every account has, by our word.
UTM_CODES: Mapping[str, str] = {
    "source": "UTM_SOURCE", "medium": "UTM_MEDIUM", "campaign": "UTM_CAMPAIGN", "content": "UTM_CONTENT",
    "keyword": "UTM_TERM",
}  # fmt: skip


def responsible(call: CallFacts, settings: AmocrmSettings) -> int | None:
    """The user whose call it is; None: whom the account chooses."""
    return settings.users_by_target.get(str(call.target_id), settings.user_id)


def call_item(call: CallFacts, settings: AmocrmSettings) -> dict[str, Any]:
    """POST /api/v4/calls, one item."""
    item: dict[str, Any] = {
        "direction": "inbound", "duration": call.talk_s, "source": settings.source_name, "phone": call.caller,
        "uniq": str(call.id), "call_status": _STATUSES.get(call.outcome or "", 6), "call_result": _result(call),
        "created_at": int(call.started_at.timestamp()), "request_id": str(call.id),
    }  # fmt: skip
    user = responsible(call, settings)
    return item | ({"responsible_user_id": user, "call_responsible": user} if user is not None else {})


def _result(call: CallFacts) -> str:
    """One line for whoever reads the card."""
    where = " / ".join(filter(None, (call.source.source, call.source.campaign, call.source.keyword)))
    line = f"{(call.outcome or '').replace('_', ' ')}, {call.number}"
    return (f"{line} ({call.number_label})" if call.number_label else line) + (f", {where}" if where else "")


def lead_item(call: CallFacts, settings: AmocrmSettings, field_ids: Mapping[str, int]) -> dict[str, Any]:
    """POST /api/v4/leads/complex, one item. ``field_ids``: of the account's fields, by their codes."""
    item: dict[str, Any] = {"name": f"Call {call.caller}", "request_id": str(call.id), "_embedded": contacts(call)}
    placed = {"pipeline_id": settings.pipeline_id, "status_id": settings.status_id}
    placed["responsible_user_id"] = responsible(call, settings)
    item |= {name: value for name, value in placed.items() if value is not None}
    values = [
        {"field_id": field_ids[code], "values": [{"value": value}]}
        for word, code in UTM_CODES.items()
        if code in field_ids and (value := getattr(call.source, word))
    ]
    if values:
        item["custom_fields_values"] = values
    return item | ({"tags_to_add": [{"name": settings.tag}]} if settings.tag else {})


def contacts(call: CallFacts) -> dict[str, Any]:
    """Who calls, as somebody new."""
    phone = {"field_code": "PHONE", "values": [{"value": call.caller, "enum_code": "WORK"}]}
    return {"contacts": [{"name": call.caller, "custom_fields_values": [phone]}]}


def unsorted_item(call: CallFacts, settings: AmocrmSettings) -> dict[str, Any]:
    """POST /api/v4/leads/unsorted/sip, one item; it makes the call's event too."""
    item: dict[str, Any] = {
        "source_name": settings.source_name, "source_uid": str(call.number_id or call.number),
        "created_at": int(call.started_at.timestamp()), "request_id": str(call.id),
        "metadata": {
            "phone": call.caller, "called_at": int(call.started_at.timestamp()), "duration": call.talk_s,
            "service_code": "dialtrace", "uniq": str(call.id), "is_call_event_needed": True,
        },
        "_embedded": {"leads": [{"name": f"Call {call.caller}"}], **contacts(call)},
    }  # fmt: skip
    return item | ({"pipeline_id": settings.pipeline_id} if settings.pipeline_id is not None else {})


def embedded(answer: Any, name: str) -> Sequence[Mapping[str, Any]]:
    """The objects of a list; an empty one is answered with nothing at all."""
    found = (answer.get("_embedded") or {}).get(name) if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []


def deal_of(row: Mapping[str, Any], currency: str) -> Deal:
    """A lead of GET /api/v4/leads. Its price is a whole number of the account's currency."""
    changed_at = datetime.fromtimestamp(int(row["updated_at"]), UTC)
    closed = row.get("closed_at")
    return Deal(
        reference=f"amocrm lead {row['id']}", changed_at=changed_at, stage=str(row.get("status_id", "")),
        is_won=row.get("status_id") == WON, amount=Decimal(str(row.get("price") or 0)), currency=currency,
        sold_at=datetime.fromtimestamp(int(closed), UTC) if closed else changed_at,
        origins=[Origin("lead", str(row["id"]))],
    )  # fmt: skip


def pretend(method: str, what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What an account answers that does not know the caller before it has a lead of him; a dry run shows both tries."""
    if method == "GET":
        return {}
    told: dict[str, Any] = {
        "calls": {"_total_items": 0, "errors": [{"detail": "Entity not found"}], "_embedded": {"calls": []}},
        "leads/complex": {"items": [{"id": 1, "contact_id": 1}]},
        "leads/unsorted/sip": {"_embedded": {"unsorted": [{"uid": "1"}]}},
        "calls again": {"_embedded": {"calls": [{"id": 1, "entity_id": 1}]}},
    }
    answer: dict[str, Any] = told.get(what, {})
    return answer
