"""API keys: what they may do, from where, until when, and how one takes over from another."""

from __future__ import annotations

import base64
from uuid import UUID

from apiflask import APIFlask
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices

from .conftest import Asker, Tenant


def key_of(tenant: Tenant, app: APIFlask, **values: object) -> Asker:
    made = tenant.agency_key.made("/v1/keys", {"role": "agency", "name": "x"} | values)
    return Asker(app, made["token"])


def test_given_scopes_when_asking_then_only_what_they_name_is_done(tenant: Tenant, app: APIFlask) -> None:
    key = key_of(tenant, app, scopes=["numbers.read", "calls.read"])
    assert key.get("/v1/numbers").status_code == 200
    for answer in (key.get("/v1/keys"), key.patch(f"/v1/numbers/{tenant.number['id']}", {"label": "x"}, If_Match="*")):
        assert (answer.status_code, answer.get_json()["code"]) == (403, "permission_missing")
    unknown = tenant.agency_key.post("/v1/keys", {"role": "agency", "name": "x", "scopes": ["calls.drop"]})
    assert unknown.get_json()["errors"][0]["pointer"] == "#/scopes"


def test_given_networks_when_asking_from_elsewhere_then_refused_and_the_last_use_names_the_address(
    tenant: Tenant, app: APIFlask
) -> None:
    near = key_of(tenant, app, networks=["127.0.0.0/8"])
    far = key_of(tenant, app, networks=["192.0.2.0/24"])
    assert near.get("/v1/numbers").status_code == 200
    answer = far.get("/v1/numbers")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "address_not_allowed")
    rows = tenant.agency_key.get("/v1/keys").get_json()["data"]
    used = {tuple(row["networks"] or ()): row["last_used_from"] for row in rows}
    assert (used[("127.0.0.0/8",)], used[("192.0.2.0/24",)]) == ("127.0.0.1", None)


def test_given_a_key_when_rotated_then_both_are_valid_for_the_overlap_and_the_new_one_is_like_the_old(
    tenant: Tenant, app: APIFlask, owner_engine: Engine
) -> None:
    body = {
        "role": "client",
        "client_id": tenant.client["id"],
        "name": "CRM",
        "scopes": ["calls.read"],
        "may_listen": False,
    }
    old = tenant.agency_key.made("/v1/keys", body)
    new = tenant.agency_key.made(f"/v1/keys/{old['id']}/rotate", {"overlap_s": 3600})
    same = ("client_id", "name", "role", "scopes", "networks", "may_listen", "expires_at")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert (new["rotated_from"], new["token"] != old["token"]) == (old["id"], True)
    for made in (old, new):
        assert Asker(app, made["token"]).get("/v1/calls").status_code == 200
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE api_keys SET expires_at = now() WHERE id = :i"), {"i": old["id"]})
    assert Asker(app, old["token"]).get("/v1/calls").status_code == 401
    assert Asker(app, new["token"]).get("/v1/calls").status_code == 200
    over = tenant.agency_key.post(f"/v1/keys/{old['id']}/rotate", {})
    assert (over.status_code, over.get_json()["code"]) == (409, "key_over")
    at_once = tenant.agency_key.made(f"/v1/keys/{new['id']}/rotate", {"overlap_s": 0})
    assert Asker(app, new["token"]).get("/v1/calls").status_code == 401
    assert Asker(app, at_once["token"]).get("/v1/calls").status_code == 200


def test_given_the_permissions_when_listed_then_each_endpoint_needs_some_of_them(tenant: Tenant, app: APIFlask) -> None:
    found = tenant.client_key.get("/v1/permissions").get_json()
    known = {one["name"] for one in found["data"]}
    assert set(found["roles"]) == {"owner", "manager", "analyst", "listener", "read_only"}
    document = app.test_client().get("/v1/openapi.json").get_json()
    needed = {
        permission
        for operations in document["paths"].values()
        for operation in operations.values()
        for permission in operation.get("x-permissions", ())
    }
    assert needed <= known


def token_of(app: APIFlask, client_id: str, secret: str, **form: str) -> object:
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return app.test_client().post(
        "/v1/oauth/token", data={"grant_type": "client_credentials"} | form, headers={"Authorization": f"Basic {basic}"}
    )


def test_given_a_partner_that_speaks_oauth_when_it_changes_its_key_for_a_token_then_it_gets_in_until_the_key_is_revoked(
    tenant: Tenant, app: APIFlask
) -> None:
    made = tenant.agency_key.made("/v1/keys", {"role": "agency", "name": "x", "scopes": ["calls.read", "numbers.read"]})
    client_id, _, secret = _parts(made["token"])
    answer = token_of(app, client_id, secret)
    assert answer.status_code == 200, answer.text
    token = answer.get_json()
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "calls.read numbers.read")
    assert answer.headers["Cache-Control"] == "no-store"
    asker = Asker(app, token["access_token"])
    assert asker.get("/v1/calls").status_code == 200
    assert asker.get("/v1/keys").status_code == 403
    narrow = token_of(app, client_id, secret, scope="numbers.read audit.read").get_json()
    assert narrow["scope"] == "numbers.read"
    assert Asker(app, narrow["access_token"]).get("/v1/calls").status_code == 403
    in_the_form = app.test_client().post(
        "/v1/oauth/token",
        data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret},
    )
    assert in_the_form.status_code == 200
    tampered = token["access_token"][:-2] + "xx"
    assert Asker(app, tampered).get("/v1/calls").status_code == 401
    assert tenant.agency_key.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert asker.get("/v1/calls").status_code == 401
    refused = token_of(app, client_id, secret)
    assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_client")


def _parts(token: str) -> tuple[str, str, str]:
    """A secret may hold an underscore itself."""
    head = "_".join(token.split("_", 3)[:3])
    return head, "_", token[len(head) + 1 :]


def test_given_what_is_no_request_for_a_token_when_sent_then_rfc_6749_says_why(tenant: Tenant, app: APIFlask) -> None:
    client_id, _, secret = _parts(str(tenant.agency_key.token))
    for form, status, error in (
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"scope": "everything"}, 400, "invalid_scope"),
    ):
        answer = token_of(app, client_id, secret, **form)
        assert (answer.status_code, answer.get_json()["error"]) == (status, error)
    for wrong in ("", "x", secret[:-1] + ("A" if secret[-1] != "A" else "B")):
        answer = token_of(app, client_id, wrong)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    assert app.test_client().post("/v1/oauth/token", json={"grant_type": "client_credentials"}).status_code in {
        400,
        401,
    }


def test_given_a_key_when_it_is_stored_then_only_a_hash_is(
    tenant: Tenant, services: ApiServices, owner_engine: Engine
) -> None:
    secret = _parts(str(tenant.agency_key.token))[2]
    assert UUID(tenant.agency["id"])
    with owner_engine.connect() as connection:
        for table in ("api_keys", "audit_log", "idempotency_keys"):
            rows = connection.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()
            assert not any(secret in row for row in rows), table
