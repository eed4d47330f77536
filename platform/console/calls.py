"""The log of calls and the page of one call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Flask, render_template, request

from . import charts
from .errors import Refused
from .faults import fault_text, problem_text
from .filling import LATE, said_of
from .forms import differs, version_of, whole
from .reader import Reader, asking, reader
from .signing_in import page, see
from .words import WORDS

PAGE = 50
#: Filters that stand in the address as the API takes them.
FILTERS = ("number", "caller", "outcome", "test")


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/calls", view_func=call_log)
    app.add_url_rule("/console/calls/<uuid:call_id>", view_func=call)
    app.add_url_rule("/console/calls/<uuid:call_id>", view_func=assess_call, methods=["POST"], endpoint="assess_call")
    app.add_url_rule("/console/calls/<uuid:call_id>/not-spam", view_func=not_spam, methods=["POST"])


def call_log() -> str:
    shown = reader()
    given = {name: request.args.get(name, "").strip() for name in (*FILTERS, "from", "to", "min_talk_s", "cursor")}
    asked, problem = query_of(given, shown), ""
    try:
        found = asking().get("/v1/calls", client_id=shown.client_id, limit=PAGE, cursor=given["cursor"], **asked)
    except Refused as refused:
        problem, found = said_of(refused), {"data": (), "next_cursor": None}
    names = {one["id"]: one["name"] for one in clients_of(shown)}
    return render_template(
        "calls.html", given=given, problem=problem, calls=found["data"], cursor=found["next_cursor"],
        query={name: value for name, value in given.items() if value}, outcomes=list(WORDS["outcome"]), names=names,
        export=_export_link(asked, shown), is_filtered=any(given[name] for name in given if name != "cursor"),
    )  # fmt: skip


def query_of(given: Mapping[str, str], shown: Reader) -> dict[str, Any]:
    """The API's question: days are the page's own, and each is whole."""
    asked: dict[str, Any] = {name: given[name] for name in FILTERS if given.get(name)}
    if given.get("from"):
        asked["started_from"] = begin_of(given["from"], shown.speech.zone)
    if given.get("to"):
        asked["started_until"] = begin_of(given["to"], shown.speech.zone, later=1)
    least = whole(given.get("min_talk_s", ""))
    if least is not None:
        asked["min_talk_ms"] = least * 1000
    return asked


def begin_of(day: str, zone: str, *, later: int = 0) -> str:
    """Midnight of a day where the client is; what is no day goes to the API as it is, which says so."""
    try:
        told = datetime.fromisoformat(day).replace(tzinfo=None) + timedelta(days=later)
        begin = told.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return day
    return begin.isoformat().replace("+00:00", "Z")


def _export_link(asked: Mapping[str, Any], shown: Reader) -> str:
    if not shown.may("calls.read", "exports.read"):
        return ""
    query = {**shown.scope, **asked, "format": "csv", "bom": "true"}
    if shown.client_id:
        query["client_id"] = shown.client_id
    return f"/v1/calls/export?{urlencode(query)}"


def clients_of(shown: Reader) -> list[Mapping[str, Any]]:
    """The agency's clients, where the page is about all of them: to name whose a thing is."""
    if shown.client_id is not None or not shown.may("tenants.read"):
        return []
    return list(asking().get("/v1/clients", limit=200)["data"])


def call(call_id: UUID) -> str:
    return _call_page(call_id)


def _call_page(call_id: UUID, refused: Refused | None = None) -> str:
    shown = reader()
    assessment = asking().get(f"/v1/calls/{call_id}/assessment")
    is_late = refused is not None and refused.status == LATE
    faults = {one.place.partition(".")[0]: fault_text(one, shown.speech) for one in refused.faults} if refused else {}
    told = asking().get(f"/v1/calls/{call_id}")
    explained = asking().get(f"/v1/calls/{call_id}/explain", language=shown.speech.language)
    attribution = asking().get(f"/v1/calls/{call_id}/attribution")
    return page(
        "call.html", call=told, explained=explained, attribution=attribution,
        assessment=assessment, targets=_targets(told, shown), segments=_segments(call_id, told, shown),
        problem=problem_text(refused, shown.speech) if refused else "", faults=faults, waveform=charts.waveform,
        version=assessment["version"] if refused is None or is_late else version_of(request.form),
        kept_now=_kept_now(assessment, request.form) if is_late else {},
        form=request.form, sound_query=_sound_query(shown),
    )  # fmt: skip


def _kept_now(assessment: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, str]:
    """What is kept of each field that was sent with something else in it: somebody else was quicker."""
    sent = {name: form.get(name, "") for name in ("tags", "score", "note", "sale_reference")}
    kept = {
        "tags": ", ".join(assessment["tags"]), "note": assessment["note"] or "",
        "score": "" if assessment["score"] is None else str(assessment["score"]),
        "sale_reference": (assessment["sale"] or {}).get("reference") or "",
    }  # fmt: skip
    for name in ("value", "sale"):
        sent[name], kept[name] = _money_text(_money(form, name)), _money_text(assessment[name])
    return {name: text or "–" for name, text in kept.items() if differs(sent[name], text)}


def _money_text(money: Mapping[str, Any] | None) -> str:
    return f"{money['amount']} {money['currency']}" if money else ""


def _targets(told: Mapping[str, Any], shown: Reader) -> dict[str, str]:
    """Names of the targets that were rung."""
    if not shown.may("flows.read"):
        return {}
    names = {}
    for target_id in {leg["target_id"] for leg in told["legs"] if leg["target_id"]}:
        try:
            names[target_id] = asking().get(f"/v1/targets/{target_id}")["name"]
        except Refused:
            continue
    return names


def _segments(call_id: UUID, told: Mapping[str, Any], shown: Reader) -> list[Mapping[str, Any]]:
    """What can be heard. A recording that went meanwhile is not there."""
    if told["recording"] != "stored" or not shown.may("calls.listen"):
        return []
    try:
        return list(asking().get(f"/v1/calls/{call_id}/recording/player")["segments"])
    except Refused as refused:
        if refused.status in {404, 503}:
            return []
        raise


def _sound_query(shown: Reader) -> str:
    """What the player's own question adds to the address of the sound: the agency alone, as `Asking` names it too."""
    return f"&{urlencode({'agency_id': shown.scope['agency_id']})}" if "agency_id" in shown.scope else ""


def assess_call(call_id: UUID) -> Any:
    """Keeps tags, note, score, value and sale."""
    form = request.form
    body: dict[str, Any] = {
        "tags": [one.strip() for one in form.get("tags", "").split(",") if one.strip()],
        "note": form.get("note", "").strip() or None,
        "score": _number(form.get("score", "")),
        "value": _money(form, "value"),
        "sale": _money(form, "sale"),
    }
    if body["sale"] is not None:
        body["sale"]["reference"] = form.get("sale_reference", "").strip() or None
    try:
        asking().write("PATCH", f"/v1/calls/{call_id}/assessment", body, version=version_of(form))
    except Refused as refused:
        if refused.status not in {409, 412, 422, 428}:
            raise
        return _call_page(call_id, refused)
    return see(f"calls/{call_id}", done="kept")


def _number(text: str) -> int | str | None:
    """A whole number; what is none goes to the API as it is, which says so."""
    number = whole(text)
    return number if number is not None else text.strip() or None


def _money(form: Mapping[str, str], name: str) -> dict[str, Any] | None:
    amount = form.get(f"{name}_amount", "").strip().replace(",", ".").replace("\u00a0", "").replace(" ", "")
    return {"amount": amount, "currency": form.get(f"{name}_currency", "").strip().upper()} if amount else None


def not_spam(call_id: UUID) -> Any:
    asking().write("PUT", f"/v1/calls/{call_id}/not-spam")
    return see(f"calls/{call_id}", done="welcome")
