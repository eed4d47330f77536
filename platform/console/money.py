"""Accounts, statements and usage by day.

A client sees its own account; an agency those of its clients, and its own as the operator's customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Flask, request
from werkzeug.exceptions import NotFound

from . import charts
from .calls import clients_of
from .errors import Refused
from .filling import formed
from .forms import Choices, Field, body_of, version_of
from .reader import asking, reader
from .signing_in import page, see
from .texts import N_

#: Of usage, and of the ledger.
USAGE_DAYS, PAGE, MOST_STATEMENTS, MOST_BOOKS = 30, 25, 24, 200
MODES = (("postpaid", N_("postpaid")), ("prepaid", N_("prepaid")))
_BOOK = Field(name="price_book_id", label=N_("Price book"), kind="pick", source="/v1/price-books")
_RULES = (
    Field(name="mode", label=N_("How it is paid"), kind="choice", choices=MODES, empty="omit"),
    Field(name="lowest_balance", label=N_("Lowest balance"), empty="omit", help=N_("Of a prepaid account.")),
    Field(name="alarms", label=N_("Tell when the balance falls below"), kind="lines", help=N_("One a line.")),
    Field(name="due_days", label=N_("Days to pay a statement"), kind="number", empty="omit"),
    Field(name="grace_days", label=N_("Days that it goes on when overdue"), kind="number", empty="omit"),
    Field(name="then_action", label=N_("And then"), kind="choice", empty="omit",
          choices=(("keep", N_("calls go on")), ("suspend", N_("calls are refused")))),
)  # fmt: skip
NEW_ACCOUNT = (
    Field(name="currency", label=N_("Currency"), required=True, help=N_("Such as EUR.")), _BOOK, _RULES[0],
)  # fmt: skip
ACCOUNT = (_BOOK, *_RULES)
ENTRY = (
    Field(name="kind", label=N_("What"), kind="choice", choices=(
        ("payment", N_("payment")), ("credit", N_("credit")), ("correction", N_("correction")))),
    Field(name="amount", label=N_("Amount"), required=True, help=N_("A correction may be below nought.")),
    Field(name="reference", label=N_("Reference"), required=True,
          help=N_("The same one again is the same movement: nothing is booked twice.")),
    Field(name="note", label=N_("Note"), empty="omit"),
)  # fmt: skip


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/money", view_func=money)
    app.add_url_rule("/console/money/statements/<month>", view_func=statement)
    for path, view in (("open", open_account), ("change", change_account), ("entry", book_entry)):
        app.add_url_rule(f"/console/money/{path}", f"money_{path}", view, methods=["POST"])


def _path() -> str:
    """Of the account that the page is about."""
    shown = reader()
    if shown.client_id is not None:
        return f"/v1/clients/{shown.client_id}/billing"
    return f"/v1/agencies/{shown.agency_id}/billing"


def _may_manage() -> bool:
    """Of a client's account, its agency; of the agency's own, the operator."""
    shown = reader()
    by = "client" if shown.client_id is None else ""
    return shown.may("billing.write") and shown.reach != "client" and (not by or shown.reach == "operator")


def _account() -> Mapping[str, Any] | None:
    """None: none was opened yet."""
    try:
        found: Mapping[str, Any] = asking().get(_path())
    except Refused as refused:
        if refused.status != 404 or refused.code != "not_found":
            raise
        return None
    return found


def money() -> str:
    return _money_page()


def _money_page(form: str = "", refused: Refused | None = None) -> str:
    shown, account = reader(), _account()
    accounts = []
    if shown.client_id is None:
        accounts = asking().get(f"/v1/agencies/{shown.agency_id}/billing/accounts")["accounts"]
    told: dict[str, Any] = {"statements": (), "entries": (), "cursor": None, "days": ()}
    if account is not None:
        told = _standing()
    return page(
        "money.html", account=account, accounts=[one for one in accounts if one["client_id"]], may_manage=_may_manage(),
        clients={one["id"]: one["name"] for one in clients_of(shown)}, form=form, bar=charts.share,
        query={"cursor": request.args.get("cursor", "")}, file_link=_file_link, month=str(shown.speech.today())[:7],
        **told, **_forms(account, form, refused),
    )  # fmt: skip


def _standing() -> dict[str, Any]:
    """What the account's page lists."""
    today = reader().speech.today()
    days = asking().get(f"{_path()}/usage", **{"from": today - timedelta(days=USAGE_DAYS - 1),
                                               "until": today + timedelta(days=1)})["days"]  # fmt: skip
    entries = asking().get(f"{_path()}/entries", limit=PAGE, cursor=request.args.get("cursor", ""))
    return {
        "statements": asking().get(f"{_path()}/statements", limit=MOST_STATEMENTS)["data"],
        "entries": entries["data"], "cursor": entries["next_cursor"], "days": days,
        "most": max((float(one["amount"]) for one in days), default=0) or 1,
    }  # fmt: skip


def _forms(account: Mapping[str, Any] | None, sent: str, refused: Refused | None) -> dict[str, Any]:
    """The forms, each with what stands in it; the one that was refused with what was sent."""
    told: dict[str, Any] = {"fields": {}, "problem": "", "version": account["version"] if account is not None else 0}
    if not _may_manage():
        return told
    kinds = {"open": NEW_ACCOUNT} if account is None else {"change": ACCOUNT, "entry": ENTRY}
    picks = {"/v1/price-books": _books()}
    for name, fields in kinds.items():
        kept = account if name == "change" and account is not None else {}
        shown = formed(fields, kept, refused if name == sent else None, picks=picks)
        told["fields"][name] = shown["fields"]
        if name == sent:
            told["problem"] = shown["problem"]
            told["version"] = shown["version"] if name == "change" else told["version"]
    return told


def _books() -> Choices:
    side = "client" if reader().client_id is not None else "agency"
    listed = asking().get("/v1/price-books", limit=MOST_BOOKS)["data"]
    return [(one["id"], one["name"]) for one in listed if one["side"] == side]


def _sent(form: str, fields: tuple[Field, ...], method: str, path: str, **how: Any) -> Any:
    if not _may_manage():
        raise NotFound
    body = body_of(fields, request.form, reader().speech.zone, changes=method == "PATCH")
    try:
        asking().write(method, path, body, **how)
    except Refused as refused:
        return _money_page(form, refused)
    return see("money", done="kept")


def open_account() -> Any:
    return _sent("open", NEW_ACCOUNT, "POST", _path(), once=request.form.get("once", ""))


def change_account() -> Any:
    return _sent("change", ACCOUNT, "PATCH", _path(), version=version_of(request.form))


def book_entry() -> Any:
    return _sent("entry", ENTRY, "POST", f"{_path()}/entries", once=request.form.get("once", ""))


def statement(month: str) -> str:
    """One month, as it was told or as it stands."""
    try:
        told = asking().get(f"{_path()}/statements/{month}")
    except Refused as refused:
        if refused.status in {404, 422}:
            raise NotFound from None
        raise
    first = date.fromisoformat(f"{told['month']}-01")
    return page("statement.html", statement=told, first=first, file_link=_file_link)


def _file_link(month: str, form: str) -> str:
    """The API's own address: the browser's session is enough."""
    shown = reader()
    query = {"format": form, "language": shown.speech.language}
    if shown.client_id is not None:
        query |= {name: value for name, value in shown.scope.items() if name == "agency_id"}
    return f"{_path()}/statements/{month}/file?{urlencode(query)}"
