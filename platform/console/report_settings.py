"""What a client's reports go by: which calls it wants, its norm for the time to answer, its currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import NotFound

from .calls import clients_of
from .errors import Refused
from .filling import formed
from .forms import Field, body_of, version_of
from .reader import asking, reader
from .signing_in import page, see
from .texts import N_

FIELDS = (
    Field(name="answer_norm_s", label=N_("Norm for the time to answer, seconds"), kind="number",
          help=N_("Later answers are slow. Nothing here or below: as usual.")),
    Field(name="target.min_talk_s", label=N_("Target calls talk for, seconds or more"), kind="number"),
    Field(name="target.answered", label=N_("Only answered calls are target calls"), kind="check"),
    Field(name="target.without_spam", label=N_("No spam is a target call"), kind="check"),
    Field(name="target.min_score", label=N_("Least score of a target call"), kind="number"),
    Field(name="target.tags_any", label=N_("With one of these tags"), kind="lines", help=N_("One a line.")),
    Field(name="target.tags_none", label=N_("With none of these tags"), kind="lines", help=N_("One a line.")),
    Field(name="spam_from", label=N_("Spam from a score of"), kind="number"),
    Field(name="confidence", label=N_("A source is certain from a probability of"), kind="decimal",
          help=N_("From 0 to 1, such as 0.8.")),
    Field(name="currency", label=N_("Currency"), help=N_("Such as EUR.")),
)  # fmt: skip


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/reports/settings", view_func=report_settings)
    app.add_url_rule("/console/reports/settings", view_func=change_report_settings, methods=["POST"],
                     endpoint="change_report_settings")  # fmt: skip


def _path() -> str:
    return f"/v1/clients/{reader().client_id}/report-settings"


def report_settings() -> str:
    shown = reader()
    if shown.client_id is None:
        return page("report_settings.html", clients=clients_of(shown), fields=(), problem="", version=0,
                    may_write=False)  # fmt: skip
    return _page(asking().get(_path()))


def _page(kept: Mapping[str, Any], refused: Refused | None = None) -> str:
    return page("report_settings.html", clients=(), may_write=reader().may("tenants.write"),
                **formed(FIELDS, kept, refused))  # fmt: skip


def change_report_settings() -> Any:
    if reader().client_id is None:
        raise NotFound
    kept = asking().get(_path())
    try:
        body = body_of(FIELDS, request.form, reader().speech.zone, changes=True)
        asking().write("PATCH", _path(), body, version=version_of(request.form))
    except Refused as refused:
        return _page(kept, refused)
    return see("reports/settings", done="changed")
