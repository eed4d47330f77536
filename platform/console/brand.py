"""An agency's brand: name, colours, language, logo; with a preview before anybody else sees it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import NotFound

from . import colours
from .errors import Refused
from .filling import formed
from .forms import Field, body_of, shown_fields, version_of
from .reader import asking, reader, say
from .signing_in import page, see
from .texts import LANGUAGES, N_

NAME = Field(name="name", label=N_("Name"), required=True)
COLOURS = (
    Field(name="colour", label=N_("Colour of the head and of buttons"), kind="color", required=True),
    Field(name="accent", label=N_("Colour of what stands out"), kind="color", required=True),
)
LANGUAGE = Field(name="language", label=N_("Language"), kind="choice", choices=tuple(LANGUAGES.items()),
                 help=N_("Of letters and pages, where nobody chose another."))  # fmt: skip
MAIL = Field(name="mail_from", label=N_("Sender of letters"), kind="email", help=N_("At the brand's domain."))
DOMAIN = Field(name="domain", label=N_("Domain"), help=N_("Where its people open the console."))


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/brand", view_func=brand)
    app.add_url_rule("/console/brand", view_func=brand_sent, methods=["POST"], endpoint="brand_sent")


def _path() -> str:
    return f"/v1/agencies/{reader().agency_id}/brand"


def _fields(kept: Mapping[str, Any]) -> list[Field]:
    """The domain is the operator's to set; letters have a sender of their own where there is one."""
    more = [MAIL] if kept["domain"] else []
    return [NAME, *COLOURS, LANGUAGE, *more, *([DOMAIN] if reader().reach == "operator" else [])]


def _kept() -> dict[str, Any]:
    """What is set. The platform's own sender stands for none."""
    found: dict[str, Any] = asking().get(_path())
    own = found["domain"] is not None and str(found["mail_from"]).endswith(f"@{found['domain']}")
    return found | {"mail_from": found["mail_from"] if own else None}


def brand() -> str:
    return _page(_kept())


def _page(kept: Mapping[str, Any], refused: Refused | None = None, **more: Any) -> str:
    told = {"is_preview": False, **formed(_fields(kept), kept, refused), **more}
    return page("brand.html", kept=kept, may_write=reader().may("tenants.write"), logo=_logo_link(kept), **told)


def _as_sent(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The form as it was sent, which is not kept yet."""
    fields = shown_fields(_fields(kept), kept, reader().speech, picks={}, form=request.form)
    return {"fields": fields, "version": version_of(request.form)}


def _logo_link(kept: Mapping[str, Any]) -> str:
    return f"{_path()}/logo" if kept["logo_sha256"] else ""


def brand_sent() -> Any:
    """Shows this page in the colours that were chosen, or keeps everything."""
    if not reader().may("tenants.write") or reader().reach == "client":
        raise NotFound
    kept, form = _kept(), request.form
    told = [form.get(one.name, "").lower().removeprefix("#") for one in COLOURS]
    if form.get("deed") == "preview":
        if not all(map(colours.is_colour, told)):
            return _page(kept, problem=say("A colour has six digits, such as #1f4e79."), **_as_sent(kept))
        return _page(kept, is_preview=True, brand_href=f"/console/brand/{told[0]}-{told[1]}.css", **_as_sent(kept))
    body = {"domain": kept["domain"], "mail_from": kept["mail_from"]}
    body |= body_of(_fields(kept), form, reader().speech.zone, changes=True)
    try:
        asking().write("PUT", _path(), body | {"logo": _logo(kept)}, version=version_of(form))
    except Refused as refused:
        return _page(kept, refused)
    return see("brand", done="changed")


def _logo(kept: Mapping[str, Any]) -> str | None:
    """In base64: the file that was sent, or else the one that is there, which a brand that is set anew would lose."""
    sent = request.files.get("logo")
    content = sent.read() if sent is not None else b""
    if not content and kept["logo_sha256"] and request.form.get("without_logo") != "yes":
        content = asking().open("GET", f"{_path()}/logo").whole()
    return base64.b64encode(content).decode() if content else None
