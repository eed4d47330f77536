"""The first pages: the operator's agencies, an agency's clients at a glance, a client's calls, sources and spend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Flask, render_template, request

from . import charts
from .forms import whole
from .reader import asking, reader, say
from .words import word

#: What the page may look back over.
SPANS = (7, 30, 90)
MOST_CLIENTS = 200
#: Sources on a client's page.
MOST_SOURCES = 8
METRICS = "calls,answered,missed,target_calls,sales,revenue,cost,cost_per_target_call,time_to_answer,unique_callers"


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/home", view_func=home)


def home() -> str:
    """By how far the reader sees."""
    shown = reader()
    if not shown.holds_agency:
        return render_template("agencies.html", **_list("/v1/agencies"))
    if not shown.may("calls.read"):
        return render_template("nothing.html")
    days = _days()
    if shown.client_id is None:
        return _agency(days)
    return _client(days)


def _days() -> int:
    asked = whole(request.args.get("days", ""))
    return asked if asked in SPANS else 30


def _list(path: str) -> dict[str, Any]:
    found = asking().get(path, limit=MOST_CLIENTS, cursor=request.args.get("cursor"))
    return {"items": found["data"], "cursor": found["next_cursor"], "query": {"cursor": request.args.get("cursor", "")}}


def _figures(days: int, by: str = "", **more: Any) -> Mapping[str, Any]:
    today = reader().speech.today()
    asked: Mapping[str, Any] = asking().get(
        "/v1/reports/figures", client_id=reader().client_id, by=by,
        **{"metrics": METRICS, "from": today - timedelta(days=days - 1), "to": today} | more,
    )  # fmt: skip
    return asked


def _agency(days: int) -> str:
    """Every client with the days behind and how they compare with those before."""
    clients = _list("/v1/clients")
    told = _figures(days, "client", compare="previous", limit=5000)
    by_day = _figures(days, "client,date", metrics="calls", limit=5000)
    lines = {line["group"]["client"]: line for line in told["lines"] if not line["is_rest"]}
    rhythm: dict[str, dict[str, int]] = {}
    for line in by_day["lines"]:
        if not line["is_rest"]:
            rhythm.setdefault(line["group"]["client"], {})[line["group"]["date"]] = line["figures"]["calls"]
    today = reader().speech.today()
    dates = [str(today - timedelta(days=back)) for back in range(days - 1, -1, -1)]
    sparks = {one: charts.spark([days_of.get(date, 0) for date in dates]) for one, days_of in rhythm.items()}
    return render_template(
        "agency_home.html", days=days, spans=SPANS, total=told["total"], currency=told["currency"], lines=lines,
        sparks=sparks, done=request.args.get("done", ""), **clients,
    )  # fmt: skip


def _client(days: int) -> str:
    shown = reader()
    by_day = _figures(days, "date", compare="none", limit=200)
    total = _figures(days, compare="previous")
    sources = _figures(days, "channel,source", limit=MOST_SOURCES)
    missed = asking().get("/v1/reports/missed", client_id=shown.client_id, limit=5,
                          **{"from": shown.speech.today() - timedelta(days=6)})["data"]  # fmt: skip
    today = shown.speech.today()
    dates = [str(today - timedelta(days=back)) for back in range(days - 1, -1, -1)]
    found = {line["group"]["date"]: line["figures"] for line in by_day["lines"]}
    calls, lost = ([int(found.get(date, {}).get(name) or 0) for date in dates] for name in ("calls", "missed"))
    chart = charts.columns(
        [shown.speech.day(date, short=True) for date in dates], [(say("calls"), calls), (say("missed"), lost)],
        about=say("Calls and missed calls of each day"),
    )  # fmt: skip
    return render_template(
        "client_home.html", days=days, spans=SPANS, chart=chart, total=total["total"], currency=total["currency"],
        lines=[line for line in sources["lines"] if (line["figures"]["calls"] or 0) or line["figures"]["cost"]],
        missed=missed, by_day=list(zip(dates, calls, lost, strict=True)), bar=charts.share,
        channel=lambda value: word("channel", value, shown.speech) if value else say("not known"),
    )  # fmt: skip
