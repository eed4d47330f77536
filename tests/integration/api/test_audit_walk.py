"""Every endpoint that writes leaves an entry in the audit log: who, what, from where, before and after; no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, text

from dialtrace.db.engine import Database

from .conftest import Asker, Tenant
from .test_isolation import ROWS, endpoints_of, owned, requests_of
from .test_nodes import report

__all__ = ["owned"]

#: Bodies for one's own things, where those of the isolation test would be refused.
BODIES: dict[str, Callable[[dict[str, str]], Any]] = {
    "POST /v1/keys": lambda ids: {"role": "agency", "name": "x", "agency_id": ids["agency"]},
    "POST /v1/keys/<uuid:key_id>/rotate": lambda _: {"overlap_s": 3600},
    "POST /v1/users": lambda ids: {
        "email": "x@x.example", "name": "x", "role": "owner", "client_id": ids["client"], "agency_id": ids["agency"]
    },
    "PATCH /v1/users/<uuid:user_id>": lambda _: {"name": "another"},
    "POST /v1/roles": lambda ids: {"name": "x", "permissions": [], "agency_id": ids["agency"]},
    "PATCH /v1/flows/<uuid:flow_id>": lambda _: {"name": "another"},
}  # fmt: skip
#: About a number that pools take.
DYNAMIC = {
    "POST /v1/pools/<uuid:pool_id>/numbers/add", "POST /v1/pools/<uuid:pool_id>/numbers/remove",
    "POST /v1/numbers/<uuid:number_id>/state", "POST /v1/numbers/<uuid:number_id>/assign",
}  # fmt: skip
#: What cannot succeed with the things at hand, and is proven elsewhere.
ELSEWHERE = {
    "POST /v1/agencies/<uuid:agency_id>/recording-store/test": "test_recording_stores: there is no store to test",
    "DELETE /v1/agencies/<uuid:agency_id>/recording-store": "test_recording_stores",
    "DELETE /v1/agencies/<uuid:agency_id>/recording-keys/<uuid:recording_key_id>": "test_recording_stores",
    "POST /v1/session/password": "test_people, as of everything that is about who is signed in",
    "POST /v1/session/second-factor": "test_people",
    "POST /v1/session/second-factor/confirm": "test_people",
    "POST /v1/session/second-factor/remove": "test_people",
    "DELETE /v1/sessions/<uuid:session_id>": "test_people",
    "POST /v1/clients/<uuid:client_id>/billing": "test_billing: the account is open already",
    "PUT /v1/clients/<uuid:client_id>/document": "test_documents: its client has an account that stays",
    "DELETE /v1/prompts/<name>": "test_prompts: there is no sound of that name",
    "POST /v1/number-orders/<uuid:order_id>/state": "test_carriers: the order was taken back before",
    "POST /v1/nodes/<name>/lost": "test_nodes: a node that was heard of is not lost",
}


def writing(app: APIFlask) -> list[str]:
    """Removals last, so that there is something to change."""
    found = [row for row, made in endpoints_of(app).items() if made.method != "GET" and not made.keeps_nothing]
    rank = {"DELETE": 1, "DELETE /v1/keys/<uuid:key_id>": 2}
    order = list(ROWS)
    return sorted(
        found,
        key=lambda row: (
            rank.get(row, rank.get(row.split()[0], 0)),
            -row.count("/") if "DELETE" in row else 0,
            order.index(row),
        ),
    )


def entries_of(engine: Engine, request_id: str) -> list[Any]:
    with engine.connect() as connection:
        query = text("SELECT * FROM audit_log WHERE request_id = :r ORDER BY at, id")
        return list(connection.execute(query, {"r": request_id}).mappings())


def test_given_every_writing_endpoint_when_asked_then_what_it_did_is_in_the_audit_log(
    owned: tuple[Tenant, dict[str, str]],
    app: APIFlask,
    operator: Asker,
    owner_engine: Engine,
    database: Database,
    record_property: Callable[[str, object], None],
) -> None:
    victim, ids = owned
    report(database, "<name>")
    body = {"client_id": ids["client"], "number": "+442079469999", "kind": "dynamic", "soak_days": 0}
    dynamic = ids | {"number": victim.agency_key.made("/v1/numbers", body)["id"]}
    done, refused = set(), {}
    for number, row in enumerate(writing(app)):
        for try_, (method, path, body) in enumerate(requests_of(row, dynamic if row in DYNAMIC else ids)):
            if row in BODIES:
                body = BODIES[row](ids)
            for who, asker in (("agency", victim.agency_key), ("operator", operator)):
                request_id = f"walk-{number}-{try_}-{who}"
                answer = asker.ask(method, path, body, If_Match="*", X_Request_Id=request_id)
                if answer.status_code >= 300:
                    refused.setdefault(row, f"{answer.status_code} {answer.text[:300]}")
                    continue
                found = entries_of(owner_engine, request_id)
                assert found, f"{method} {path} {json.dumps(body)} by {who} left no entry: {answer.text[:200]}"
                assert {(one["actor_kind"], one["address"]) for one in found} == {("key", "127.0.0.1")}
                assert all(one["actor_id"] is not None and one["object_kind"] for one in found)
                done.add(row)
                break
            if row in done:
                break
    missing = {row: refused.get(row) for row in writing(app) if row not in done and row not in ELSEWHERE}
    assert not missing, json.dumps(missing, indent=1)
    record_property("said", f"audit: {len(done)} writing endpoints left an entry each")
    with owner_engine.connect() as connection:
        log = "\n".join(connection.execute(text("SELECT t::text FROM audit_log t")).scalars())
    for secret in ("taken over by somebody", victim.agency_key.token, victim.client_key.token):
        assert secret is None or f'"{secret}"' not in log, f"the log tells {secret}"


def test_given_a_change_when_made_then_before_and_after_are_told_and_what_stayed_is_not(tenant: Tenant) -> None:
    path = f"/v1/targets/{tenant.target['id']}"
    changed = tenant.client_key.patch(path, {"name": "Desk two"}, If_Match='"v1"', X_Request_Id="change-1")
    assert changed.status_code == 200
    [entry] = tenant.agency_key.get(f"/v1/audit-log?object_id={tenant.target['id']}&action=target.changed").get_json()[
        "data"
    ]
    assert entry["details"] == {"before": {"name": tenant.target["name"]}, "after": {"name": "Desk two"}}
    assert (entry["request_id"], entry["client_id"]) == ("change-1", tenant.client["id"])
    removed = tenant.agency_key.get("/v1/audit-log?action=target.created").get_json()["data"]
    assert removed[0]["details"]["after"]["address"] == "sip:desk@pbx.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secretword@hook.example/path",
        "https://hook.example/path?key=secretword",
        "https://h.example/?secretword",
    ],
)
def test_given_an_address_with_a_secret_when_kept_then_the_secret_is_not(owner_engine: Engine, url: str) -> None:
    value = json.dumps({"a": [url, 'quote " inside'], "b": url + '"' + url})
    with owner_engine.connect() as connection:
        kept = connection.execute(
            text("SELECT dialtrace_audit_value(CAST(:v AS jsonb))::text"), {"v": value}
        ).scalar_one()
    assert "secretword" not in kept
    assert json.loads(kept)["a"][1] == 'quote " inside'


def test_given_a_refused_change_when_asked_then_the_log_says_nothing(tenant: Tenant, owner_engine: Engine) -> None:
    answer = tenant.client_key.patch(
        f"/v1/targets/{tenant.target['id']}", {"name": "x"}, If_Match='"v9"', X_Request_Id="late-1"
    )
    assert answer.status_code == 412
    assert entries_of(owner_engine, "late-1") == []
