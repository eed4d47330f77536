"""Lists, forms and pages of the kinds in `things`, and the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from flask import Flask, render_template, request
from werkzeug.exceptions import NotFound

from . import prices
from .calls import clients_of
from .errors import Refused
from .faults import problem_text
from .filling import LATE, MENDABLE, formed
from .forms import Choices, Field, body_of, version_of
from .reader import asking, reader, say
from .signing_in import page, see
from .things import KINDS, Column, Kind
from .words import word

PAGE = 50
#: What one choice offers.
MOST_CHOICES = 200
#: Lists that are the agency's own, of no client.
OF_AGENCY = frozenset({"/v1/price-books"})


def add_pages(app: Flask) -> None:
    for kind in KINDS:
        base = f"/console/{kind.key}"
        for path, name, methods, view in (
            ("", "list", ["GET"], list_things), ("/new", "new", ["GET", "POST"], new_thing),
            ("/<uuid:thing_id>", "one", ["GET", "POST"], one_thing),
            ("/<uuid:thing_id>/remove", "remove", ["POST"], remove_thing),
            ("/<uuid:thing_id>/do/<name>", "do", ["POST"], do_deed),
        ):  # fmt: skip
            app.add_url_rule(base + path, f"{kind.key}_{name}", partial(view, kind), methods=methods)
    app.add_url_rule("/console/sites/<uuid:site_id>/rules", view_func=site_rules, methods=["POST"])
    app.add_url_rule("/console/prices/<uuid:book_id>/editions", view_func=add_edition, methods=["POST"])
    app.add_url_rule("/console/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>", view_func=delivery)
    app.add_url_rule("/console/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay",
                     view_func=replay_delivery, methods=["POST"])  # fmt: skip
    app.add_url_rule("/console/audit", view_func=audit)


def list_things(kind: Kind) -> str:
    shown = reader()
    query = {"cursor": request.args.get("cursor", "")}
    wanted = {"client_id": shown.client_id} if kind.key != "keys" and kind.owner != "agency" else {}
    found = asking().get(kind.path, limit=PAGE, cursor=query["cursor"], **wanted)
    clients = {one["id"]: one["name"] for one in clients_of(shown)} if kind.owner != "agency" else {}
    return page(
        "things.html", kind=kind, items=found["data"], cursor=found["next_cursor"], query=query, clients=clients,
        cell=cell, may_make=may_make(kind),
    )  # fmt: skip


def may_make(kind: Kind) -> bool:
    """Or remove one: where the agency alone makes them, it alone takes them away."""
    return _may(kind, kind.makers)


def _may(kind: Kind, reaches: tuple[str, ...]) -> bool:
    return reader().may(kind.write) and reader().reach in reaches


def cell(column: Column, thing: Mapping[str, Any]) -> str:
    """A member as people read it."""
    value, speech = thing.get(column.name), reader().speech
    shown: dict[str, Callable[[Any], str]] = {
        "text": lambda told: str(told) if told not in (None, "") else "–", "moment": speech.moment,
        "number": speech.number, "share": lambda told: speech.share(told, 1),
        "yes": lambda told: say("yes") if told else say("no"), "list": lambda told: ", ".join(told) or "–",
    }  # fmt: skip
    return shown[column.kind](value) if column.kind in shown else word(column.kind, value, speech)


def _fields(kind: Kind, when: str) -> list[Field]:
    return [one for one in kind.fields if one.when in {when, "both"}]


def _picks(fields: Iterable[Field], thing: Mapping[str, Any], client_id: str | None) -> dict[str, Choices]:
    """What the fields choose from: a client's own things, and first what is kept where the list ends before it."""
    found: dict[str, Choices] = {}
    for field in (one for one in fields if one.source):
        if field.source not in found:
            whose = {} if field.source in OF_AGENCY else {"client_id": client_id}
            listed = asking().get(field.source, limit=MOST_CHOICES, **whose)["data"]
            found[field.source] = [(one["id"], one["name"]) for one in listed]
        kept = thing.get(field.name)
        if kept and kept not in dict(found[field.source]):
            found[field.source] = [(kept, _name_of(field.source, kept)), *found[field.source]]
    return found


def _name_of(source: str, thing_id: str) -> str:
    """Of what may have gone meanwhile: its id then."""
    try:
        return str(asking().get(f"{source}/{thing_id}")["name"])
    except Refused:
        return thing_id


def new_thing(kind: Kind) -> Any:
    """The empty form, or what was sent. Where each belongs to a client, that is chosen first."""
    shown = reader()
    if not may_make(kind):
        raise NotFound
    if kind.owner == "client" and shown.client_id is None:
        return page("choose_client.html", kind=kind, clients=clients_of(shown))
    fields = _fields(kind, "new")
    if request.method == "GET":
        return _form(kind, fields, {})
    body = body_of(fields, request.form, shown.speech.zone)
    if shown.client_id is not None and kind.owner != "agency":
        body["client_id"] = shown.client_id
    if kind.key == "keys":
        body["role"] = "client" if shown.client_id else "agency"
    try:
        made = asking().write("POST", kind.path, body, once=request.form.get("once", ""))
    except Refused as refused:
        return _form(kind, fields, {}, refused)
    if kind.shown_once:
        return page("secret.html", kind=kind, secret=made[kind.shown_once], thing=made)
    return see(f"{kind.key}/{made['id']}", done="made")


def _form(kind: Kind, fields: list[Field], thing: Mapping[str, Any], refused: Refused | None = None) -> str:
    told = mended(fields, thing, refused)
    return page("new_thing.html", kind=kind, **told)


def mended(fields: list[Field], thing: Mapping[str, Any], refused: Refused | None) -> dict[str, Any]:
    """Fields with what stands in them and what they choose from, and what is wrong with what was sent."""
    return formed(fields, thing, refused, picks=_picks(fields, thing, thing.get("client_id") or reader().client_id))


def one_thing(kind: Kind, thing_id: UUID) -> Any:
    """The page of one; a form that was sent changes it."""
    path = f"{kind.path}/{thing_id}"
    thing = asking().get(path)
    fields = _fields(kind, "change") if kind.changed_by and _may(kind, kind.changers) else []
    if request.method == "GET":
        return _thing_page(kind, thing, fields)
    if not fields:
        raise NotFound
    body = body_of(fields, request.form, reader().speech.zone, changes=True)
    try:
        asking().write(kind.changed_by, path, body, version=version_of(request.form))
    except Refused as refused:
        return _thing_page(kind, thing, fields, refused)
    return see(f"{kind.key}/{thing_id}", done="changed")


def _thing_page(
    kind: Kind, thing: Mapping[str, Any], fields: list[Field], refused: Refused | None = None, **more: Any
) -> str:
    extra = EXTRAS[kind.key](thing) if kind.key in EXTRAS else {}
    rules = {"rules_problem": "", "rules_sent": None, "rules_at": None, "rules_late": False, "preview": None}
    told = rules | extra | more
    return page("thing.html", kind=kind, thing=thing, cell=cell, may_write=may_make(kind),
                **mended(fields, thing, refused), **told)  # fmt: skip


def remove_thing(kind: Kind, thing_id: UUID) -> Any:
    if not kind.remove:
        raise NotFound
    asking().write("DELETE", f"{kind.path}/{thing_id}")
    return see(kind.key, done="removed")


def do_deed(kind: Kind, thing_id: UUID, name: str) -> Any:
    if name not in {deed.path for deed in kind.deeds}:
        raise NotFound
    asking().write("POST", f"{kind.path}/{thing_id}/{name}", once=request.form.get("once", ""))
    return see(f"{kind.key}/{thing_id}", done="done")


# --- What single kinds show besides. ---


def _site(site: Mapping[str, Any]) -> dict[str, Any]:
    """The line for its pages, whether they speak to us, and its rules."""
    visits = asking().get("/v1/visits", site_id=site["id"], client_id=site["client_id"], limit=1)["data"]
    rules = asking().get(f"/v1/sites/{site['id']}/rules")
    return {
        "snippet": asking().get(f"/v1/sites/{site['id']}/snippet")["html"], "visit": next(iter(visits), None),
        "rules": rules, "rules_text": json.dumps(rules["draft"] or rules["live"], ensure_ascii=False, indent=2),
    }  # fmt: skip


def site_rules(site_id: UUID) -> Any:
    """Keeps a draft, throws it away, makes it live, or gives a link to a page that shows it."""
    path, deed = f"/v1/sites/{site_id}", request.form.get("deed", "")
    kind = next(one for one in KINDS if one.key == "sites")
    site, sent = asking().get(path), request.form.get("rules", "")
    once = request.form.get("once", "")
    once, version = once and f"{once}-{deed}", version_of(request.form)
    try:
        if deed == "draft":
            asking().write("PUT", f"{path}/rules/draft", {"rules": json.loads(sent)}, version=version)
        elif deed == "discard":
            asking().write("DELETE", f"{path}/rules/draft", version=version)
        elif deed == "publish":
            asking().write("POST", f"{path}/rules/publish", version=version, once=once)
        elif deed == "preview":
            asked = {"page": request.form.get("page", "")}
            link = asking().write("POST", f"{path}/preview", asked, once=once)["link"]
            return _thing_page(kind, site, _fields(kind, "change"), preview=link)
        else:
            raise NotFound
    except ValueError as error:
        problem = say("This is no JSON: %(why)s", why=str(error))
        return _thing_page(
            kind, site, _fields(kind, "change"), rules_problem=problem, rules_sent=sent, rules_at=version
        )
    except Refused as refused:
        if refused.status not in MENDABLE:
            raise
        faults = [f"{one.place}: {one.detail}" for one in refused.faults]
        problem = "; ".join(faults) or problem_text(refused, reader().speech)
        is_late = refused.status == LATE
        late = {"rules_at": None if is_late else version, "rules_late": is_late and bool(sent)}
        more: dict[str, Any] = {"rules_problem": problem, "rules_sent": sent or None, **late}
        return _thing_page(kind, site, _fields(kind, "change"), **more)
    return see(f"sites/{site_id}", done="changed")


def add_edition(book_id: UUID) -> Any:
    """Prices from a moment on."""
    form, speech, path = request.form, reader().speech, f"/v1/price-books/{book_id}"
    kind = next(one for one in KINDS if one.key == "prices")
    book = asking().get(path)
    more: dict[str, Any] = {"sent": {name: form.get(name, "") for name in ("valid_from", "monthly_minimum", "rates")}}
    try:
        asking().write("POST", f"{path}/editions", prices.edition_of(form), once=form.get("once", ""))
    except ValueError as error:
        more["edition_problem"] = say("The first line names the columns, and %(what)s is none of them.",
                                      what=str(error))  # fmt: skip
        return _thing_page(kind, book, _fields(kind, "change"), **more)
    except Refused as refused:
        if refused.status not in MENDABLE:
            raise
        more |= {"edition_problem": problem_text(refused, speech),
                 "edition_faults": [prices.line_fault(one) for one in refused.faults]}  # fmt: skip
        return _thing_page(kind, book, _fields(kind, "change"), **more)
    return see(f"prices/{book_id}", done="made")


def _pool(pool: Mapping[str, Any]) -> dict[str, Any]:
    path = f"/v1/pools/{pool['id']}"
    numbers = asking().get("/v1/numbers", pool_id=pool["id"], client_id=pool["client_id"], limit=MOST_CHOICES)["data"]
    forecast = asking().get(f"{path}/forecast") if pool["status"] == "active" else None
    return {"standing": asking().get(f"{path}/standing"), "forecast": forecast, "numbers": numbers}


def _webhook(webhook: Mapping[str, Any]) -> dict[str, Any]:
    query = {"cursor": request.args.get("cursor", "")}
    found = asking().get(f"/v1/webhooks/{webhook['id']}/deliveries", limit=PAGE, **query)
    return {"deliveries": found["data"], "cursor": found["next_cursor"], "query": query}


def delivery(webhook_id: UUID, delivery_id: UUID) -> str:
    told = asking().get(f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}")
    body = json.dumps(told["request_body"], ensure_ascii=False, indent=2)
    return page("delivery.html", delivery=told, webhook_id=webhook_id, body=body)


def replay_delivery(webhook_id: UUID, delivery_id: UUID) -> Any:
    path = f"webhooks/{webhook_id}/deliveries/{delivery_id}"
    asking().write("POST", f"/v1/{path}/replay", once=request.form.get("once", ""))
    return see(path, done="done")


EXTRAS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "sites": _site, "pools": _pool, "webhooks": _webhook, "prices": prices.editions_of,
}  # fmt: skip


def audit() -> str:
    """Who did what."""
    query = {name: request.args.get(name, "") for name in ("action", "cursor")}
    found = asking().get("/v1/audit-log", limit=PAGE, client_id=reader().client_id, **query)
    return render_template("audit.html", items=found["data"], cursor=found["next_cursor"], query=query)
