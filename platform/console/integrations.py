"""Integrations: made step by step, tested, tried without sending anything, paused, and what each was told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Flask, request
from werkzeug.exceptions import NotFound

from .calls import clients_of
from .errors import Refused
from .faults import problem_text
from .filling import MENDABLE, formed
from .forms import Field, body_of, version_of
from .reader import asking, reader
from .schema_forms import fields_of
from .signing_in import page, see
from .texts import N_

PAGE, LAST_CALLS = 25, 10
_NAME = Field(
    name="name", label=N_("Name"), required=True, help=N_("Your own, such as: missed calls to the sales chat.")
)
#: What has to be done on the other side first, system by system.
STEPS: Mapping[str, tuple[str, ...]] = {
    "telegram": (
        N_("Write to @BotFather in Telegram: /newbot. It answers with the token."),
        N_("Add the bot to the chat or channel, and let it post there."),
        N_("Find the chat's number (-100… of groups and channels), or take the @name of a public channel."),
        N_("Fill in the form, then test the connection: it names the bot and the chat."),
    ),
    "bitrix24": (
        N_("In the portal: Developer resources, Other, Incoming webhook."),
        N_("Tick CRM, Telephony and Tasks (and Users, so that the test can look the user up), and copy the address."),
        N_("Choose who is responsible where nothing else says so: the number in the address of the profile."),
        N_("Fill in the form, then test the connection: it says whether the portal lets us in."),
    ),
}  # fmt: skip


def add_pages(app: Flask) -> None:
    base, one = "/console/integrations", "/console/integrations/<uuid:integration_id>"
    app.add_url_rule(base, view_func=integrations)
    app.add_url_rule(f"{base}/new", view_func=new_integration, methods=["GET", "POST"])
    app.add_url_rule(one, view_func=integration, methods=["GET", "POST"])
    app.add_url_rule(f"{one}/<any(pause, resume, test, preview, remove):deed>", view_func=integration_deed,
                     methods=["POST"])  # fmt: skip
    app.add_url_rule(f"{one}/deliveries/<uuid:integration_delivery_id>", view_func=told)
    app.add_url_rule(f"{one}/deliveries/<uuid:integration_delivery_id>/retry", view_func=tell_again, methods=["POST"])


def _systems() -> dict[str, Mapping[str, Any]]:
    return {one["name"]: one for one in asking().get("/v1/integration-systems", client_id=reader().client_id)["data"]}


def integrations() -> str:
    shown = reader()
    query = {"cursor": request.args.get("cursor", "")}
    found = asking().get("/v1/integrations", client_id=shown.client_id, limit=PAGE, **query)
    return page(
        "integrations.html", items=found["data"], cursor=found["next_cursor"], query=query, systems=_systems(),
        clients={one["id"]: one["name"] for one in clients_of(shown)}, may_write=shown.may("integrations.write"),
    )  # fmt: skip


def _system() -> Mapping[str, Any]:
    """The system that was chosen."""
    found = _systems().get(request.args.get("system", ""))
    if found is None:
        raise NotFound
    return found


def new_integration() -> Any:
    """The client and the system are chosen first."""
    shown = reader()
    if not shown.may("integrations.write"):
        raise NotFound
    if shown.client_id is None or not request.args.get("system"):
        return page("integration_choose.html", systems=_systems(), clients=clients_of(shown))
    system = _system()
    fields = _fields(system, is_new=True)
    if request.method == "GET":
        return page("integration_new.html", system=system, steps=STEPS.get(system["name"], ()), **formed(fields, {}))
    body = {"client_id": shown.client_id, "system": system["name"], **body_of(fields, request.form, shown.speech.zone)}
    try:
        made = asking().write("POST", "/v1/integrations", body, once=request.form.get("once", ""))
    except Refused as refused:
        return page("integration_new.html", system=system, steps=STEPS.get(system["name"], ()),
                    **formed(fields, {}, refused))  # fmt: skip
    return see(f"integrations/{made['id']}", done="made")


def _fields(system: Mapping[str, Any], *, is_new: bool) -> list[Field]:
    return [_NAME, *fields_of(system["secrets_schema"], "secrets", is_new=is_new),
            *fields_of(system["settings_schema"], "settings", is_new=is_new)]  # fmt: skip


def integration(integration_id: UUID) -> Any:
    """The page of one; a form that was sent changes it."""
    path = f"/v1/integrations/{integration_id}"
    found = asking().get(path)
    if request.method == "GET":
        return _page(found)
    if not reader().may("integrations.write"):
        raise NotFound
    body = body_of(_of(found), request.form, reader().speech.zone, changes=True)
    try:
        asking().write("PATCH", path, body, version=version_of(request.form))
    except Refused as refused:
        return _page(found, refused)
    return see(f"integrations/{integration_id}", done="changed")


def _of(found: Mapping[str, Any]) -> list[Field]:
    """The fields of one that is there; none for a system that is integrated no more."""
    system = _systems().get(found["system"])
    return _fields(system, is_new=False) if system else [_NAME]


def _page(found: Mapping[str, Any], refused: Refused | None = None, **more: Any) -> str:
    shown = reader()
    query = {"cursor": request.args.get("cursor", "")}
    told = asking().get(f"/v1/integrations/{found['id']}/deliveries", limit=PAGE, **query)
    calls = _listed("/v1/calls", "calls.read", found["client_id"])
    numbers = [one["number"] for one in _listed("/v1/numbers", "numbers.read", found["client_id"])
               if one["status"] == "active"]  # fmt: skip
    said = {"checks": None, "preview": None, "said": ""} | more
    return page(
        "integration.html", one=found, system=_systems().get(found["system"]), deliveries=told["data"],
        cursor=told["next_cursor"], query=query, calls=calls, number=next(iter(numbers), ""),
        steps=STEPS.get(found["system"], ()), may_write=shown.may("integrations.write"),
        **formed(_of(found), found, refused), **said,
    )  # fmt: skip


def _listed(path: str, permission: str, client_id: str) -> list[Mapping[str, Any]]:
    """The latest few; nothing where the reader may not see them."""
    if not reader().may(permission):
        return []
    return list(asking().get(path, client_id=client_id, limit=LAST_CALLS)["data"])


def integration_deed(integration_id: UUID, deed: str) -> Any:
    path = f"/v1/integrations/{integration_id}"
    if deed == "remove":
        asking().write("DELETE", path)
        return see("integrations", done="removed")
    if deed in {"pause", "resume"}:
        asking().write("POST", f"{path}/{deed}", once=request.form.get("once", ""))
        return see(f"integrations/{integration_id}", done="done")
    found = asking().get(path)
    try:
        if deed == "test":
            return _page(found, checks=asking().write("POST", f"{path}/test"))
        asked = {"call_id": request.form.get("call_id", "")}
        preview = asking().write("POST", f"{path}/preview", asked)
    except Refused as refused:
        if refused.status not in {*MENDABLE, 404}:
            raise
        return _page(found, said=problem_text(refused, reader().speech))
    return _page(found, preview=preview | {"texts": [_text(one) for one in preview["requests"]]})


def _text(one: Mapping[str, Any]) -> str:
    return f"{one['method']} {one['url']}\n{json.dumps(one['body'], ensure_ascii=False, indent=2)}"


def told(integration_id: UUID, integration_delivery_id: UUID) -> str:
    """One thing that was told, with every request and answer."""
    path = f"/v1/integrations/{integration_id}"
    found = asking().get(f"{path}/deliveries/{integration_delivery_id}")
    return page("integration_delivery.html", delivery=found, one=asking().get(path))


def tell_again(integration_id: UUID, integration_delivery_id: UUID) -> Any:
    path = f"integrations/{integration_id}/deliveries/{integration_delivery_id}"
    asking().write("POST", f"/v1/{path}/retry", once=request.form.get("once", ""))
    return see(path, done="done")
