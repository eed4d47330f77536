"""Reports: daily, weekly, monthly, of one's own choice; the calls behind a figure; and who waits to be called back.

What is asked stands in the address as the API takes it. Every table is there as a file too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask, Response, redirect, request
from werkzeug.exceptions import NotFound

from .calls import clients_of
from .charts import share
from .errors import Refused
from .filling import said_of
from .reader import Reader, asking, reader, say
from .signing_in import own_path, page
from .tables import Reading, file_of, table_of, written
from .texts import N_
from .words import WORDS

KINDS = {"daily": N_("Daily report"), "weekly": N_("Weekly report"), "monthly": N_("Monthly report")}
COMPARES = (
    ("previous", N_("with the time before")),
    ("last_year", N_("with a year ago")),
    ("none", N_("with nothing")),
)
#: What stands in the address besides the filters.
NAMED_QUERY = ("day", "compare", "compare_day", "model", "currency")
OWN_QUERY = ("from", "to", "compare", "compare_from", "compare_to", "model", "currency")
#: Of a report of one's own choice, as it is first opened.
USUAL_METRICS = ("calls", "answered", "missed", "target_calls", "cost", "cost_per_target_call")
USUAL_BY = "channel"
USUAL_DAYS = 30
MOST_LINES, MOST_MISSED, PAGE = 500, 200, 50
#: Dimensions that nobody filters by: the days and the client are asked for by themselves.
NO_FILTER = frozenset({"client", "date", "week", "month"})
#: Dimensions whose values are ids, with the list that names them and what reading it needs.
NAMED = {"target": ("/v1/targets", "flows.read"), "flow": ("/v1/flows", "flows.read"),
         "site": ("/v1/sites", "sites.read"), "client": ("/v1/clients", "tenants.read")}  # fmt: skip
MOST_NAMES = 200
CALLED_BACK = "called back"
#: Calls that nobody has to be called back for.
_SPOKEN = frozenset({"answered", "blocked"})


def add_pages(app: Flask) -> None:
    for kind in KINDS:
        app.add_url_rule(f"/console/reports/{kind}", f"report_{kind}", partial(named, kind))
        app.add_url_rule(f"/console/reports/{kind}/<section>.csv", f"report_{kind}_file", partial(named_file, kind))
    app.add_url_rule("/console/reports/own", view_func=own)
    app.add_url_rule("/console/reports/own/table.csv", view_func=own_file)
    app.add_url_rule("/console/reports/calls", view_func=behind)
    app.add_url_rule("/console/reports/missed", view_func=missed)
    app.add_url_rule("/console/reports/missed/table.csv", view_func=missed_file)
    app.add_url_rule("/console/reports/missed/<uuid:call_id>", view_func=called_back, methods=["POST"])


# --- Daily, weekly, monthly. ---


def _given(*names: str) -> dict[str, str]:
    return {name: request.args.get(name, "").strip() for name in names}


def _ask(path: str, **query: Any) -> tuple[Any, str]:
    """The answer, or what is wrong with what was asked."""
    try:
        return asking().get(path, **{"client_id": reader().client_id, **query}), ""
    except Refused as refused:
        return None, said_of(refused)


def named(kind: str) -> str:
    given = _given(*NAMED_QUERY, *_filters())
    told, problem = _ask(f"/v1/reports/{kind}", **given)
    parts = []
    if told is not None:
        reading = _reading({name for one in told["sections"] for name in one["report"]["by"]})
        parts = [(one["name"], table_of(one["report"], _metrics(one["report"]), reading))
                    for one in told["sections"]]  # fmt: skip
    return page(
        "report.html", kind=kind, title=KINDS[kind], kinds=KINDS, given=given, problem=problem, told=told,
        told_parts=parts, compares=COMPARES, around=_around(told), query=_known(given), bar=share,
        filters=_filters(), used=[name for name in _filters() if given[name]], offered=_offered(given),
        models=list(WORDS["model"]),
    )  # fmt: skip


def named_file(kind: str, section: str) -> Response:
    told = asking().get(f"/v1/reports/{kind}", client_id=reader().client_id, **_given(*NAMED_QUERY, *_filters()))
    found = next((one["report"] for one in told["sections"] if one["name"] == section), None)
    if found is None:
        raise NotFound
    return _file(file_of(found, _metrics(found), _reading(found["by"])), f"{kind}-{told['from']}-{section}")


def _around(told: Mapping[str, Any] | None) -> tuple[str, str]:
    """A day of the time before, and one of the time after; empty: that is not over yet."""
    if told is None:
        return "", ""
    before, after = date.fromisoformat(told["from"]) - timedelta(days=1), date.fromisoformat(told["to"])
    after += timedelta(days=1)
    return str(before), str(after) if after <= reader().speech.today() else ""


def _metrics(report: Mapping[str, Any]) -> list[str]:
    """In the API's own order."""
    return list(report["total"]["figures"])


def _reading(dimensions: Any) -> Reading:
    """What the words of a report mean; ids are named where the reader may see what they are of."""
    shown = reader()
    dictionary = asking().get("/v1/reports/dictionary")["metrics"]
    return Reading(
        speech=shown.speech, units={one["name"]: one["unit"] for one in dictionary},
        titles={one["name"]: one["title"] for one in dictionary},
        names={name: _names(name, shown) for name in dimensions if name in NAMED},
    )  # fmt: skip


def _names(dimension: str, shown: Reader) -> dict[str, str]:
    path, permission = NAMED[dimension]
    if not shown.may(permission):
        return {}
    client = {"client_id": shown.client_id} if dimension != "client" else {}
    if dimension == "client" and shown.reach == "client":
        return {}
    return {one["id"]: one["name"] for one in asking().get(path, limit=MOST_NAMES, **client)["data"]}


def _known(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _file(text: str, name: str) -> Response:
    answer = Response(text, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


# --- Of one's own choice. ---


def _filters() -> list[str]:
    return [name for name in WORDS["dimension"] if name not in NO_FILTER]


def _own_question() -> tuple[dict[str, Any], dict[str, str]]:
    """What is asked of the API, and what the form shows."""
    today = reader().speech.today()
    given = _given(*OWN_QUERY, "by", "then", *_filters())
    if "by" not in request.args:
        given["by"] = USUAL_BY
    given["from"] = given["from"] or str(today - timedelta(days=USUAL_DAYS - 1))
    given["to"] = given["to"] or str(today)
    metrics = request.args.getlist("metrics") or list(USUAL_METRICS)
    by = [given["by"], given["then"]] if given["then"] != given["by"] else [given["by"]]
    asked = {name: given[name] for name in (*OWN_QUERY, *_filters())}
    return asked | {"metrics": ",".join(metrics), "by": ",".join(filter(None, by)), "limit": MOST_LINES}, given


def own() -> str:
    asked, given = _own_question()
    told, problem = _ask("/v1/reports/figures", **asked)
    chosen = str(asked["metrics"]).split(",")
    table = None if told is None else table_of(told, chosen, _reading(told["by"]))
    named_filters = [name for name in _filters() if given[name]]
    return page(
        "report_own.html", given=given, problem=problem, told=told, table=table, chosen=chosen, compares=COMPARES,
        filters=_filters(), used=named_filters, file_link=_own_link(given, chosen), bar=share,
        metrics=list(WORDS["metric"]), dimensions=list(WORDS["dimension"]), offered=_offered(given),
        models=list(WORDS["model"]),
    )  # fmt: skip


def _offered(given: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Filters that are chosen and not typed: words of the platform, weekdays, and things that have names."""
    shown = reader()
    told = {name: [(value, shown.speech.say(label)) for value, label in WORDS[name].items()]
            for name in ("channel", "outcome", "repeat")}  # fmt: skip
    told["weekday"] = [(str(day), shown.speech.weekday(day)) for day in range(1, 8)]
    told |= {name: list(_names(name, shown).items()) for name in NAMED if name not in NO_FILTER}
    for name, offered in told.items():
        if name not in {"outcome", "weekday"}:
            offered.append(("-", say("not known")))
        if given[name] and given[name] not in dict(offered):
            offered.append((given[name], given[name]))
    return told


def _own_link(given: Mapping[str, str], chosen: list[str]) -> str:
    pairs = [*reader().scope.items(), *_known(given).items(), *(("metrics", one) for one in chosen)]
    if not given["by"]:
        pairs.append(("by", ""))
    return f"/console/reports/own/table.csv?{urlencode(pairs)}"


def own_file() -> Response:
    asked, _ = _own_question()
    told = asking().get("/v1/reports/figures", client_id=reader().client_id, **asked)
    text = file_of(told, str(asked["metrics"]).split(","), _reading(told["by"]))
    return _file(text, f"report-{told['from']}-{told['to']}")


def behind() -> str:
    """The calls that a figure counts."""
    given = _given("from", "to", "cursor", *_filters())
    told, problem = _ask("/v1/reports/calls", limit=PAGE, **given)
    told = told or {"data": (), "next_cursor": None}
    reading = _reading({"target", *(name for name in _filters() if given[name])})
    shown = {name: reading.value(name, None if given[name] == "-" else given[name])
             for name in _filters() if given[name]}  # fmt: skip
    return page(
        "report_calls.html", given=given, problem=problem, calls=told["data"], cursor=told["next_cursor"],
        query=_known(given), shown=shown, targets=reading.names["target"],
        clients={one["id"]: one["name"] for one in clients_of(reader())},
    )  # fmt: skip


# --- Who was missed, and has not been called back. ---


def _missed() -> tuple[dict[str, str], Any, str]:
    today = reader().speech.today()
    given = _given("from", "to")
    given = {"from": given["from"] or str(today - timedelta(days=6)), "to": given["to"] or str(today)}
    told, problem = _ask("/v1/reports/missed", limit=MOST_MISSED, **given)
    return given, told["data"] if told else (), problem


def missed() -> str:
    given, found, problem = _missed()
    return page("missed.html", given=given, problem=problem, callers=found, most=MOST_MISSED,
                clients={one["id"]: one["name"] for one in clients_of(reader())})  # fmt: skip


def missed_file() -> Response:
    given, found, problem = _missed()
    if problem:
        raise NotFound
    speech = reader().speech
    heads = [say("Caller"), say("Calls"), say("First"), say("Last"), say("Number")]
    rows = [[one["caller"], one["calls"], speech.moment(one["first_at"]), speech.moment(one["last_at"]), one["number"]]
            for one in found]  # fmt: skip
    return _file(written([heads, *rows]), f"not-called-back-{given['from']}-{given['to']}")


def called_back(call_id: UUID) -> Any:
    """Marks every call of this caller's that nobody took, up to this one: who was called back once has been called back
    for all of them."""
    last = asking().get(f"/v1/calls/{call_id}")
    for one in dict.fromkeys([str(call_id), *_others_missed(last, request.form.get("since", ""))]):
        _mark(one)
    return redirect(own_path(request.form.get("next", "")), 303)


def _others_missed(last: Mapping[str, Any], since: str) -> list[str]:
    """Earlier calls of the same caller, back to a moment; none where the number is withheld or no telephone's."""
    if last["caller"] is None or not since:
        return []
    told, problem = _ask("/v1/calls", client_id=last["client_id"], caller=last["caller"], started_from=since,
                         limit=MOST_MISSED)  # fmt: skip
    return [] if problem else [
        one["id"] for one in told["data"]
        if one["outcome"] not in _SPOKEN and one["started_at"] < last["started_at"]
    ]  # fmt: skip


def _mark(call_id: str) -> None:
    said = asking().get(f"/v1/calls/{call_id}/assessment")
    if CALLED_BACK not in said["tags"]:
        asking().write("PATCH", f"/v1/calls/{call_id}/assessment", {"tags": [*said["tags"], CALLED_BACK]},
                       version=said["version"])  # fmt: skip
