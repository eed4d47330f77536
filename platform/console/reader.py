"""Who reads a page, in which language and look, and what the page is about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from flask import abort, current_app, g, request
from werkzeug.exceptions import NotFound

from ..db.tables import OPERATOR_AGENCY
from .asking import Asking
from .errors import Refused
from .texts import LANGUAGES, Speech

#: Where create_console puts the API.
API = "dialtrace.api"
COOKIE = "__Host-dialtrace"
LANGUAGE_COOKIE, THEME_COOKIE = "dialtrace-language", "dialtrace-theme"
THEMES = ("auto", "light", "dark")
#: What the API answers to whoever has to make a second factor before anything else.
FACTOR_FIRST = "second_factor_required"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """``user``: None, nobody has signed in. ``reach``: operator, agency or client. ``scope``: the tenant of the page:
    `agency_id` where the operator sees an agency, `client_id` where it is about one client; ``client``: that one."""

    asking: Asking
    user: Mapping[str, Any] | None
    reach: str
    permissions: frozenset[str]
    scope: Mapping[str, str]
    client: Mapping[str, Any] | None
    brand: Mapping[str, Any]
    speech: Speech
    theme: str

    def may(self, *permissions: str) -> bool:
        return self.permissions.issuperset(permissions)

    @property
    def client_id(self) -> str | None:
        """The one client that the page is about."""
        if self.user is not None and self.user["client_id"]:
            return str(self.user["client_id"])
        return self.scope.get("client_id")

    @property
    def agency_id(self) -> str:
        assert self.user is not None, "only whoever has signed in has an agency"
        return self.scope.get("agency_id") or str(self.user["agency_id"])

    @property
    def holds_agency(self) -> bool:
        """Whether the page is about an agency's own things; the operator has to choose one first."""
        return self.reach != "operator" or "agency_id" in self.scope


def reader() -> Reader:
    """Of the request that is being answered."""
    return cast(Reader, g.reader)


def asking() -> Asking:
    """What asks the API for the reader."""
    return reader().asking


def say(text: str, **values: Any) -> str:
    """A text in the reader's language."""
    return reader().speech.say(text, **values)


def address(path: str, **query: Any) -> str:
    """The address of a page about the same tenant."""
    known = {**reader().scope, **query}
    told = urlencode({name: value for name, value in known.items() if value not in (None, "")})
    return f"/console/{path}{'?' + told if told else ''}"


def find_reader(scope: Mapping[str, str]) -> Reader:
    """Asks the API who it is. A session that is over is nobody. Raises NotFound, Refused: not his scope."""
    ask = Asking(current_app.extensions[API], request, scope=scope)
    standing = _standing(ask)
    user = standing["user"] if standing else None
    ask.csrf = str(standing["csrf_token"]) if standing else ""
    if user is not None:
        _check_scope(user, scope)
    brand = ask.get("/v1/brand")
    client = None
    permissions = frozenset(user["permissions"] if user else ())
    client_id = (user["client_id"] or scope.get("client_id")) if user else None
    if client_id and "tenants.read" in permissions:
        client = _head(ask, f"/v1/clients/{client_id}")
    if user and brand["name"] == "Dialtrace" and not user["client_id"] and "tenants.read" in permissions:
        brand = _own_brand(ask, scope.get("agency_id") or str(user["agency_id"])) or brand
    zone = str(client["time_zone"]) if client else "UTC"
    return Reader(
        asking=ask, user=user, reach=_reach_of(user), permissions=permissions, scope=scope if user else {},
        client=client, brand=brand, speech=Speech(_language(user, brand), zone), theme=_theme(),
    )  # fmt: skip


def nobody() -> Reader:
    """Of a page that says what is wrong, where the API answers nothing to begin with: it asks nothing, and looks as the
    platform does."""
    brand = {"name": "Dialtrace", "colour": "#1f4e79", "accent": "#c2571a", "language": "en", "logo": None}
    return Reader(
        asking=Asking(current_app.extensions[API], request), user=None, reach="", permissions=frozenset(), scope={},
        client=None, brand=brand, speech=Speech(_language(None, brand), "UTC"), theme=_theme(),
    )  # fmt: skip


def _check_scope(user: Mapping[str, Any], scope: Mapping[str, str]) -> None:
    """The API would refuse as well, but not on a page that asks nothing of the tenant."""
    foreign_agency = scope.get("agency_id", user["agency_id"]) != user["agency_id"]
    if foreign_agency and user["agency_id"] != OPERATOR_AGENCY:
        raise NotFound
    if user["client_id"] and scope.get("client_id", user["client_id"]) != user["client_id"]:
        raise NotFound


def _standing(ask: Asking) -> Mapping[str, Any] | None:
    if COOKIE not in request.cookies:
        return None
    try:
        return cast(Mapping[str, Any], ask.get("/v1/session"))
    except Refused as refused:
        if refused.status in {401, 403}:
            return None
        raise


def _own_brand(ask: Asking, agency_id: str) -> Mapping[str, Any] | None:
    """An agency that has no domain of its own yet sees its name and colours (the logo is under a domain). The
    operator's agency has none."""
    if agency_id == OPERATOR_AGENCY:
        return None
    told = _head(ask, f"/v1/agencies/{agency_id}/brand")
    return {**told, "logo": None} if told is not None else None


def _head(ask: Asking, path: str) -> Mapping[str, Any] | None:
    """What the head of a page is made of. Whoever has to make a second factor first does so on a page without it."""
    try:
        return cast(Mapping[str, Any], ask.get(path))
    except Refused as refused:
        if refused.code == FACTOR_FIRST:
            return None
        raise


def _reach_of(user: Mapping[str, Any] | None) -> str:
    if user is None:
        return ""
    if user["client_id"]:
        return "client"
    return "operator" if user["agency_id"] == OPERATOR_AGENCY else "agency"


def scope_asked() -> dict[str, str]:
    """Ids that the address names. Raises NotFound for what is no id."""
    found = {name: request.args[name] for name in ("agency_id", "client_id") if request.args.get(name)}
    for value in found.values():
        try:
            UUID(value)
        except ValueError:
            raise NotFound from None
    return found


def _language(user: Mapping[str, Any] | None, brand: Mapping[str, Any]) -> str:
    """What was chosen in this browser, else the user's, else what the browser asks for, else the brand's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    if user is not None:
        return str(user["language"] or brand["language"])
    return request.accept_languages.best_match(list(LANGUAGES)) or str(brand["language"])


def _theme() -> str:
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


@lru_cache
def static_file(name: str) -> tuple[bytes, str]:
    """One of the console's own files and its tag; it does not change while the process lives."""
    try:
        content = (files("dialtrace.console") / "static" / name).read_bytes()
    except OSError:
        abort(404)
    return content, hashlib.sha256(content).hexdigest()[:16]
