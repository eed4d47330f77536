"""Retention, holds and requests of persons as a partner asks for them."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from dialtrace.privacy.signing import Signer
from dialtrace.secrets_box.model import SecretsBox

RULES = {"cdr_days": 1095, "recording_days": 180, "caller_days": 365, "visit_days": None, "caller_becomes": "key"}


@pytest.fixture
def tenant(make_tenant):
    return make_tenant("First")


def test_given_an_agencys_rule_and_its_clients_then_both_are_shown_and_what_holds(tenant):
    agency, client = tenant.agency["id"], tenant.client["id"]
    assert tenant.agency_key.ask("PUT", f"/v1/agencies/{agency}/retention", RULES).status_code == 200
    own = {**dict.fromkeys(RULES), "recording_days": 30}

    shown = tenant.client_key.ask("PUT", f"/v1/clients/{client}/retention", own).get_json()

    assert (shown["recording_days"], shown["cdr_days"]) == (30, None)
    assert shown["effective"] == {**RULES, "recording_days": 30}
    assert tenant.client_key.get(f"/v1/clients/{client}/retention").get_json() == shown


def test_given_a_rule_that_cannot_hold_then_the_member_is_named_and_nothing_is_changed(tenant):
    agency = tenant.agency["id"]
    answer = tenant.agency_key.ask("PUT", f"/v1/agencies/{agency}/retention", {**RULES, "recording_days": 2000})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "#/recording_days"
    assert tenant.agency_key.get(f"/v1/agencies/{agency}/retention").get_json()["cdr_days"] is None


def test_given_bounds_then_only_the_operator_sets_them_and_everybody_keeps_them(tenant, operator):
    path = f"/v1/agencies/{tenant.agency['id']}/retention"
    bounded = {**dict.fromkeys(RULES), "bounds": {"recording": {"least_days": 10, "most_days": 90}}}
    assert tenant.agency_key.ask("PUT", path, bounded).status_code == 403
    assert operator.ask("PUT", path, bounded).get_json()["bounds"] == {"recording": {"least_days": 10, "most_days": 90}}
    assert tenant.agency_key.ask("PUT", path, RULES).status_code == 422
    assert tenant.agency_key.get(path).get_json()["effective"]["recording_days"] == 90


def test_given_a_hold_then_it_is_listed_with_who_placed_and_lifted_it_and_never_with_the_number(tenant):
    body = {"kind": "caller", "phone": "+442079460123", "reason": "Case 17"}
    made = tenant.agency_key.post("/v1/legal-holds", body)
    hold = made.get_json()
    assert (made.status_code, made.headers["Location"]) == (201, f"/v1/legal-holds/{hold['id']}")
    assert "2079460123" not in made.text
    assert tenant.agency_key.delete(f"/v1/legal-holds/{hold['id']}").status_code == 204
    (listed,) = tenant.agency_key.get("/v1/legal-holds").get_json()["data"]
    assert listed["placed_by"] == listed["lifted_by"] != ""
    for body, field in (({"kind": "caller", "reason": "x"}, "phone"), ({"kind": "call", "reason": "x"}, "call_id")):
        assert tenant.agency_key.post("/v1/legal-holds", body).get_json()["errors"][0]["pointer"] == f"#/{field}"
    actions = [row["action"] for row in tenant.agency_key.get("/v1/audit-log?action=legal_hold.").get_json()["data"]]
    assert actions == ["legal_hold.lift", "legal_hold.place"]


def test_given_a_persons_request_then_it_is_taken_once_noted_and_its_job_waits(tenant, database):
    body = {"kind": "erase", "phone": "+44 20 7946 0123"}
    first, again = (tenant.agency_key.post("/v1/subject-requests", body) for _ in range(2))
    assert (first.status_code, first.get_json()["id"]) == (202, again.get_json()["id"])
    assert "2079460123" not in first.text
    assert (first.get_json()["state"], first.get_json()["caller"]) == ("waiting", "+44…23")
    with database.directory() as connection:
        jobs = connection.exec_driver_sql("SELECT task_name, args FROM procrastinate_jobs").all()
    assert ("privacy.carry_out", {}) in [tuple(row) for row in jobs]
    assert tenant.agency_key.post("/v1/subject-requests", {**body, "phone": "12"}).status_code == 422
    path = f"/v1/subject-requests/{first.get_json()['id']}"
    assert tenant.agency_key.get(f"{path}/file").status_code == 404


def test_given_a_receipt_then_it_is_verified_by_the_published_keys_alone(tenant, services, app):
    from dialtrace.cli_privacy import verify_receipt

    from .conftest import Asker

    signer = Signer(services.database, SecretsBox([b"k" * 32]))
    with services.database.tenant(tenant.agency["id"]) as connection:
        receipt = signer.write(
            connection, agency_id=UUID(tenant.agency["id"]), client_id=None, kind="retention",
            made_at=services.clock.now(), facts={"counts": {"calls": 2}},
        )  # fmt: skip
    shown = tenant.agency_key.get(f"/v1/privacy/receipts/{receipt.id}").get_json()
    keys = Asker(app, None).get("/v1/privacy/keys").get_json()
    assert verify_receipt(shown, keys)["counts"] == {"calls": 2}
    assert json.loads(shown["document"])["receipt"] == shown["id"]
