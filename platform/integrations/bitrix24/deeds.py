"""What a Bitrix24 portal is told: a card while it rings, the call, a lead or deal of a new caller, a comment, a task.

`telephony.externalCall.register` and `.finish` are for applications by the documentation of August 2026, while many
portals take them from webhooks: so they are tried, and where the portal says WRONG_AUTH_TYPE the CRM alone is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from ..errors import Broken, GiveUp, NothingToDo, Outcome
from ..model import Check, Made, Rate, System
from ..returning import Deal, Mark
from ..work import Work
from .client import Refused, ask, is_refused
from .mapping import (
    ENTITY_TYPES,
    ORIGINATOR,
    comment,
    deal_of,
    finishing,
    first_found,
    item_fields,
    mark,
    old_fields,
    phone_forms,
    pretend,
    registration,
    task_fields,
)
from .settings import Bitrix24Secrets, Bitrix24Settings

#: The portal gives the same call for the same registration within 30 minutes; later it would be another.
REGISTER_AGAIN = timedelta(minutes=25)
#: Lists have pages of so many.
PAGE = 50
DEAL_FIELDS = [
    "id", "stageId", "opportunity", "currencyId", "leadId", "originatorId", "originId", "updatedTime", "movedTime",
]  # fmt: skip
_UNKNOWN_METHOD = ("ERROR_METHOD_NOT_FOUND",)


def _account(settings: Bitrix24Settings, secrets: Bitrix24Secrets) -> str:
    """Counted by portal and by our address, whoever's webhook it is."""
    return urlsplit(secrets.webhook_url or settings.portal_url).netloc.lower()


def _event_types(settings: Bitrix24Settings) -> Sequence[str]:
    if settings.mode == "auto" and settings.show_card:
        return ("call.ringing", "call.ended")
    return ("call.ended",)


def _deliver(work: Work) -> None:
    if not work.call.caller:
        raise NothingToDo("no_caller", "the caller withheld his number, and the portal knows calls by it")
    if work.type == "call.ringing":
        _show_card(work)
    else:
        _tell_end(work)


def _show_card(work: Work) -> None:
    if work.call.is_over:
        raise NothingToDo("too_late", "it does not ring any more")
    _register(work, _entity(work), show=True)


def _tell_end(work: Work) -> None:
    entity = _entity(work)
    registered = _register(work, entity, show=False) if work.settings.mode == "auto" else None
    if registered is not None:
        _finish(work, registered)
    closed = None
    if entity is not None and (work.settings.comment or registered is None):
        closed = _comment_where_allowed(work, entity)
    if work.call.is_missed and work.settings.missed_task:
        _task(work, entity)
    if closed is not None:
        raise closed
    if entity is None and registered is None and not (work.call.is_missed and work.settings.missed_task):
        raise NothingToDo("unknown_caller", "the portal does not know the caller, and nothing is to be made of him")


# --- Who called. ---


def _entity(work: Work) -> Mapping[str, Any] | None:
    """Whom the portal has the call of: somebody it knows, or what is made of him. None: nobody."""
    kept = work.made("entity")
    if kept is not None:
        return kept.data
    if work.journal.find("entity") is None and (known := _known(work)) is not None:
        work.journal.keep("entity", Made(str(known["id"]), known))
        return known
    if work.settings.create == "none":
        return None
    made = work.once("entity", lambda: _create(work), find=lambda: _created(work), look_first=work.is_late)
    return made.data


def _known(work: Work) -> dict[str, Any] | None:
    body = {"type": "PHONE", "values": phone_forms(work.call.caller or "")}
    return first_found(ask(work, "crm.duplicate.findbycomm", body))


def _create(work: Work) -> Made:
    kind = work.settings.create
    body = {"entityTypeId": ENTITY_TYPES[kind], "fields": item_fields(work.call, work.settings)}
    try:
        remote = ask(work, "crm.item.add", body)["item"]["id"]
    except Refused as refusal:
        if not is_refused(refusal, *_UNKNOWN_METHOD):
            raise
        remote = ask(work, f"crm.{kind}.add", {"fields": old_fields(work.call, work.settings)})
    return _made_entity(kind, remote)


def _created(work: Work) -> Made | None:
    """By the id that it was made with."""
    kind, origin = work.settings.create, str(work.call.id)
    wanted = {"originatorId": ORIGINATOR, "originId": origin}
    body = {"entityTypeId": ENTITY_TYPES[kind], "filter": wanted, "select": ["id", "originId"]}
    try:
        rows = ask(work, "crm.item.list", body)["items"]
        found = [row["id"] for row in rows if row.get("originId") == origin]
    except Refused as refusal:
        if not is_refused(refusal, *_UNKNOWN_METHOD):
            raise
        old = {"filter": {"ORIGINATOR_ID": ORIGINATOR, "ORIGIN_ID": origin}, "select": ["ID", "ORIGIN_ID"]}
        found = [row["ID"] for row in ask(work, f"crm.{kind}.list", old) if row.get("ORIGIN_ID") == origin]
    return _made_entity(kind, found[0]) if found else None


def _made_entity(kind: str, remote: Any) -> Made:
    return Made(str(remote), {"type": kind, "id": int(remote), "is_new": True})


# --- The call. ---


def _register(work: Work, entity: Mapping[str, Any] | None, *, show: bool) -> str | None:
    """The portal's id of the call; None: it takes no calls of us."""
    kept = work.journal.find("call")
    if kept is not None and kept.made is None and kept.begun_at and work.now - kept.begun_at > REGISTER_AGAIN:
        raise GiveUp("in_doubt", "whether the portal has the call is not known, and registering it now might double it")
    body = registration(work.call, work.settings, entity or {}, show=show)
    if kept is not None:
        # The portal knows a registration by its user too, and who is responsible may have become somebody else.
        body |= kept.asked
    try:
        made = work.once(
            "call", lambda: Made(str(ask(work, "telephony.externalCall.register", body)["CALL_ID"])),
            asked={"USER_ID": body["USER_ID"]},
        )  # fmt: skip
    except Refused as refusal:
        if not is_refused(refusal, "WRONG_AUTH_TYPE", *_UNKNOWN_METHOD):
            raise
        if work.type == "call.ringing":
            raise NothingToDo("crm_only", f"the portal shows no cards for us ({refusal.word})") from refusal
        return None
    return made.remote_id


def _finish(work: Work, call_id: str) -> None:
    is_again = work.journal.find("finish") is not None
    body = finishing(work.call, work.settings, call_id)

    def finish() -> Made:
        try:
            result = ask(work, "telephony.externalCall.finish", body)
        except Refused as refusal:
            # It was finished by the try whose answer was lost.
            if is_again and "not found" in refusal.detail.lower():
                return Made(call_id)
            raise
        activity = result.get("CRM_ACTIVITY_ID") if isinstance(result, dict) else None
        return Made(str(activity or call_id))

    work.once("finish", finish)


# --- What is said besides. ---


def _comment(work: Work, entity: Mapping[str, Any]) -> None:
    about = {"ENTITY_ID": entity["id"], "ENTITY_TYPE": entity["type"]}

    def find() -> Made | None:
        body = {"filter": about, "select": ["ID", "COMMENT"], "order": {"ID": "DESC"}}
        rows = ask(work, "crm.timeline.comment.list", body)
        found = [row["ID"] for row in rows if mark(work.call) in str(row.get("COMMENT", ""))]
        return Made(str(found[0])) if found else None

    def make() -> Made:
        return Made(str(ask(work, "crm.timeline.comment.add", {"fields": {**about, "COMMENT": comment(work.call)}})))

    work.once("comment", make, find=find, look_first=work.is_late)


def _comment_where_allowed(work: Work, entity: Mapping[str, Any]) -> GiveUp | None:
    """The same word as for a portal without REST, but others of its answers came: only this entity is closed to us."""
    try:
        _comment(work, entity)
    except Broken as outcome:
        if outcome.word != "access_denied":
            raise
        return GiveUp(outcome.word, f"the user of the webhook may not comment on {entity['type']} {entity['id']}")
    return None


def _task(work: Work, entity: Mapping[str, Any] | None) -> None:
    fields = task_fields(work.call, work.settings, entity)

    def find() -> Made | None:
        body = {"filter": {"XML_ID": fields["XML_ID"]}, "select": ["ID", "XML_ID"]}
        rows = ask(work, "tasks.task.list", body)["tasks"]
        found = [row["id"] for row in rows if row.get("xmlId") == fields["XML_ID"]]
        return Made(str(found[0])) if found else None

    def make() -> Made:
        return Made(str(ask(work, "tasks.task.add", {"fields": fields})["task"]["id"]))

    work.once("task", make, find=find, look_first=work.is_late)


# --- What comes back. ---


def _read(work: Work, mark: Mark) -> tuple[list[Deal], bool]:
    body = {
        "entityTypeId": ENTITY_TYPES["deal"], "filter": {">=updatedTime": mark.since.isoformat(timespec="seconds")},
        "order": {"updatedTime": "ASC", "id": "ASC"}, "select": DEAL_FIELDS, "start": mark.skip,
    }  # fmt: skip
    rows = ask(work, "crm.item.list", body)["items"]
    return [deal_of(row) for row in rows], len(rows) < PAGE


# --- Whether it could be. ---


def _test(work: Work) -> list[Check]:
    checks = []
    for name, method, body in (
        ("crm", "crm.duplicate.findbycomm", {"type": "PHONE", "values": ["+442079460000"]}),
        ("user", "user.get", {"ID": work.settings.user_id}),
        ("telephony", "telephony.externalLine.get", {}),
    ):
        try:
            result = ask(work, method, body)
        except Outcome as outcome:
            checks.append(_told(name, outcome))
            continue
        is_well = name != "user" or bool(result)
        checks.append(Check(name, is_well, "" if is_well else "the portal has no such user: look at user_id"))
    return checks


def _told(name: str, outcome: Outcome) -> Check:
    if name == "telephony" and is_refused(outcome, "WRONG_AUTH_TYPE"):
        return Check(name, True, "the portal takes calls from applications only: leads, comments and tasks are made")
    if name == "user" and outcome.word == "insufficient_scope":
        return Check(name, True, "not looked up: the webhook may not read users")
    return Check(name, False, outcome.detail or outcome.word)


BITRIX24 = System(
    name="bitrix24",
    title="Bitrix24",
    summary="A card while it rings, the call, a lead or deal of a new caller with its source, a task for missed calls.",
    settings=Bitrix24Settings,
    secrets=Bitrix24Secrets,
    # A leaky bucket of 50 that loses two a second, by portal and our address; the documents advise 1.5 a second.
    rate=Rate(per_s=1.5, burst=40, spare=20),
    account=_account,
    event_types=_event_types,
    deliver=_deliver,
    test=_test,
    pretend=pretend,
    read=_read,
)
