"""Calls that stand at this moment."""

from __future__ import annotations

from flask import Flask, render_template, request

from .calls import clients_of
from .reader import asking, reader

MOST = 200


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/live", view_func=live)


def live() -> str:
    shown = reader()
    state = request.args.get("state", "")
    known = ("started", "ringing", "answered", "queued", "held")
    asked = state if state in known else None
    found = asking().get("/v1/calls/live", client_id=shown.client_id, limit=MOST, state=asked)
    return render_template(
        "live.html", calls=found["data"], has_more=found["has_more"], unknown=found["unknown_nodes"],
        names={one["id"]: one["name"] for one in clients_of(shown)}, state=asked or "", states=known,
    )  # fmt: skip
