"""Visits of the client's sites; and one visit: its source, what was pressed in it, and its visitor's path."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Flask, request

from .calls import begin_of, clients_of
from .errors import Refused
from .filling import said_of
from .reader import asking, reader
from .signing_in import page
from .words import WORDS

PAGE, MOST_SITES, MOST_OF_VISITOR = 50, 200, 20
_FILTERS = ("site_id", "channel", "source", "bots")


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/visits", view_func=visits)
    app.add_url_rule("/console/visits/<uuid:visit_id>", view_func=visit)


def visits() -> str:
    shown = reader()
    given = {name: request.args.get(name, "").strip() for name in (*_FILTERS, "from", "to", "cursor")}
    asked: dict[str, Any] = {name: given[name] for name in _FILTERS}
    asked |= {"since": begin_of(given["from"], shown.speech.zone) if given["from"] else None,
              "until": begin_of(given["to"], shown.speech.zone, later=1) if given["to"] else None}  # fmt: skip
    problem = ""
    try:
        found = asking().get("/v1/visits", client_id=shown.client_id, limit=PAGE, cursor=given["cursor"], **asked)
    except Refused as refused:
        problem, found = said_of(refused), {"data": (), "next_cursor": None}
    return page(
        "visits.html", given=given, problem=problem, items=found["data"], cursor=found["next_cursor"], sites=_sites(),
        query={name: value for name, value in given.items() if value}, channels=WORDS["channel"],
        clients={one["id"]: one["name"] for one in clients_of(shown)},
        is_filtered=any(given[name] for name in given if name != "cursor"),
    )  # fmt: skip


def _sites() -> dict[str, str]:
    listed = asking().get("/v1/sites", client_id=reader().client_id, limit=MOST_SITES)["data"]
    return {one["id"]: one["name"] for one in listed}


def visit(visit_id: UUID) -> str:
    """Its path, and the visitor's other visits: the way to the call is often longer than one of them."""
    found = asking().get(f"/v1/visits/{visit_id}")
    path = asking().get("/v1/visits", client_id=found["client_id"], visitor_id=found["visitor_id"],
                        limit=MOST_OF_VISITOR)["data"]  # fmt: skip
    return page("visit.html", visit=found, path=list(reversed(path)), sites=_sites(), numbers=_numbers(found))


def _numbers(found: dict[str, Any]) -> dict[str, str]:
    """Of the numbers that were pressed, as far as the reader may see them."""
    if not reader().may("numbers.read"):
        return {}
    told = {}
    for number_id in {one["number_id"] for one in found["tel_clicks"] if one["number_id"]}:
        try:
            told[number_id] = asking().get(f"/v1/numbers/{number_id}")["number"]
        except Refused as refused:
            if refused.status != 404:
                raise
    return told
