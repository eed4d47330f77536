"""Each resource over the application, on a real database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Asker, Tenant, document


def test_given_an_agency_key_when_provisioning_then_each_thing_is_answered_where_it_says(tenant: Tenant) -> None:
    for kind, made in (("targets", tenant.target), ("flows", tenant.flow), ("numbers", tenant.number)):
        read = tenant.agency_key.get(f"/v1/{kind}/{made['id']}")
        assert read.status_code == 200
        assert read.get_json() == made
        assert read.headers["ETag"] == '"v1"'
        assert read.headers["Cache-Control"] == "no-store"
        assert read.headers["X-Content-Type-Options"] == "nosniff"


def test_given_a_new_client_when_made_then_the_answer_has_its_place_its_version_and_utc_times(tenant: Tenant) -> None:
    answer = tenant.agency_key.post("/v1/clients", {"name": "Bright Dental", "time_zone": "Europe/London"})
    made = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/clients/{made['id']}"
    assert answer.headers["ETag"] == '"v1"'
    assert made["time_zone"] == "Europe/London"
    assert made["created_at"].endswith("Z")
    assert len(made["created_at"].split(".")[1]) in {4, 7}
    assert tenant.agency_key.get(answer.headers["Location"]).get_json() == made


def test_given_a_number_when_added_then_the_directory_routes_it(tenant: Tenant, owner_engine: object) -> None:
    with owner_engine.connect() as connection:  # type: ignore[attr-defined]
        row = connection.exec_driver_sql(
            "SELECT number_id::text, status, flow_id::text FROM directory WHERE e164 = %s", (tenant.number["number"],)
        ).one()
    assert tuple(row) == (tenant.number["id"], "active", tenant.flow["id"])


def test_given_a_number_that_is_in_use_when_added_again_then_409(tenant: Tenant) -> None:
    body = {"client_id": tenant.sibling["id"], "number": tenant.number["number"]}
    answer = tenant.agency_key.post("/v1/numbers", body)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "number_taken")


def test_given_a_number_when_released_then_it_stays_readable_and_can_be_added_again(tenant: Tenant) -> None:
    path = f"/v1/numbers/{tenant.number['id']}"
    released = tenant.agency_key.delete(path)
    assert released.status_code == 200
    assert released.get_json()["status"] == "released"
    assert tenant.agency_key.delete(path).get_json() == released.get_json()
    change = tenant.agency_key.patch(path, {"label": "x"}, If_Match=released.headers["ETag"])
    assert (change.status_code, change.get_json()["code"]) == (409, "number_released")
    again = tenant.agency_key.made("/v1/numbers", {"client_id": tenant.client["id"], "number": tenant.number["number"]})
    assert again["id"] != tenant.number["id"]
    listed = tenant.agency_key.get("/v1/numbers?number=%2B" + tenant.number["number"][1:]).get_json()["data"]
    assert [row["id"] for row in listed] == [tenant.number["id"], again["id"]]
    active = tenant.agency_key.get("/v1/numbers?status=active").get_json()["data"]
    assert [row["id"] for row in active] == [again["id"]]


def test_given_a_stale_tag_when_releasing_then_412_and_the_number_lives(tenant: Tenant) -> None:
    path = f"/v1/numbers/{tenant.number['id']}"
    assert tenant.agency_key.delete(path, If_Match='"v9"').status_code == 412
    assert tenant.agency_key.get(path).get_json()["status"] == "active"
    assert tenant.agency_key.delete(path, If_Match='"v1"').get_json()["status"] == "released"


@pytest.mark.parametrize(
    ("kind", "change"),
    [("targets", {"ring_timeout_s": 33}), ("flows", {"name": "Evenings"}), ("numbers", {"status": "suspended"})],
)
def test_given_a_tag_when_changing_then_only_the_version_that_was_read_is_changed(
    tenant: Tenant, kind: str, change: dict[str, object]
) -> None:
    path = f"/v1/{kind}/" + {"targets": tenant.target, "flows": tenant.flow, "numbers": tenant.number}[kind]["id"]
    key = tenant.client_key
    absent = key.patch(path, change)
    assert (absent.status_code, absent.get_json()["code"]) == (428, "version_required")
    weak = key.patch(path, change, If_Match='W/"v1"')
    assert (weak.status_code, weak.get_json()["code"]) == (412, "version_mismatch")
    assert weak.headers["ETag"] == '"v1"'
    done = key.patch(path, change, If_Match='"v0", "v1"', Content_Type="application/merge-patch+json")
    assert done.status_code == 200, done.text
    assert done.headers["ETag"] == '"v2"'
    assert done.get_json().items() >= change.items()
    assert key.patch(path, change, If_Match='"v1"').status_code == 412
    assert key.get(path).get_json() == done.get_json()
    assert key.get(path, If_None_Match='"v2"').status_code == 304


def test_given_a_flow_when_its_document_is_patched_then_what_is_left_out_stays(tenant: Tenant) -> None:
    path = f"/v1/flows/{tenant.flow['id']}"
    done = tenant.agency_key.patch(path, {"document": {"record": False}}, If_Match='"v1"')
    assert done.get_json()["document"] == tenant.flow["document"] | {"record": False}


def test_given_a_number_when_its_flow_is_patched_to_null_then_it_has_none(tenant: Tenant) -> None:
    path = f"/v1/numbers/{tenant.number['id']}"
    label = tenant.agency_key.patch(path, {"label": "kept"}, If_Match="*").get_json()
    assert label["flow_id"] == tenant.flow["id"]
    assert tenant.agency_key.patch(path, {"flow_id": None}, If_Match='"v2"').get_json()["flow_id"] is None
    refused = tenant.agency_key.patch(path, {"label": None}, If_Match='"v3"')
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["pointer"] == "#/label"


def test_given_a_faulty_flow_when_made_then_every_fault_has_its_place(tenant: Tenant) -> None:
    steps = [{"type": "hangup", "cause": "busy"}, {"type": "ring", "targets": [tenant.client["id"]]}]
    answer = tenant.agency_key.post(
        "/v1/flows",
        {"client_id": tenant.client["id"], "name": "x", "document": {"version": 1, "steps": steps, "volume": 11}},
    )
    assert answer.status_code == 422
    assert "#/document/volume" in {fault["pointer"] for fault in answer.get_json()["errors"]}
    unreachable = tenant.agency_key.post(
        "/v1/flows", {"client_id": tenant.client["id"], "name": "x", "document": {"version": 1, "steps": steps}}
    )
    assert unreachable.get_json()["errors"][0]["pointer"] == "#/document/steps/1"
    named = tenant.agency_key.post(
        "/v1/flows",
        {"client_id": tenant.client["id"], "name": "a\nb", "document": document(tenant.target["id"])},
    )
    assert [fault["pointer"] for fault in named.get_json()["errors"]] == ["#/name"]


def test_given_a_document_when_checked_then_what_is_wrong_is_told_and_nothing_is_made(tenant: Tenant) -> None:
    steps = [{"type": "ring", "targets": [tenant.target["id"]]}]
    body = {"client_id": tenant.client["id"], "document": {"version": 2, "steps": steps}}
    checked = tenant.agency_key.post("/v1/flows/check", body)
    assert checked.status_code == 200
    assert checked.get_json()["document"]["steps"] == [steps[0] | {"strategy": "in_turn"}]
    steps += [{"type": "goto", "flow": tenant.flow["id"]}]
    endless = tenant.agency_key.post("/v1/flows/check", body | {"flow_id": tenant.flow["id"]})
    assert endless.status_code == 422
    assert [fault["pointer"] for fault in endless.get_json()["errors"]] == ["#/document/steps/1/flow"]
    assert len(tenant.agency_key.get("/v1/flows").get_json()["data"]) == 1


def test_given_a_flow_and_a_moment_when_tried_then_who_would_be_rung_is_told_and_nothing_is_kept(
    tenant: Tenant,
) -> None:
    tone = {"kind": "tone", "frequency_hz": 440, "duration_ms": 100}
    steps = [
        {"type": "schedule", "weekly": {"mon": [["09:00", "18:00"]]}, "closed": "late"},
        {"type": "ring", "targets": [tenant.target["id"]]},
        {"name": "late", "type": "voicemail", "prompt": tone},
    ]
    body = {"client_id": tenant.client["id"], "document": {"version": 2, "steps": steps}}
    path, key = "/v1/flows/dry-run", tenant.agency_key
    sunday = key.post(path, body | {"at": "2026-11-29T09:00:00Z"}).get_json()
    assert [(one["name"], one["result"], one["targets"]) for one in sunday["steps"]] == [
        ("step-1", "closed", []), ("late", None, []),
    ]  # fmt: skip
    monday = key.post(path, body | {"at": "2026-11-30T09:00:00Z"}).get_json()
    assert [one["target_id"] for one in monday["steps"][1]["targets"]] == [tenant.target["id"]]
    assert monday["steps"][1]["targets"][0]["name"] == tenant.target["name"]
    assert (monday["ending"], monday["backup"]) == ("in_vain", None)
    key.patch(f"/v1/clients/{tenant.client['id']}", {"backup_target_id": tenant.target["id"]}, If_Match="*")
    assert (
        key.post(path, body | {"at": "2026-11-30T09:00:00Z"}).get_json()["backup"]["target_id"] == tenant.target["id"]
    )
    unfit = key.post(path, body | {"at": "2026-11-30T09:00:00Z", "caller": "0207"})
    assert [fault["pointer"] for fault in unfit.get_json()["errors"]] == ["#/caller"]
    menu = [{"name": "m", "type": "menu", "prompt": tone, "choices": {"1": "m"}, "otherwise": "end"},
            {"name": "end", "type": "hangup", "cause": "busy"}]  # fmt: skip
    asked = {"client_id": tenant.client["id"], "document": {"version": 2, "steps": menu}}
    assert key.post(path, asked).get_json()["offers"] == ["1", ""]
    unfit = key.post(path, asked | {"answers": ["1", "5"]})
    assert (unfit.status_code, unfit.get_json()["errors"][0]["pointer"]) == (422, "#/answers/1")
    assert len(key.get("/v1/flows").get_json()["data"]) == 1


def test_given_a_clients_own_key_when_it_makes_flows_that_go_to_each_other_then_they_are_published(
    tenant: Tenant,
) -> None:
    steps = [{"type": "goto", "flow": tenant.flow["id"]}]
    made = tenant.client_key.made("/v1/flows", {"name": "All", "document": {"version": 2, "steps": steps}})
    target = f"/v1/targets/{tenant.target['id']}"
    assert tenant.client_key.patch(target, {"address": "sip:other@pbx.example"}, If_Match='"v1"').status_code == 200
    body = {"name": "x", "document": {"version": 2, "steps": [{"type": "goto", "flow": made["id"]}]}}
    assert tenant.client_key.post("/v1/flows/check", {"document": body["document"]}).status_code == 200
    refused = tenant.sibling_key.post("/v1/flows", body)
    assert refused.get_json()["errors"][0]["pointer"] == "#/document/steps/0/flow"


def test_given_a_client_when_patched_then_its_backup_must_be_a_target_of_its_own(tenant: Tenant) -> None:
    path, backup = f"/v1/clients/{tenant.client['id']}", {"backup_target_id": tenant.target["id"]}
    assert tenant.client["backup_target_id"] is None
    done = tenant.agency_key.patch(path, backup | {"time_zone": "Europe/Moscow"}, If_Match='"v1"')
    assert done.status_code == 200
    assert done.get_json().items() >= (backup | {"time_zone": "Europe/Moscow", "version": 2}).items()
    stale = tenant.agency_key.patch(path, {"name": "x"}, If_Match='"v1"')
    assert stale.status_code == 412
    assert tenant.client_key.patch(path, {"name": "x"}, If_Match='"v2"').status_code == 403
    theirs = tenant.agency_key.patch(f"/v1/clients/{tenant.sibling['id']}", backup, If_Match='"v1"')
    assert theirs.status_code == 422
    assert [fault["pointer"] for fault in theirs.get_json()["errors"]] == ["#/backup_target_id"]


def test_given_a_flow_of_another_client_when_a_number_names_it_then_it_is_not_there(tenant: Tenant) -> None:
    body = {"client_id": tenant.sibling["id"], "number": "+442079469999", "flow_id": tenant.flow["id"]}
    answer = tenant.agency_key.post("/v1/numbers", body)
    assert answer.status_code == 404
    assert answer.get_json()["errors"][0]["pointer"] == "#/flow_id"


def test_given_a_target_that_the_switch_could_misread_when_made_then_422_at_its_place(tenant: Tenant) -> None:
    body = {"client_id": tenant.client["id"], "name": "x", "address": "sip:a@b|error/user_busy"}
    answer = tenant.agency_key.post("/v1/targets", body)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "#/address"


def test_given_a_client_key_when_it_names_no_client_then_it_makes_things_for_its_own(tenant: Tenant) -> None:
    body = {"name": "Back office", "address": "sip:back@pbx.example"}
    assert tenant.client_key.made("/v1/targets", body)["client_id"] == tenant.client["id"]
    missing = tenant.agency_key.post("/v1/targets", body)
    assert missing.status_code == 422
    assert missing.get_json()["errors"][0]["pointer"] == "#/client_id"


def test_given_an_operator_when_it_names_an_agency_then_it_acts_for_it(operator: Asker, tenant: Tenant) -> None:
    made = operator.made("/v1/clients", {"agency_id": tenant.agency["id"], "name": "by the operator"})
    assert made["agency_id"] == tenant.agency["id"]
    path = f"/v1/clients/{made['id']}"
    assert operator.get(path).status_code == 404
    assert operator.get(f"{path}?agency_id={tenant.agency['id']}").get_json() == made
    assert operator.get("/v1/clients?agency_id=0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47").status_code == 404


def test_given_a_key_when_made_then_its_token_opens_until_it_is_revoked(
    tenant: Tenant, asker: Callable[[str | None], Asker]
) -> None:
    made = tenant.agency_key.made("/v1/keys", {"role": "agency", "name": "second"})
    second = asker(made["token"])
    assert second.get("/v1/clients").status_code == 200
    listed = tenant.agency_key.get("/v1/keys").get_json()["data"]
    assert made["id"] in {key["id"] for key in listed}
    assert all("token" not in key and "secret" not in str(key) for key in listed)
    assert tenant.agency_key.delete(f"/v1/keys/{made['id']}").status_code == 204
    refused = second.get("/v1/clients")
    assert (refused.status_code, refused.get_json()["code"]) == (401, "credential_invalid")


def test_given_an_agency_key_when_it_makes_an_operator_key_then_403(tenant: Tenant) -> None:
    answer = tenant.agency_key.post("/v1/keys", {"role": "operator", "name": "x"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "role_insufficient")


def test_given_an_operator_key_when_made_for_an_agency_then_it_is_refused(operator: Asker, tenant: Tenant) -> None:
    """It would reach across tenants from inside one."""
    body = {"role": "operator", "name": "x", "agency_id": tenant.agency["id"]}
    refused = operator.post("/v1/keys", body)
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "#/agency_id")
    assert operator.made("/v1/keys", {"role": "operator", "name": "second"})["role"] == "operator"


def test_given_a_role_and_a_client_that_do_not_fit_when_a_key_is_made_then_422(tenant: Tenant) -> None:
    for body in ({"role": "client"}, {"role": "agency", "client_id": tenant.client["id"]}):
        refused = tenant.agency_key.post("/v1/keys", body | {"name": "x"})
        assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "#/client_id")
    past = tenant.agency_key.post("/v1/keys", {"role": "agency", "name": "x", "expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.get_json()["errors"][0]["pointer"]) == (422, "#/expires_at")


def test_given_two_agencies_in_one_request_when_asked_then_it_is_refused(operator: Asker, tenant: Tenant) -> None:
    other = operator.made("/v1/agencies", {"name": "South"})
    path = f"/v1/clients?agency_id={other['id']}"
    refused = operator.post(path, {"name": "whose?", "agency_id": tenant.agency["id"]})
    assert (refused.status_code, refused.get_json()["errors"][0]["code"]) == (422, "contradiction")


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer nonsense", "Bearer dt_é_x_y"])
def test_given_no_valid_key_when_asking_then_401_with_a_challenge(app: object, header: str | None) -> None:
    client = app.test_client()  # type: ignore[attr-defined]
    answer = client.get("/v1/clients", headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.mimetype == "application/problem+json"
