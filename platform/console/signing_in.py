"""Signing in and out, and passwords by letter."""

from __future__ import annotations

from typing import Any

from flask import Flask, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from .errors import Refused
from .faults import fault_text, problem_text
from .reader import address, asking, reader

MOST_NEXT = 2_000


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/sign-in", view_func=sign_in)
    app.add_url_rule("/console/sign-in", view_func=sign_in_sent, methods=["POST"])
    app.add_url_rule("/console/sign-out", view_func=sign_out, methods=["POST"])
    app.add_url_rule("/console/forgotten", view_func=forgotten)
    app.add_url_rule("/console/forgotten", view_func=forgotten_sent, methods=["POST"])
    for kind in ("invitation", "reset"):
        app.add_url_rule(f"/{kind}", view_func=password_page, defaults={"kind": kind})
        app.add_url_rule(f"/{kind}", view_func=password_sent, defaults={"kind": kind}, methods=["POST"])


def own_path(path: str) -> str:
    """The path where it is one of the console's own, else home: nobody is sent to another site. A browser takes `\\`
    for `/` and drops what cannot be seen."""
    fits = path.startswith("/console/") and len(path) <= MOST_NEXT and "\\" not in path and path.isprintable()
    return path if fits and not path.startswith("/console/sign-") else "/console/home"


def sign_in() -> AnyResponse | str:
    if reader().user is not None:
        return redirect(own_path(request.args.get("next", "")))
    return _sign_in_page({"email": "", "agency_id": "", "next": request.args.get("next", "")})


def _sign_in_page(given: dict[str, Any], **more: Any) -> str:
    told = {"needs_code": False, "agencies": (), "problem": "", "done": request.args.get("done", "")} | more
    return render_template("sign_in.html", given=given, **told)


def sign_in_sent() -> Any:
    form = request.form
    given = {name: form.get(name, "") for name in ("email", "next", "agency_id")}
    body = {"email": given["email"], "password": form.get("password", "")}
    body |= {name: form[name].strip() for name in ("code", "agency_id") if form.get(name, "").strip()}
    try:
        _, headers = asking().ask("POST", "/v1/sessions", body=body)
    except Refused as refused:
        return _refused_page(refused, given)
    response = redirect(own_path(given["next"]))
    for cookie in headers.getlist("Set-Cookie"):
        response.headers.add("Set-Cookie", cookie)
    return response


def _refused_page(refused: Refused, given: dict[str, Any]) -> Any:
    """The form again: asking for a code, or for an agency, or with what is wrong. The password is typed anew."""
    speech = reader().speech
    if refused.code == "validation_failed":
        problem = speech.say("E-mail address, password or code is wrong.")
    else:
        problem = problem_text(refused, speech)
    page = _sign_in_page(
        given,
        problem="" if refused.code in {"code_required", "agency_ambiguous"} else problem,
        needs_code=refused.code == "code_required" or "code" in request.form,
        agencies=refused.problem.get("agencies", ()),
    )
    return page, refused.status if refused.status in {429, 503} else 200


def sign_out() -> AnyResponse:
    this = next((one for one in asking().get("/v1/sessions")["data"] if one["is_this"]), None)
    response = redirect("/console/sign-in?done=out")
    if this is not None:
        _, headers = asking().ask("DELETE", f"/v1/sessions/{this['id']}")
        for cookie in headers.getlist("Set-Cookie"):
            response.headers.add("Set-Cookie", cookie)
    return response


def forgotten() -> str:
    return render_template("forgotten.html", sent=False, problem="")


def forgotten_sent() -> Any:
    """The same answer whether there is such a user or not."""
    try:
        asking().ask("POST", "/v1/password-resets", body={"email": request.form.get("email", "")})
    except Refused as refused:
        if refused.code != "validation_failed":
            return render_template("forgotten.html", sent=False, problem=problem_text(refused, reader().speech)), 429
    return render_template("forgotten.html", sent=True, problem="")


def password_page(kind: str) -> str:
    """Where a letter's link leads. Its token stands behind `#`, which browsers send to nobody: the page's script puts
    it into the form; without scripts the reader copies it."""
    return render_template("password.html", kind=kind, problem="", token="")


def password_sent(kind: str) -> Any:
    speech = reader().speech
    token = request.form.get("token", "").strip().rpartition("#")[2]
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        problem = speech.say("The two passwords differ.")
        return render_template("password.html", kind=kind, problem=problem, token=token)
    path = "/v1/invitations/accept" if kind == "invitation" else "/v1/password-resets/complete"
    try:
        asking().ask("POST", path, body={"token": token, "password": password})
    except Refused as refused:
        faults = [fault_text(one, speech) for one in refused.faults]
        problem = " ".join(faults) or problem_text(refused, speech)
        return render_template("password.html", kind=kind, problem=problem, token=token)
    return redirect("/console/sign-in?done=password")


def page(name: str, **values: Any) -> str:
    """A page of whoever has signed in, with the word of the one before (`?done=`)."""
    return render_template(name, done=request.args.get("done", ""), **values)


def see(path: str, **query: Any) -> AnyResponse:
    """Leads on after a change, so that loading anew sends nothing again."""
    return make_response(redirect(address(path, **query), 303))
