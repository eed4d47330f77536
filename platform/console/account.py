"""What whoever is signed in does about himself: password, second factor, sessions."""

from __future__ import annotations

from typing import Any

import segno
from flask import Flask, render_template, request
from markupsafe import Markup

from .errors import Refused
from .faults import fault_text, problem_text
from .reader import asking, reader, say
from .signing_in import see


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/account", view_func=account)
    for path, view in (
        ("password", change_password),
        ("factor", begin_factor),
        ("factor/confirm", confirm_factor),
        ("factor/remove", remove_factor),
        ("sessions/<uuid:session_id>/end", end_session),
    ):
        app.add_url_rule(f"/console/account/{path}", view_func=view, methods=["POST"])


def account() -> str:
    return _account_page()


def _account_page(**more: Any) -> str:
    told = {"problem": "", "place": "", "factor": None, "codes": None, "done": request.args.get("done", "")} | more
    return render_template("account.html", sessions=asking().get("/v1/sessions")["data"], **told)


def _refused(refused: Refused, place: str, **more: Any) -> str:
    speech = reader().speech
    faults = " ".join(fault_text(one, speech) for one in refused.faults)
    return _account_page(problem=faults or problem_text(refused, speech), place=place, **more)


def change_password() -> Any:
    form = request.form
    if form.get("new", "") != form.get("again", ""):
        return _account_page(problem=say("The two passwords differ."), place="password")
    try:
        asking().write("POST", "/v1/session/password", {"old": form.get("old", ""), "new": form.get("new", "")})
    except Refused as refused:
        return _refused(refused, "password")
    return see("account", done="password")


def begin_factor() -> Any:
    """Shows the secret once, as a code to photograph and as text, and asks for the first code of it."""
    try:
        factor = asking().write("POST", "/v1/session/second-factor", {"password": request.form.get("password", "")})
    except Refused as refused:
        return _refused(refused, "factor")
    return _account_page(factor=factor | {"picture": _picture(factor["uri"])}, place="factor")


def _picture(uri: str) -> Markup:
    drawn = segno.make(uri, error="m").svg_inline(scale=1, omitsize=True, svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - drawn squares


def confirm_factor() -> Any:
    try:
        made = asking().write(
            "POST", "/v1/session/second-factor/confirm", {"code": request.form.get("code", "").strip()}
        )
    except Refused as refused:
        # The secret is not shown again by the API; it goes with the form, to whom it was shown already.
        uri = request.form.get("uri", "")
        shown = {"secret": request.form.get("secret", ""), "uri": uri, "picture": _picture(uri) if uri else ""}
        return _refused(refused, "factor", factor=shown)
    return _account_page(codes=made["codes"], place="factor")


def remove_factor() -> Any:
    form = request.form
    try:
        asking().write(
            "POST", "/v1/session/second-factor/remove",
            {"password": form.get("password", ""), "code": form.get("code", "").strip()},
        )  # fmt: skip
    except Refused as refused:
        return _refused(refused, "factor")
    return see("account", done="factor")


def end_session(session_id: str) -> Any:
    asking().write("DELETE", f"/v1/sessions/{session_id}")
    return see("account", done="session")
