"""A call as Bitrix24 wants it. Pure. Fields and words are those of the public REST documentation
(github.com/bitrix24/b24restdocs, August 2026); XML_ID of a task is from practice, and verified when it is read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..facts import CallFacts
from ..returning import Deal, Origin
from .settings import Bitrix24Settings

ORIGINATOR = "dialtrace"
ENTITY_TYPES: Mapping[str, int] = {"lead": 1, "deal": 2, "contact": 3, "company": 4}
#: How a task names what it is about (UF_CRM_TASK).
TASK_LETTERS: Mapping[str, str] = {"lead": "L", "deal": "D", "contact": "C", "company": "CO"}
#: Our outcomes in the words of externalCall.finish; what is not here was missed.
STATUS_CODES: Mapping[str, str] = {
    "answered": "200", "voicemail": "304", "no_answer": "304", "caller_cancelled": "304", "busy": "486",
    "rejected": "603", "unallocated": "404", "unreachable": "503", "congestion": "503", "network_failure": "503",
    "blocked": "403",
}  # fmt: skip


def responsible(call: CallFacts, settings: Bitrix24Settings) -> int:
    """The user whose call it is."""
    return settings.users_by_target.get(str(call.target_id), settings.user_id)


def phone_forms(e164: str) -> list[str]:
    """The number as a portal may have it written: a Russian one also with 8 in front."""
    return [e164, "8" + e164[2:]] if e164.startswith("+7") and len(e164) == 12 else [e164]


def title(call: CallFacts) -> str:
    where = f" ({call.number_label})" if call.number_label else ""
    return f"Call from {call.caller} to {call.number}{where}"


def item_fields(call: CallFacts, settings: Bitrix24Settings) -> dict[str, Any]:
    """Fields of crm.item.add: camel case, the telephone number as a multiple field (leads only)."""
    fields: dict[str, Any] = {
        "title": title(call), "sourceId": settings.source_id, "sourceDescription": source_text(call),
        "assignedById": responsible(call, settings), "originatorId": ORIGINATOR, "originId": str(call.id),
    }  # fmt: skip
    fields |= {f"utm{name.capitalize()}": value for name, value in _utm(call).items()}
    if settings.create == "lead":
        fields["fm"] = [{"typeId": "PHONE", "valueType": "WORK", "value": call.caller}]
    return fields


def old_fields(call: CallFacts, settings: Bitrix24Settings) -> dict[str, Any]:
    """The same for crm.lead.add and crm.deal.add, of portals that do not know crm.item.add."""
    fields: dict[str, Any] = {
        "TITLE": title(call), "SOURCE_ID": settings.source_id, "SOURCE_DESCRIPTION": source_text(call),
        "ASSIGNED_BY_ID": responsible(call, settings), "ORIGINATOR_ID": ORIGINATOR, "ORIGIN_ID": str(call.id),
    }  # fmt: skip
    fields |= {f"UTM_{name.upper()}": value for name, value in _utm(call).items()}
    if settings.create == "lead":
        fields["PHONE"] = [{"VALUE": call.caller, "VALUE_TYPE": "WORK"}]
    return fields


def _utm(call: CallFacts) -> dict[str, str]:
    source = call.source
    words = {
        "source": source.source, "medium": source.medium, "campaign": source.campaign, "content": source.content,
        "term": source.keyword,
    }  # fmt: skip
    return {name: value for name, value in words.items() if value}


def source_text(call: CallFacts) -> str:
    """Where the call came from, in one line."""
    parts = [call.source.channel, call.source.source, call.source.campaign, call.source.keyword]
    return " / ".join(filter(None, parts))[:255]


def registration(
    call: CallFacts, settings: Bitrix24Settings, entity: Mapping[str, Any], *, show: bool
) -> dict[str, Any]:
    """externalCall.register. A deal cannot be named there."""
    body: dict[str, Any] = {
        "USER_ID": responsible(call, settings), "PHONE_NUMBER": call.caller, "TYPE": 2,
        "CALL_START_DATE": call.started_at.isoformat(timespec="seconds"), "CRM_CREATE": 0,
        "CRM_SOURCE": settings.source_id, "SHOW": int(show), "ADD_TO_CHAT": 0, "LINE_NUMBER": call.number,
        "EXTERNAL_CALL_ID": str(call.id),
    }  # fmt: skip
    if entity.get("type") in {"lead", "contact", "company"}:
        body |= {"CRM_ENTITY_TYPE": str(entity["type"]).upper(), "CRM_ENTITY_ID": entity["id"]}
    return body


def finishing(call: CallFacts, settings: Bitrix24Settings, call_id: str) -> dict[str, Any]:
    """externalCall.finish."""
    code = STATUS_CODES.get(call.outcome or "", "304")
    body = {
        "CALL_ID": call_id, "USER_ID": responsible(call, settings), "DURATION": call.talk_s, "STATUS_CODE": code,
        "ADD_TO_CHAT": 0,
    }  # fmt: skip
    return body if code == "200" else body | {"FAILED_REASON": call.outcome or ""}


def comment(call: CallFacts) -> str:
    """What the timeline tells; its last line is what it is known by."""
    lines = [f"{title(call)}: {call.outcome}" + (f", {call.talk_s} s" if call.talk_ms else "")]
    if source_text(call):
        lines.append(f"Source: {source_text(call)}")
    if call.visit is not None:
        lines += [f"Page: {call.visit.landing_page}", f"Pages seen: {call.visit.pages}"]
        if call.visit.referrer:
            lines.append(f"Came from: {call.visit.referrer}")
    return "\n".join([*lines, mark(call)])


def mark(call: CallFacts) -> str:
    """By which our comments are known again."""
    return f"[dialtrace {call.id}]"


def task_fields(call: CallFacts, settings: Bitrix24Settings, entity: Mapping[str, Any] | None) -> dict[str, Any]:
    """tasks.task.add."""
    fields: dict[str, Any] = {
        "TITLE": f"Call back {call.caller}", "RESPONSIBLE_ID": responsible(call, settings),
        "DESCRIPTION": comment(call), "XML_ID": f"dialtrace-{call.id}",
    }  # fmt: skip
    if entity is not None:
        fields["UF_CRM_TASK"] = [f"{TASK_LETTERS[entity['type']]}_{entity['id']}"]
    return fields


def first_found(result: Any) -> dict[str, Any] | None:
    """Who has the number, of crm.duplicate.findbycomm: a contact before a company before a lead. The shape of "nobody"
    is not documented: `[]`, `{}` and missing members all are."""
    found = result if isinstance(result, dict) else {}
    for kind in ("CONTACT", "COMPANY", "LEAD"):
        if found.get(kind):
            return {"type": kind.lower(), "id": int(found[kind][0]), "is_new": False}
    return None


def deal_of(row: Mapping[str, Any]) -> Deal:
    """A deal of crm.item.list. Of a pipeline of one's own a stage is `C<pipeline>:WON`."""
    stage = str(row.get("stageId", ""))
    call_id = None
    if row.get("originatorId") == ORIGINATOR:
        with suppress(ValueError):
            call_id = UUID(str(row.get("originId")))
    return Deal(
        reference=f"bitrix24 deal {row['id']}", changed_at=datetime.fromisoformat(row["updatedTime"]), stage=stage,
        is_won=stage.rpartition(":")[2] == "WON", amount=Decimal(str(row.get("opportunity") or 0)),
        currency=str(row.get("currencyId") or ""),
        sold_at=datetime.fromisoformat(row.get("movedTime") or row["updatedTime"]), call_id=call_id,
        # What a lead was turned into names it.
        origins=[Origin("entity", str(row["leadId"]), "lead")] if row.get("leadId") else [],
    )  # fmt: skip


def pretend(_method: str, what: str, _body: Mapping[str, Any]) -> dict[str, Any]:
    """What a portal answers that does not know the caller."""
    told: dict[str, Any] = {
        "crm.duplicate.findbycomm": [], "crm.item.add": {"item": {"id": 1}}, "crm.item.list": {"items": []},
        "telephony.externalCall.register": {"CALL_ID": "externalCall.1"}, "crm.timeline.comment.add": 1,
        "crm.timeline.comment.list": [], "tasks.task.add": {"task": {"id": 1}}, "tasks.task.list": {"tasks": []},
    }  # fmt: skip
    return {"result": told.get(what, {})}
