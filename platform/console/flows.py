"""Flows: their list, and the editor: steps as forms, a picture of them, what the API finds wrong where it is wrong, and
a dry run.

What is being edited stands in the form alone until it is kept: keeping publishes it, held against the version that was
opened. Every button sends the whole form, so the page works without scripts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import Flask, request
from werkzeug.exceptions import NotFound

from .calls import clients_of
from .errors import Fault, Refused
from .faults import fault_text, problem_text
from .filling import LATE, MENDABLE
from .flow_forms import (
    added,
    document_of,
    links_of,
    moved,
    names_of,
    removed,
    rows_of_targets,
    rows_of_tests,
    shaped,
    text_of,
)
from .flow_kinds import DAYS, FACTS, STEPS, TESTS, StepKind
from .flow_picture import Box, picture
from .flow_trial import Trial, ask_trial
from .forms import version_of, whole
from .reader import asking, reader, say
from .signing_in import page, see
from .texts import N_

PAGE, MOST_CHOICES = 50, 200
NEW: Mapping[str, Any] = {"version": 2, "record": False, "language": "en", "steps": []}
_KIND = SimpleNamespace(key="flows", new=N_("Make a flow"))


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What the editor shows. ``flow``: None, it is a new one. ``faults``: of the API, of ``document``."""

    flow: Mapping[str, Any] | None
    name: str
    document: Mapping[str, Any]
    version: int
    faults: Sequence[Fault] = ()
    problem: str = ""
    told: str = ""
    trial: Trial | None = None
    focus: int = 0
    kept_now: str = ""
    tried: Mapping[str, str] | None = None


def add_pages(app: Flask) -> None:
    app.add_url_rule("/console/flows", view_func=flows)
    app.add_url_rule("/console/flows/new", view_func=new_flow, methods=["GET", "POST"])
    app.add_url_rule("/console/flows/<uuid:flow_id>", view_func=flow, methods=["GET", "POST"])


def flows() -> str:
    shown = reader()
    found = asking().get("/v1/flows", client_id=shown.client_id, limit=PAGE, cursor=request.args.get("cursor", ""))
    return page(
        "flows.html", items=found["data"], cursor=found["next_cursor"], may_write=shown.may("flows.write"),
        query={"cursor": request.args.get("cursor", "")}, kinds=STEPS,
        clients={one["id"]: one["name"] for one in clients_of(shown)},
    )  # fmt: skip


def new_flow() -> Any:
    shown = reader()
    if not shown.may("flows.write"):
        raise NotFound
    if shown.client_id is None:
        return page("choose_client.html", kind=_KIND, clients=clients_of(shown))
    if request.method == "GET":
        return _editor(Edited(flow=None, name="", document=NEW, version=0))
    return _do(None)


def flow(flow_id: UUID) -> Any:
    """The editor; whoever may not change flows sees the picture, and may try it."""
    found = asking().get(f"/v1/flows/{flow_id}")
    if request.method == "GET":
        return _editor(Edited(flow=found, name=found["name"], document=found["document"], version=found["version"]))
    return _do(found)


def _do(found: Mapping[str, Any] | None) -> Any:
    """One button of the form."""
    deed, _, of = request.form.get("deed", "check").partition(":")
    may_write = reader().may("flows.write")
    if not may_write and deed not in {"try", "answer"}:
        raise NotFound
    base = found["document"] if found is not None else NEW
    # The text has a form of its own, without the steps.
    document = base if deed == "text" or not may_write else document_of(request.form, base)
    name = request.form.get("name", "").strip() or (found["name"] if found is not None and not may_write else "")
    state = {"flow": found, "name": name, "document": document, "version": version_of(request.form)}
    if deed == "text":
        return _taken_over(state)
    if deed in {"up", "down", "remove", "add"}:
        return _rearranged(state, deed, of)
    if deed in {"try", "answer"}:
        return _tried(state, deed, of)
    return _kept(state) if deed == "keep" else _checked(state)


def _taken_over(state: dict[str, Any]) -> Any:
    """The document that was written as text takes the place of the steps."""
    try:
        told = json.loads(request.form.get("document", ""))
    except (ValueError, RecursionError) as error:
        problem = say("This is no JSON: %(why)s", why=str(error))
        return _editor(Edited(**state, problem=problem), request.form["document"])
    if not isinstance(told, dict) or not all(isinstance(one, dict) for one in _steps(told)):
        problem = say("A flow is an object with a list of steps.")
        return _editor(Edited(**state, problem=problem), request.form["document"])
    return _checked(state | {"document": told})


def _rearranged(state: dict[str, Any], deed: str, of: str) -> Any:
    steps, place = _steps(state["document"]), whole(of) or 0
    if deed == "add":
        at = whole(request.form.get("add-at", ""))
        place = len(steps) if at is None else min(max(at, 0), len(steps))
        steps, focus = added(steps, request.form.get("add-kind", ""), place), place + 1
    elif deed == "remove":
        steps, focus = removed(steps, place), max(place, 1)
    else:
        by = -1 if deed == "up" else 1
        steps, focus = moved(steps, place, by), min(max(place + by, 0), len(steps) - 1) + 1
    return _editor(Edited(**state | {"document": {**state["document"], "steps": steps}}, focus=focus))


def _owner(found: Mapping[str, Any] | None) -> str | None:
    return str(found["client_id"]) if found is not None else reader().client_id


def _about(state: Mapping[str, Any]) -> dict[str, Any]:
    """Whose document is asked about, and which."""
    found = state["flow"]
    asked = {"client_id": _owner(found), "document": state["document"]}
    return asked | ({"flow_id": found["id"]} if found is not None else {})


def _checked(state: dict[str, Any]) -> Any:
    try:
        asking().write("POST", "/v1/flows/check", _about(state))
    except Refused as refused:
        return _refused(state, refused)
    return _editor(Edited(**state, told=say("Nothing is wrong with it. It is not kept yet.")))


def _refused(state: dict[str, Any], refused: Refused) -> Any:
    if refused.status not in MENDABLE:
        raise refused
    problem = problem_text(refused, reader().speech)
    kept_now = ""
    if refused.status == LATE and state["flow"] is not None:
        # Whoever was late goes on from what is kept now, which he is shown.
        state = state | {"version": state["flow"]["version"]}
        kept_now = json.dumps(state["flow"]["document"], ensure_ascii=False, indent=2)
    return _editor(Edited(**state, faults=refused.faults, problem=problem, kept_now=kept_now))


def _kept(state: dict[str, Any]) -> Any:
    found = state["flow"]
    try:
        if found is None:
            body = {"client_id": reader().client_id, "name": state["name"], "document": state["document"]}
            made = asking().write("POST", "/v1/flows", body, once=request.form.get("once", ""))
            return see(f"flows/{made['id']}", done="made")
        # A merge patch keeps what is left out: what the document has no more goes as null.
        gone = dict.fromkeys(found["document"].keys() - state["document"].keys())
        body = {"name": state["name"], "document": gone | state["document"]}
        asking().write("PATCH", f"/v1/flows/{found['id']}", body, version=state["version"])
    except Refused as refused:
        return _refused(state, refused)
    return see(f"flows/{found['id']}", done="changed")


def _tried(state: dict[str, Any], deed: str, of: str) -> Any:
    given = {name: request.form.get(f"try-{name}", "").strip() for name in ("at", "caller", "repeat", "source",
                                                                           "campaign")}  # fmt: skip
    answers = request.form.getlist("try-answers") if deed == "answer" else []
    if deed == "answer":
        answers = [*answers, request.form.get("try-digits", "").strip() if of == "digits" else of.removeprefix("=")]
    try:
        trial = ask_trial(_about(state), given, answers)
    except Refused as refused:
        return _refused(state | {"tried": given}, refused)
    return _editor(Edited(**state, trial=trial, tried=given))


# --- What the editor shows. ---


def _steps(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    steps = document.get("steps")
    return list(steps) if isinstance(steps, list) else []


def _editor(edited: Edited, text: str = "") -> str:
    steps = [shaped(one) for one in _steps(edited.document)]
    names, faults = names_of(steps), _by_step(edited.faults)
    owner = _owner(edited.flow)
    return page(
        "flow.html", edited=edited, shown_steps=[_shown(place, step, names, faults.get(place, [])) for place, step
                                                 in enumerate(steps)],
        picture=picture(_boxes(steps, names, faults)), names=names, whole_faults=faults.get(-1, []), kinds=STEPS,
        text=text or json.dumps(edited.document, ensure_ascii=False, indent=2), days=DAYS, facts=FACTS, tests=TESTS,
        picks=_picks(owner), may_write=reader().may("flows.write"), path=_path(edited.flow), text_of=text_of,
        rows_of_targets=rows_of_targets, rows_of_tests=rows_of_tests, tried=edited.tried or {},
    )  # fmt: skip


def _path(found: Mapping[str, Any] | None) -> str:
    return "flows/new" if found is None else f"flows/{found['id']}"


def _picks(client_id: str | None) -> dict[str, list[tuple[str, str]]]:
    """What the steps choose from: the client's own targets, schedules and flows."""
    sources = ("/v1/targets", "/v1/schedules", "/v1/flows")
    return {one: [(thing["id"], thing["name"]) for thing in asking().get(one, limit=MOST_CHOICES,
                  client_id=client_id)["data"]] for one in sources}  # fmt: skip


def _shown(place: int, step: Mapping[str, Any], names: Sequence[str], faults: Sequence[tuple[str, str]]) -> Any:
    """One step of the form; ``faults`` by the part that they concern, else by the step."""
    kind: StepKind | None = STEPS.get(str(step.get("type")))
    known = {part.name for part in kind.parts} if kind else set()
    return SimpleNamespace(
        place=place, kind=kind, type=step.get("type"), name=step.get("name") or "", called=names[place], step=step,
        kept=json.dumps(step, ensure_ascii=False),
        faults=[text for part, text in faults if part not in known and part != "name"],
        part_faults={part: " ".join(text for of, text in faults if of == part) for part, _ in faults},
    )  # fmt: skip


def _by_step(faults: Sequence[Fault]) -> dict[int, list[tuple[str, str]]]:
    """Faults by the step that they concern (-1: the flow), each with the part of it."""
    found: dict[int, list[tuple[str, str]]] = {}
    for fault in faults:
        names = fault.place.removeprefix("document").strip(".").split(".")
        text = fault_text(fault, reader().speech)
        place = whole(names[1]) if len(names) > 1 and names[0] == "steps" else None
        if place is None:
            found.setdefault(-1, []).append(("", f"{fault.place}: {text}" if fault.place else text))
        else:
            more = f"{'.'.join(names[3:])}: " if len(names) > 3 else ""
            found.setdefault(place, []).append((names[2] if len(names) > 2 else "", more + text))
    return found


def _boxes(steps: Sequence[Mapping[str, Any]], names: Sequence[str], faults: Mapping[int, Any]) -> list[Box]:
    places = {name: place for place, name in enumerate(names)}
    found = []
    for place, step in enumerate(steps):
        kind = STEPS.get(str(step.get("type")))
        links = [(_label(kind, member), places[to]) for member, to in links_of(step) if to in places]
        if _goes_on(step) and place + 1 < len(steps):
            links.append(("", place + 1))
        title = say(kind.title) if kind else str(step.get("type"))
        found.append(Box(title=title, name=names[place], follows=links, faulty=place in faults))
    return found


def _label(kind: StepKind | None, member: str) -> str:
    part = next((one for one in (kind.parts if kind else ()) if one.name == member), None)
    return say(part.label) if part else member


def _goes_on(step: Mapping[str, Any]) -> bool:
    """Whether the step below may follow, as nothing else is said of what does."""
    if step.get("type") in {"goto", "hangup"} or step.get("next"):
        return False
    if step.get("type") == "schedule":
        return not step.get("open")
    if step.get("type") in {"menu", "ring", "queue", "geo", "condition", "webhook"}:
        return not step.get("otherwise")
    return True
