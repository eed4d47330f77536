"""The first run: from nothing to the first tracked call, one step after the other. What is done already is found, not
remembered: whoever comes back later goes on where something is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import NotFound

from .errors import Refused
from .faults import fault_text, problem_text
from .reader import asking, reader, say
from .signing_in import page, see


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/start", view_func=start)
    app.add_url_rule("/console/start", view_func=take_step, methods=["POST"], endpoint="take_step")


def start() -> str:
    return _start_page()


def _start_page(problem: str = "") -> str:
    shown = reader()
    found: dict[str, Any] = {"clients": (), "target": None, "flow": None, "number": None, "site": None, "call": None}
    if shown.client_id is None:
        found["clients"] = asking().get("/v1/clients", limit=200)["data"]
    else:
        found |= _found(shown.client_id)
    order = ("target", "flow", "number", "call")
    now = next((name for name in order if found[name] is None), "") if shown.client_id else "client"
    return page("start.html", now=now, problem=problem, form=request.form, **found)


def _found(client_id: str) -> dict[str, Any]:
    """The first of each kind; of numbers, one that a flow answers."""

    def first(path: str) -> Mapping[str, Any] | None:
        listed = asking().get(path, client_id=client_id, limit=1)["data"]
        return next(iter(listed), None)

    numbers = asking().get("/v1/numbers", client_id=client_id, limit=200)["data"]
    answered = next((one for one in numbers if one["flow_id"] and one["status"] == "active"), None)
    kinds = {"target": "/v1/targets", "flow": "/v1/flows", "site": "/v1/sites", "call": "/v1/calls"}
    return {name: first(path) for name, path in kinds.items()} | {"number": answered}


def take_step() -> Any:
    """Does one step. A step that is refused stands there again, with what was wrong."""
    step, once, speech = request.form.get("step", ""), request.form.get("once", ""), reader().speech
    path, body = _asked(step)
    try:
        made = asking().write("POST", path, body, once=once)
    except Refused as refused:
        if refused.status not in {409, 422}:
            raise
        faults = " ".join(fault_text(one, speech) for one in refused.faults)
        return _start_page(faults or problem_text(refused, speech))
    return see("start", client_id=made["id"]) if step == "client" else see("start")


def _asked(step: str) -> tuple[str, dict[str, Any]]:
    """The address and the body of a step."""
    form, client_id = request.form, reader().client_id
    text = {name: form.get(name, "").strip() for name in ("name", "time_zone", "address", "number")}
    if step == "client":
        return "/v1/clients", {"name": text["name"], "time_zone": text["time_zone"]}
    if client_id is None:
        raise NotFound
    found = _found(client_id)
    if step == "target":
        return "/v1/targets", {"client_id": client_id, "name": text["name"], "address": text["address"]}
    if step == "flow" and found["target"] is not None:
        steps = [{"type": "ring", "targets": [found["target"]["id"]]}]
        document = {"version": 1, "record": form.get("record") == "yes", "steps": steps}
        return "/v1/flows", {"client_id": client_id, "name": say("Ring %(name)s", name=found["target"]["name"]),
                             "document": document}  # fmt: skip
    if step == "number" and found["flow"] is not None:
        return "/v1/numbers", {"client_id": client_id, "number": text["number"], "flow_id": found["flow"]["id"]}
    raise NotFound
