"""The console as a WSGI application beside the API: one door, two faces.

`/console/…`, and what letters lead to (`/invitation`, `/reset`), is the console's; `/` leads there; everything else is
the API's. Pages are made here whole, work without scripts, and load nothing from anywhere else.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from typing import Any, NoReturn
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, current_app, g, redirect, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import Forbidden, HTTPException, NotFound
from werkzeug.wrappers import Response as AnyResponse

from . import (
    account,
    brand,
    calls,
    colours,
    flows,
    home,
    integrations,
    live,
    money,
    navigation,
    report_settings,
    reports,
    resources,
    signing_in,
    start,
    visits,
)
from .errors import Refused
from .faults import problem_text
from .reader import (
    API,
    COOKIE,
    FACTOR_FIRST,
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    THEMES,
    address,
    find_reader,
    nobody,
    reader,
    say,
    scope_asked,
    static_file,
)
from .texts import LANGUAGES
from .words import word

FORM_COOKIE = "__Host-dialtrace-form"
_OWN = frozenset({"console", "invitation", "reset"})
_SAFE_SITES = frozenset({"", "same-origin", "none"})
#: What needs nobody to have signed in.
OPEN = frozenset({
    "sign_in", "sign_in_sent", "forgotten", "forgotten_sent", "password_page", "password_sent", "static_answer",
    "brand_sheet", "choose_look",
})  # fmt: skip
MAX_FORM_BYTES = 2 * 1024 * 1024
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Faces:
    """The API and the console behind one address."""

    def __init__(self, api: WSGIApplication, console: WSGIApplication) -> None:
        self._api = api
        self._console = console

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/" or (path.split("/", 2)[1:2] and path.split("/", 2)[1] in _OWN):
            return self._console(environ, start_response)
        return self._api(environ, start_response)


def create_console(api: WSGIApplication) -> Flask:
    """The console, which asks ``api`` for everything."""
    app = Flask("dialtrace.console", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_FORM_BYTES
    app.extensions[API] = api
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(LANGUAGES=LANGUAGES, THEMES=THEMES, once=lambda: secrets.token_hex(16))
    app.before_request(begin)
    app.after_request(finish)
    app.context_processor(_spoken)
    app.register_error_handler(Refused, show_refusal)
    app.register_error_handler(HTTPException, show_http_error)
    app.add_url_rule("/", view_func=front)
    app.add_url_rule("/console/", view_func=front, endpoint="front_console")
    app.add_url_rule("/console/static/<tag>/<name>", view_func=static_answer)
    app.add_url_rule("/console/brand/<colour>-<accent>.css", view_func=brand_sheet)
    app.add_url_rule("/console/look", view_func=choose_look, methods=["POST"])
    for module in (
        signing_in,
        account,
        start,
        home,
        calls,
        live,
        reports,
        report_settings,
        flows,
        money,
        integrations,
        brand,
        visits,
        resources,
    ):
        module.add_pages(app)
    return app


def begin() -> AnyResponse | None:
    """Who reads; and that what changes something comes from a page of ours."""
    if request.endpoint in {"static_answer", "brand_sheet"}:
        return None
    try:
        g.reader = find_reader(scope_asked())
    except (NotFound, Refused) as error:
        _begin_fault(error)
    _begin_form()
    if request.method == "POST":
        check_ours()
    if g.reader.user is None and request.endpoint not in OPEN:
        here = request.full_path.rstrip("?") if request.method == "GET" else ""
        return redirect("/console/sign-in" + (f"?next={quote(here)}" if here.startswith("/console/") else ""))
    return None


def _begin_fault(error: NotFound | Refused) -> NoReturn:
    """The page of what is wrong is about no tenant; where the API answers nobody at the moment, about nobody."""
    is_busy = isinstance(error, Refused) and error.status not in {403, 404}
    try:
        g.reader = nobody() if is_busy else find_reader({})
    except Refused as refused:
        g.reader, error, is_busy = nobody(), refused, True
    _begin_form()
    if is_busy:
        raise error
    raise NotFound from error


def _begin_form() -> None:
    g.form_token = g.reader.asking.csrf or request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)


def check_ours() -> None:
    """Raises Forbidden for a form that another site has sent: by where it comes from, and by its token."""
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "") not in _SAFE_SITES:
        raise Forbidden
    if origin and urlsplit(origin).netloc != request.host:
        raise Forbidden
    expected = g.reader.asking.csrf or request.cookies.get(FORM_COOKIE, "")
    if not expected or not hmac.compare_digest(request.form.get("csrf", "").encode(), expected.encode()):
        raise Forbidden


def finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    shown = g.get("reader")
    if shown is not None and shown.user is None and request.cookies.get(FORM_COOKIE) != g.form_token:
        response.set_cookie(FORM_COOKIE, g.form_token, secure=True, httponly=True, samesite="Strict", path="/")
    return response


def _spoken() -> dict[str, Any]:
    """What every template may use."""
    if "reader" not in g:
        return {}
    return {
        "_": say, "count": reader().speech.count, "speech": reader().speech, "reader": reader(), "to": address,
        "csrf": g.form_token,
        "sections": navigation.sections(reader()), "file": _file, "brand_href": _brand_href(),
        "here": _here(), "is_here": navigation.is_here,
        "word_of": lambda kind, value: word(kind, value, reader().speech),
    }  # fmt: skip


def _here() -> str:
    """The page that is open, to come back to; empty where nothing can be opened at the address that a form was sent
    to. Signing in keeps where it leads on to."""
    adapter = current_app.create_url_adapter(request)
    if request.url_rule is None or adapter is None or "GET" not in adapter.allowed_methods():
        return ""
    if request.endpoint == "sign_in_sent":
        return f"{request.path}?{urlencode({'next': request.form.get('next', '')})}"
    return request.full_path.rstrip("?")


def _file(name: str) -> str:
    return f"/console/static/{static_file(name)[1]}/{name}"


def _brand_href() -> str:
    brand = reader().brand
    return f"/console/brand/{str(brand['colour']).lstrip('#')}-{str(brand['accent']).lstrip('#')}.css"


def front() -> AnyResponse:
    """The first page: where the reader left off is nowhere, so it is home."""
    return redirect("/console/home")


def static_answer(tag: str, name: str) -> Response:
    content, current = static_file(name)
    kind = "text/css" if name.endswith(".css") else "text/javascript" if name.endswith(".js") else "image/svg+xml"
    response = Response(content, mimetype=kind)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if tag == current else "no-cache"
    return response


def brand_sheet(colour: str, accent: str) -> Response:
    """The brand's colours as a style sheet: nothing but six digits each gets into it."""
    if not (colours.is_colour(colour) and colours.is_colour(accent)):
        return Response(status=404)
    response = Response(colours.brand_style(colour, accent), mimetype="text/css")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


def choose_look() -> AnyResponse:
    """Language and theme, kept in this browser."""
    response = redirect(_way_back(request.form.get("next", "")))
    language, theme = request.form.get("language", ""), request.form.get("theme", "")
    if language in LANGUAGES:
        _keep(response, LANGUAGE_COOKIE, language)
    if theme in THEMES:
        _keep(response, THEME_COOKIE, theme)
    return response


def _keep(response: AnyResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=31_536_000, secure=True, httponly=True, samesite="Lax", path="/")


def _way_back(path: str) -> str:
    """Where the look was chosen. Signing in and choosing a password are pages of ours, but nothing to go on to."""
    here, _, asked = path.partition("?")
    if here in {"/invitation", "/reset"}:
        return here
    if here == "/console/sign-in":
        going_on = parse_qs(asked).get("next", [""])[0]
        return here + (f"?{urlencode({'next': signing_in.own_path(going_on)})}" if going_on else "")
    return signing_in.own_path(path)


def show_refusal(refused: Refused) -> AnyResponse | tuple[str, int]:
    """What the API refuses, as a page."""
    if refused.status == 401 and COOKIE in request.cookies:
        return redirect("/console/sign-in")
    if refused.code == FACTOR_FIRST:
        return redirect(address("account", done="factor_first"), 303)
    return _problem_page(refused.status, problem_text(refused, reader().speech), refused.request_id)


def show_http_error(error: HTTPException) -> AnyResponse | tuple[str, int]:
    if "reader" not in g:
        return error.get_response()
    status = error.code or 500
    texts = {
        403: say(
            "This form was not sent from a page of ours, or the page is too old. Go back, load it anew and try again."
        ),
        404: say("There is no such page, or you may not see it."),
        413: say("That is too much at once."),
    }  # fmt: skip
    return _problem_page(status, texts.get(status, say("Something went wrong here. Try again in a moment.")), "")


def _problem_page(status: int, text: str, request_id: str) -> tuple[str, int]:
    return render_template("problem.html", status=status, text=text, request_id=request_id), status
