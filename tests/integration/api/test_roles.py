"""Every endpoint × every role, on one's own things: what a role lacks is refused as such, and what it has is not."""

from __future__ import annotations

from collections.abc import Callable

from apiflask import APIFlask
from sqlalchemy import Engine

from dialtrace.api.app import ApiServices

from .conftest import Tenant
from .test_isolation import askers_of, endpoints_of, owned, requests_of, rows_of

Owned = tuple[Tenant, dict[str, str]]
#: The world of the tests of isolation.
world = owned

#: How a role is told that it lacks something.
LACKING = {"role_insufficient", "permission_missing", "listening_not_allowed"}


def test_given_every_role_when_it_asks_for_its_own_things_then_what_it_lacks_is_403_and_what_it_has_is_not(
    world: Owned,
    services: ApiServices,
    app: APIFlask,
    owner_engine: Engine,
    record_property: Callable[[str, object], None],
) -> None:
    victim, ids = world
    reaches = [("agency", None, victim.agency_key), ("client", victim.client["id"], victim.client_key)]
    askers = [
        (reach, *one)
        for reach, client, key in reaches
        for one in askers_of(services, app, victim.agency["id"], client, key)
    ]
    # It is made the first time that anybody asks for it.
    assert victim.agency_key.get(f"/v1/clients/{victim.client['id']}/hook-secret").status_code == 200
    before = rows_of(owner_engine, victim.agency["id"], None)
    refused = let = 0
    for reach, role, asker, permissions in askers:
        for row, made in endpoints_of(app).items():
            may = reach in made.roles and set(made.permissions) <= permissions
            if may and made.method != "GET":
                # It would be done: test_audit_walk does it.
                continue
            method, path, body = next(requests_of(row, ids))
            answer = asker.ask(method, path, body, If_Match="*")
            code = answer.get_json()["code"] if answer.status_code == 403 else ""
            sent = f"{reach}, {role}: {method} {path} → {answer.status_code} {answer.data[:200]!r}"
            if may:
                may_not_hear = code == "listening_not_allowed" and "calls.listen" not in permissions
                assert not code or may_not_hear or (code == "session_missing" and role == "key"), sent
                let += 1
            else:
                assert code in LACKING, sent
                refused += 1
    assert rows_of(owner_engine, victim.agency["id"], None) == before
    record_property("said", f"roles: {len(askers)} askers, {refused} requests refused, {let} let through")
