"""People by the front door: invited by letter, signing in, with a second factor, from pages of ours only."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from email import policy
from pathlib import Path
from typing import Any
from uuid import UUID

import pyotp
import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices
from dialtrace.clock import SystemClock
from dialtrace.jobs.model import Done, Job
from dialtrace.mail.service import FileOutbox
from dialtrace.people.links import LinkSender
from dialtrace.people.model import MOST_TRIES

from .conftest import PASSWORD, Asker, Tenant, signed_in

OWNER = {"email": "ann@example.com", "name": "Ann", "role": "owner"}


@pytest.fixture
def post_office(services: ApiServices, owner_engine: Engine, tmp_path: Path) -> Callable[[], list[Any]]:
    """Runs the letters' jobs as a worker would; the letters that came of it."""
    folder = tmp_path / "outbox"
    sender = LinkSender(
        services.database,
        SystemClock(),
        FileOutbox(folder),
        services.brands.brand_of,
        console_url="https://console.example",
    )

    def deliver() -> list[Any]:
        before = set(folder.glob("*.eml"))
        with owner_engine.begin() as connection:
            jobs = connection.execute(
                text("DELETE FROM procrastinate_jobs WHERE task_name = 'people.send_link' RETURNING id, args")
            ).all()
        for row in sorted(jobs):
            assert sender.send(Job(row.id, "people.send_link", 1, row.args)) == Done()
        fresh = sorted(set(folder.glob("*.eml")) - before)
        return [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in fresh]

    return deliver


def token_in(letter: Any) -> str:
    found = re.search(r"#(di_\S+)", letter.get_content())
    assert found is not None, letter.get_content()
    return found[1]


def post(app: APIFlask, path: str, body: dict[str, Any], **headers: str) -> Any:
    return app.test_client().post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_given_an_invitation_when_its_letter_is_followed_then_the_user_signs_in_and_does_what_the_role_lets(
    tenant: Tenant, app: APIFlask, post_office: Callable[[], list[Any]]
) -> None:
    made = tenant.agency_key.made("/v1/users", OWNER | {"role": "analyst"})
    assert (made["state"], made["has_second_factor"]) == ("invited", False)
    [letter] = post_office()
    assert letter["To"] == "ann@example.com"
    assert "North" in letter["Subject"]
    assert "https://console.example/invitation#di_" in letter.get_content()
    assert post(app, "/v1/sessions", {"email": "ann@example.com", "password": PASSWORD}).status_code == 401

    token = token_in(letter)
    assert post(app, "/v1/invitations/accept", {"token": token, "password": "short"}).status_code == 422
    assert post(app, "/v1/password-resets/complete", {"token": token, "password": PASSWORD}).status_code == 404
    assert post(app, "/v1/invitations/accept", {"token": token, "password": PASSWORD}).status_code == 204
    assert post(app, "/v1/invitations/accept", {"token": token, "password": PASSWORD}).status_code == 404

    answer = post(app, "/v1/sessions", {"email": "Ann@Example.com", "password": PASSWORD})
    assert answer.status_code == 201
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-dialtrace=ds_")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    ann = Asker(app, None, {"Cookie": cookie.partition(";")[0], "X-CSRF-Token": answer.get_json()["csrf_token"]})
    assert ann.get("/v1/session").get_json()["user"]["id"] == made["id"]
    assert ann.get("/v1/calls").status_code == 200
    refused = ann.post("/v1/clients", {"name": "x"})
    assert (refused.status_code, refused.get_json()["code"]) == (403, "permission_missing")


def test_given_a_session_when_a_change_comes_without_its_token_or_from_another_site_then_refused(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    assert ann.post("/v1/clients", {"name": "fine"}).status_code == 201
    assert ann.post("/v1/clients", {"name": "fine"}, Origin="http://localhost").status_code == 201
    for headers in (
        {"X_CSRF_Token": ""}, {"X_CSRF_Token": "0" * 64}, {"Origin": "https://evil.example"}, {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    ):  # fmt: skip
        answer = ann.post("/v1/clients", {"name": "forged"}, **headers)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed"), headers
    other = signed_in(services, app, tenant.agency["id"], None, email="bob@example.com", role="owner")
    mixed = Asker(app, None, {**ann.headers, "X-CSRF-Token": other.headers["X-CSRF-Token"]})
    assert mixed.post("/v1/clients", {"name": "forged"}).status_code == 403


def test_given_signing_out_or_a_lost_right_when_asked_again_then_the_session_is_over(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    agency = tenant.agency["id"]
    ann = signed_in(services, app, agency, None, email="ann@example.com", role="owner")
    [session] = ann.get("/v1/sessions").get_json()["data"]
    assert session["is_this"]
    assert ann.delete(f"/v1/sessions/{session['id']}").status_code == 204
    assert ann.get("/v1/session").get_json()["code"] == "session_over"

    bob = signed_in(services, app, agency, None, email="bob@example.com", role="manager")
    user = bob.get("/v1/session").get_json()["user"]
    changed = tenant.agency_key.patch(f"/v1/users/{user['id']}", {"role": "analyst"}, If_Match=f'"v{user["version"]}"')
    assert (changed.status_code, changed.get_json()["role"]) == (200, "analyst")
    assert bob.get("/v1/session").status_code == 401
    assert tenant.agency_key.get("/v1/session").get_json()["code"] == "session_missing"


def test_given_a_second_factor_when_signing_in_then_its_code_is_needed_and_opens_once(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    assert ann.post("/v1/session/second-factor", {"password": "wrong wrong wrong"}).status_code == 401
    begun = ann.post("/v1/session/second-factor", {"password": PASSWORD}).get_json()
    totp = pyotp.TOTP(begun["secret"])
    body = {"email": "ann@example.com", "password": PASSWORD}
    assert post(app, "/v1/sessions", body).status_code == 201, "it does not count before it was confirmed"
    now = services.clock.now()
    # The step before this one is taken, so that the next two are free.
    confirmed = ann.post("/v1/session/second-factor/confirm", {"code": totp.at(now, counter_offset=-1)})
    assert confirmed.status_code == 201, confirmed.text
    codes = confirmed.get_json()["codes"]

    refused = post(app, "/v1/sessions", body)
    assert (refused.status_code, refused.get_json()["code"]) == (401, "code_required")
    assert (
        post(app, "/v1/sessions", body | {"password": "wrong", "code": totp.now()}).get_json()["code"]
        == "sign_in_refused"
    )
    code = totp.at(services.clock.now(), counter_offset=1)
    assert post(app, "/v1/sessions", body | {"code": code}).status_code == 201
    assert post(app, "/v1/sessions", body | {"code": code}).status_code == 401
    assert post(app, "/v1/sessions", body | {"code": codes[0]}).status_code == 201
    assert post(app, "/v1/sessions", body | {"code": codes[0]}).status_code == 401
    removed = ann.post("/v1/session/second-factor/remove", {"password": PASSWORD, "code": codes[1]})
    assert removed.status_code == 204, removed.text
    assert post(app, "/v1/sessions", body).status_code == 201


def test_given_an_agency_that_wants_a_second_factor_when_somebody_has_none_then_he_may_make_one_and_nothing_else(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    agency = f"/v1/agencies/{tenant.agency['id']}"
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    assert ann.get("/v1/clients").status_code == 200
    wanted = tenant.agency_key.patch(agency, {"second_factor_required": True}, If_Match='"v1"')
    assert (wanted.status_code, wanted.get_json()["second_factor_required"]) == (200, True)
    assert tenant.agency_key.get("/v1/clients").status_code == 200, "a key is no person"
    made_later = {"email": "ann@example.com", "password": PASSWORD}
    assert post(app, "/v1/sessions", made_later).status_code == 201
    row = {"method": "POST", "path": "/v1/clients", "body": {"name": "x"}}
    for answer in (
        ann.get("/v1/clients"), ann.post("/v1/clients", {"name": "x"}), ann.get("/v1/permissions"),
        ann.post("/v1/bulk", {"rows": [row]}), ann.patch(agency, {"second_factor_required": False}, If_Match="*"),
    ):  # fmt: skip
        assert (answer.status_code, answer.get_json()["code"]) == (403, "second_factor_required")
    assert ann.get("/v1/session").status_code == 200
    assert ann.get("/v1/sessions").status_code == 200, "where he is signed in, to leave there"
    totp = pyotp.TOTP(ann.post("/v1/session/second-factor", {"password": PASSWORD}).get_json()["secret"])
    assert ann.get("/v1/clients").status_code == 403, "it does not count before it was confirmed"
    assert ann.post("/v1/session/second-factor/confirm", {"code": totp.now()}).status_code == 201
    assert ann.get("/v1/clients").status_code == 200
    assert ann.post("/v1/clients", {"name": "x"}).status_code == 201


def test_given_an_agencys_own_key_when_it_changes_its_agency_then_anything_but_its_status(
    tenant: Tenant, operator: Asker, make_tenant: Callable[[str], Tenant]
) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}"
    key = tenant.agency_key
    assert key.patch(path, {"name": "North Star"}, If_Match='"v1"').get_json()["name"] == "North Star"
    assert key.patch(path, {"name": "Late"}, If_Match='"v1"').status_code == 412
    refused = key.patch(path, {"status": "suspended"}, If_Match="*")
    assert (refused.status_code, refused.get_json()["code"]) == (403, "role_insufficient")
    assert tenant.client_key.patch(path, {"name": "x"}, If_Match="*").status_code == 403
    assert make_tenant("South").agency_key.patch(path, {"name": "x"}, If_Match="*").status_code == 404
    assert operator.patch(path, {"status": "suspended"}, If_Match="*").get_json()["status"] == "suspended"
    assert operator.patch(path, {"status": "active"}, If_Match="*").get_json()["status"] == "active"


def test_given_many_tries_when_signing_in_then_throttled_and_another_address_is_not(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    wrong = {"email": "ann@example.com", "password": "wrong wrong wrong"}
    answers = [post(app, "/v1/sessions", wrong) for _ in range(MOST_TRIES[0])]
    assert {answer.status_code for answer in answers} == {401}
    right = {"email": "ann@example.com", "password": PASSWORD}
    refused = post(app, "/v1/sessions", right)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "too_many_tries")
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    elsewhere = app.test_client().post("/v1/sessions", json=right, environ_base={"REMOTE_ADDR": "192.0.2.77"})
    assert elsewhere.status_code == 201


def test_given_somebody_who_forgot_when_he_asks_then_a_letter_comes_and_nobody_else_learns_of_it(
    tenant: Tenant, services: ApiServices, app: APIFlask, post_office: Callable[[], list[Any]]
) -> None:
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    post_office()
    answers = [post(app, "/v1/password-resets", {"email": who}) for who in ("nobody@example.com", "ann@example.com")]
    assert [(answer.status_code, answer.data) for answer in answers] == [(202, b""), (202, b"")]
    [letter] = post_office()
    fresh = "quite another password"
    assert post(app, "/v1/password-resets/complete", {"token": token_in(letter), "password": fresh}).status_code == 204
    assert ann.get("/v1/session").status_code == 401, "every session is over"
    assert post(app, "/v1/sessions", {"email": "ann@example.com", "password": PASSWORD}).status_code == 401
    assert post(app, "/v1/sessions", {"email": "ann@example.com", "password": fresh}).status_code == 201


def test_given_one_who_belongs_to_two_agencies_when_signing_in_then_he_names_one(
    make_tenant: Callable[[str], Tenant], services: ApiServices, app: APIFlask
) -> None:
    first, second = make_tenant("North"), make_tenant("South")
    signed_in(services, app, first.agency["id"], None, email="ann@example.com", role="owner")
    body = {"email": "ann@example.com", "password": PASSWORD}
    made = services.people.invite(
        UUID(second.agency["id"]), None, email="ann@example.com", name="Ann", role="owner", role_id=None, language=None,
        held=frozenset(services.tenancy.list_keys(UUID(second.agency["id"])).items[0].permissions),
    )  # fmt: skip
    assert post(app, "/v1/sessions", body).status_code == 201, "the other has not accepted yet"
    from dialtrace.people import store

    with services.database.tenant(made.agency_id) as connection:
        hashed = services.sign_in.passwords.hash(PASSWORD)
        store.set_credentials(connection, made.agency_id, made.id, password_hash=hashed, state="active")
    refused = post(app, "/v1/sessions", body)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "agency_ambiguous")
    assert set(refused.get_json()["agencies"]) == {first.agency["id"], second.agency["id"]}
    assert post(app, "/v1/sessions", body | {"agency_id": second.agency["id"]}).status_code == 201


def test_given_less_than_all_when_inviting_or_making_roles_then_nobody_gives_more_than_he_has(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    body = {"role": "agency", "name": "x", "scopes": ["people.read", "people.write", "calls.read", "keys.write"]}
    some = Asker(app, tenant.agency_key.made("/v1/keys", body)["token"])
    assert some.post("/v1/users", OWNER).status_code == 422
    assert some.post("/v1/roles", {"name": "mine", "permissions": ["calls.listen"]}).status_code == 422
    role = some.made("/v1/roles", {"name": "mine", "permissions": ["calls.read"]})
    made = some.made("/v1/users", OWNER | {"role": None, "role_id": role["id"]})
    assert made["permissions"] == ["calls.read"]
    for key in ({"scopes": ["numbers.write"]}, {"may_listen": False}):
        refused = some.post("/v1/keys", {"role": "agency", "name": "x"} | key)
        assert refused.get_json()["errors"][0]["code"] == "beyond_own"
    owner = tenant.agency_key.made("/v1/users", OWNER | {"email": "o@example.com"})
    assert some.delete(f"/v1/users/{owner['id']}").status_code == 422
    refused = tenant.agency_key.delete(f"/v1/roles/{role['id']}")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "role_in_use")


def test_given_the_last_owner_when_he_would_go_then_refused(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    user = ann.get("/v1/session").get_json()["user"]
    path, tag = f"/v1/users/{user['id']}", f'"v{user["version"]}"'
    assert tenant.agency_key.delete(path).get_json()["code"] == "last_owner"
    for change in ({"role": "manager"}, {"state": "disabled"}):
        assert tenant.agency_key.patch(path, change, If_Match=tag).get_json()["code"] == "last_owner"
    signed_in(services, app, tenant.agency["id"], None, email="bob@example.com", role="owner")
    assert tenant.agency_key.delete(path).status_code == 204
    assert post(app, "/v1/sessions", {"email": "ann@example.com", "password": PASSWORD}).status_code == 401


def test_given_what_was_kept_when_looked_at_then_no_secret_is_readable(
    tenant: Tenant, services: ApiServices, app: APIFlask, owner_engine: Engine, post_office: Callable[[], list[Any]]
) -> None:
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    secret = ann.post("/v1/session/second-factor", {"password": PASSWORD}).get_json()["secret"]
    tenant.agency_key.made("/v1/users", OWNER | {"email": "new@example.com"})
    link = token_in(post_office()[-1]).rpartition("_")[2]
    cookie = ann.headers["Cookie"].rpartition("_")[2]
    with owner_engine.connect() as connection:
        for table in (
            "users",
            "user_links",
            "sessions",
            "audit_log",
            "idempotency_keys",
            "procrastinate_jobs",
            "sign_in_tries",
        ):
            rows = connection.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()
            for value in (PASSWORD, secret, link, cookie):
                assert not any(value in row for row in rows), table


def test_given_what_people_do_about_themselves_when_done_then_the_audit_log_tells_without_any_secret(
    tenant: Tenant, services: ApiServices, app: APIFlask
) -> None:
    ann = signed_in(services, app, tenant.agency["id"], None, email="ann@example.com", role="owner")
    user = ann.get("/v1/session").get_json()["user"]["id"]
    fresh = "quite another password"
    secret = ann.post("/v1/session/second-factor", {"password": PASSWORD}).get_json()["secret"]
    confirmed = ann.post("/v1/session/second-factor/confirm", {"code": pyotp.TOTP(secret).now()})
    codes = confirmed.get_json()["codes"]
    assert ann.post("/v1/session/second-factor/remove", {"password": PASSWORD, "code": codes[0]}).status_code == 204
    assert ann.post("/v1/session/password", {"old": PASSWORD, "new": fresh}).status_code == 204
    answer = tenant.agency_key.get(f"/v1/audit-log?actor_id={user}")
    told = [(one["action"], sorted(one["details"]["after"])) for one in answer.get_json()["data"]]
    assert ("user.changed", ["password_hash"]) in told
    assert ("session.created", ["address", "browser", "expires_at", "last_seen_at", "secret_hash", "user_id"]) in told
    assert any("totp_sealed" in after for action, after in told if action == "user.changed")
    for hidden in (PASSWORD, fresh, secret, *codes):
        assert hidden not in answer.text
