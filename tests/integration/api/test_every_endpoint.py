"""What every endpoint keeps to, found by walking all of them: whoever adds one is measured by the same rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from apiflask import APIFlask

from dialtrace.api.app import ApiServices
from dialtrace.api.endpoint import Endpoint
from dialtrace.api.paging import ListQuery
from dialtrace.api.sparse import item_of, members_of
from dialtrace.api.writing import READERS

from .conftest import Asker, Tenant
from .test_conventions import assert_problem
from .test_isolation import BODIES, IDS, endpoints_of, owned

Owned = tuple[Tenant, dict[str, str]]


#: The world of the tests of isolation.
isolated = owned


@pytest.fixture
def world(isolated: Owned, operator: Asker) -> Owned:
    """That world; its agency has an account with the operator too."""
    victim, ids = isolated
    operator.made(f"/v1/agencies/{ids['agency']}/billing", {"currency": "GBP"})
    return victim, ids


#: Endpoints whose one call in this world is no success, with the reason: nothing can be read off them here.
NOT_HERE = {
    "GET /v1/calls/live": "told without a page",
}
#: Members that follow from another one.
FOLLOWS = {
    **{("PATCH /v1/users/<uuid:user_id>", name): {"permissions", "role", "role_id"} for name in ("role", "role_id")},
    **{
        ("PATCH /v1/report-subscriptions/<uuid:subscription_id>", name): {"next_at"}
        for name in ("kind", "hour", "time_zone")
    },
}


def all_endpoints(app: APIFlask, *methods: str) -> Iterator[tuple[str, Endpoint]]:
    for row, made in sorted(endpoints_of(app).items()):
        if made.method in methods:
            yield row, made


def path_of(path: str, ids: dict[str, str]) -> str:
    for argument, name in IDS.items():
        path = path.replace(f"<uuid:{argument}>", ids[name])
    path = path.replace("<int:edition>", "1").replace("<month>", "2026-11").replace("<table>", "calls")
    return path.replace("/files/<name>", f"/files/{ids['client']}.csv").replace("<name>", "node-1")


def key_of(made: Endpoint, victim: Tenant, operator: Asker) -> Asker:
    return victim.agency_key if "agency" in made.roles else operator


def body_of(row: str, ids: dict[str, str]) -> Any:
    return BODIES[row][0](ids) if row in BODIES else None


# --- As declared. ---


def test_given_every_declaration_when_read_then_it_keeps_the_conventions(app: APIFlask) -> None:
    document = app.test_client().get("/v1/openapi.json").get_json()
    for row, made in all_endpoints(app, "GET", "POST", "PUT", "PATCH", "DELETE"):
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", made.path)
        operation = document["paths"][path][made.method.lower()]
        parameters = {one["name"]: one for one in operation.get("parameters", ())}
        for one in parameters.values():
            schema = one["schema"]
            assert schema.keys() & {"type", "anyOf", "enum", "$ref", "const"}, f"{row}: {one['name']} has no type"
        if made.method == "GET" and made.answer is not None:
            assert "fields" in parameters, f"{row} cannot be asked for some members only"
            if item_of(made.answer) is not None and "next_cursor" in made.answer.model_fields:
                assert {"limit"} <= parameters.keys(), f"{row} answers everything at once"
        if made.method == "POST":
            assert "Idempotency-Key" in parameters, row
        if made.method in {"PUT", "PATCH", "DELETE"}:
            assert "If-Match" in parameters, row
            assert made.read_at in READERS, f"{row}: nothing tells the version that If-Match is held against (read_at)"
            assert "412" in operation["responses"], row
        if made.method == "PATCH":
            assert parameters["If-Match"]["required"], row
            assert "application/merge-patch+json" in operation["requestBody"]["content"], row
        assert "429" in operation["responses"], row
        assert "RateLimit" in operation["responses"][str(made.status)]["headers"], row


# --- As it answers. ---


def test_given_every_get_when_some_members_are_asked_for_then_they_alone_come(
    world: Owned,
    app: APIFlask,
    operator: Asker,
) -> None:
    victim, ids = world
    seen = 0
    for row, made in all_endpoints(app, "GET"):
        if made.answer is None:
            continue
        key, path = key_of(made, victim, operator), path_of(made.path, ids)
        whole = key.get(path)
        if whole.status_code != 200:
            continue
        name = sorted(members_of(made.answer))[0]
        answer = key.get(f"{path}?fields={name}")
        assert answer.status_code == 200, f"{row}: {answer.text}"
        document = answer.get_json()
        items = document["data"] if item_of(made.answer) is not None else [document]
        assert all(item.keys() <= {name} for item in items), row
        problem = assert_problem(key.get(f"{path}?fields={name},nonsense"), 422, "validation_failed")
        assert problem["errors"][0]["parameter"] == "fields"
        seen += 1
    assert seen > 40


def test_given_every_write_when_if_match_names_what_was_not_read_then_412_and_nothing_changes(
    world: Owned,
    app: APIFlask,
    operator: Asker,
) -> None:
    victim, ids = world
    for row, made in all_endpoints(app, "PUT", "PATCH", "DELETE"):
        key, path = key_of(made, victim, operator), path_of(made.path, ids)
        read = path_of(made.read_at, ids)
        before = key.get(read)
        if before.status_code == 404:
            # Of the world's own only: what is not there cannot be written either.
            assert key.ask(made.method, path, body_of(row, ids), If_Match='"v999"').status_code == 404, row
            continue
        if before.status_code == 403:
            # About who is signed in; a key is no person (test_people).
            continue
        assert before.status_code == 200, f"{row}: {before.text}"
        answer = key.ask(made.method, path, body_of(row, ids), If_Match='"v999"')
        problem = assert_problem(answer, 412, "version_mismatch")
        assert problem["detail"]
        assert answer.headers["ETag"] == before.headers["ETag"], row
        assert key.get(read).get_json() == before.get_json(), row
        if made.method == "PATCH":
            assert_problem(key.patch(path, body_of(row, ids)), 428, "version_required")


def test_given_every_put_when_if_match_names_what_was_read_then_it_is_done_and_the_new_tag_is_told(
    world: Owned,
    app: APIFlask,
    operator: Asker,
) -> None:
    victim, ids = world
    done = 0
    for row, made in all_endpoints(app, "PUT"):
        key = operator if "operator" in made.roles else victim.agency_key
        path, read = path_of(made.path, ids), path_of(made.read_at, ids)
        agency = f"?agency_id={ids['agency']}" if key is operator else ""
        tag = key.get(read + agency).headers["ETag"]
        answer = key.ask("PUT", path + agency, body_of(row, ids), If_Match=tag)
        if answer.status_code not in {200, 204}:
            assert answer.status_code in {404, 409, 422}, f"{row}: {answer.text}"
            continue
        done += 1
        if answer.status_code == 200 and made.read_at == made.path:
            assert answer.headers["ETag"] == key.get(read + agency).headers["ETag"], row
    assert done > 5


def test_given_every_patch_when_one_member_is_sent_then_no_other_changes(
    world: Owned,
    app: APIFlask,
    operator: Asker,
) -> None:
    victim, ids = world
    document = app.test_client().get("/v1/openapi.json").get_json()
    moving = {"version", "updated_at", "next_run_at"}
    tried = 0
    for row, made in all_endpoints(app, "PATCH"):
        assert made.body is not None
        key, path = key_of(made, victim, operator), path_of(made.path, ids)
        operation = document["paths"][re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", made.path)]["patch"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        for name in made.body.model_fields:
            before = key.get(path).get_json()
            if name not in before:
                continue
            for value in (before[name], example.get(name, before[name])):
                answer = key.patch(path, {name: value}, If_Match="*")
                if answer.status_code != 200:
                    continue
                after = answer.get_json()
                tried += 1
                others = before.keys() - moving - {name} - FOLLOWS.get((row, name), set())
                assert {one: after[one] for one in others} == {one: before[one] for one in others}, f"{row} {name}"
    assert tried > 30


def test_given_every_post_when_sent_again_with_its_key_then_the_same_answer_comes(
    world: Owned,
    app: APIFlask,
    operator: Asker,
    services: ApiServices,
) -> None:
    victim, ids = world
    replayed = 0
    for number, (row, made) in enumerate(all_endpoints(app, "POST")):
        key, path, body = key_of(made, victim, operator), path_of(made.path, ids), body_of(row, ids)
        first = key.post(path, body, Idempotency_Key=f"walk-{number}")
        again = key.post(path, body, Idempotency_Key=f"walk-{number}")
        if first.status_code == 422 or first.status_code >= 500:
            # Not understood, or not done: its key is free.
            continue
        assert again.status_code == first.status_code, f"{row}: {first.text} then {again.text}"
        assert again.headers.get("Idempotent-Replayed") == "true", f"{row}: {first.text}"
        hidden = dict.fromkeys(made.secrets)
        if first.data and first.is_json:
            assert again.get_json() == first.get_json() | (hidden if first.status_code < 300 else {}), row
        other = key.post(f"{path}?agency_id={ids['agency']}", body, Idempotency_Key=f"walk-{number}")
        assert_problem(other, 422, "idempotency_key_reused")
        replayed += 1
    assert replayed > 20


def test_given_every_list_when_asked_for_one_at_a_time_then_its_pages_are_the_whole(
    world: Owned,
    app: APIFlask,
    operator: Asker,
) -> None:
    victim, ids = world
    for row, made in all_endpoints(app, "GET"):
        if not issubclass(made.query, ListQuery) or row in NOT_HERE:
            continue
        key, path = key_of(made, victim, operator), path_of(made.path, ids)
        whole = [json.dumps(item, sort_keys=True) for item in key.get(path).get_json()["data"]][:5]
        found: list[str] = []
        query = "?limit=1"
        while len(found) < len(whole):
            page = key.get(path + query).get_json()
            found += [json.dumps(item, sort_keys=True) for item in page["data"]]
            if not page["has_more"]:
                break
            query = f"?limit=1&cursor={page['next_cursor']}"
        if row != "GET /v1/audit-log":  # reading goes on being written there
            assert found == whole, row


@pytest.mark.parametrize("header", ["RateLimit", "RateLimit-Policy"])
def test_given_no_quota_when_answered_then_no_header_tells_of_one(tenant: Tenant, header: str) -> None:
    assert header not in tenant.agency_key.get("/v1/clients").headers
