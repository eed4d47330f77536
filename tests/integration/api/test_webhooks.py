"""`/v1/webhooks` through the front door."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from dialtrace.events.service import sequence
from dialtrace.outgoing.signing import parse_secret
from dialtrace.webhooks.claims import Bounds, Claims, Result
from dialtrace.webhooks.model import Schedule, Verdict

from .records import store_call
from .test_conventions import assert_problem

URL = "https://crm.example.com/dialtrace"


@pytest.fixture
def hook(tenant):
    return tenant.agency_key.made("/v1/webhooks", {"url": URL, "event_types": ["call.*"]})


@pytest.fixture
def delivered(services, tenant, hook):
    """A call's message that the receiver refused once."""
    call = store_call(services, tenant.agency["id"], tenant.client["id"])
    sequence(services.database)
    claims = Claims(services.database)
    (taken,) = claims.claim(10, Bounds())
    attempt = {"at": "2026-03-01T09:30:00.125Z", "ms": 12, "url": URL, "status": 500, "fault": "status_500",
               "headers": {"server": "x"}, "body": None, "is_whole": True}  # fmt: skip
    claims.settle([Result(taken, Verdict("retry", 3600, fault="status_500"), attempt)], Schedule())
    return call


def test_given_a_webhook_when_made_then_its_secret_is_told_and_it_can_be_read(tenant, hook):
    assert len(parse_secret(hook.pop("secret"))) == 32
    assert (hook["state"], hook["client_id"], hook["event_types"]) == ("active", None, ["call.*"])
    answer = tenant.agency_key.get(f"/v1/webhooks/{hook['id']}")
    assert answer.get_json() == hook
    assert tenant.agency_key.get("/v1/webhooks").get_json()["data"] == [hook]
    assert answer.headers["ETag"] == '"v1"'


def test_given_the_same_request_again_then_one_webhook_and_no_secret(tenant):
    sent = [tenant.agency_key.post("/v1/webhooks", {"url": URL}, Idempotency_Key="again") for _ in range(2)]
    first, again = (answer.get_json() for answer in sent)
    assert first["id"] == again["id"]
    assert first["secret"] is not None
    assert again["secret"] is None


def test_given_a_client_then_its_webhook_is_its_own_and_the_agency_sees_it(tenant):
    own = tenant.client_key.made("/v1/webhooks", {"url": URL})
    assert own["client_id"] == tenant.client["id"]
    assert tenant.client_key.get("/v1/webhooks").get_json()["data"][0]["id"] == own["id"]
    assert tenant.sibling_key.get("/v1/webhooks").get_json()["data"] == []
    assert_problem(tenant.sibling_key.get(f"/v1/webhooks/{own['id']}"), 404, "not_found")
    assert tenant.agency_key.get(f"/v1/webhooks/{own['id']}").status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://crm.example.com/"}, "#/url"),
        ({"url": "https://10.0.0.1/"}, "#/url"),
        ({"url": URL, "event_types": ["call.endet"]}, "#/event_types"),
        ({"url": URL, "description": "two\nlines"}, "#/description"),
        ({"url": URL, "secret": "mine"}, "#/secret"),
        ({"event_types": []}, "#/url"),
    ],
)
def test_given_a_webhook_that_cannot_be_when_made_then_refused_with_its_place(tenant, body, pointer):
    problem = assert_problem(tenant.agency_key.post("/v1/webhooks", body), 422, "validation_failed")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert tenant.agency_key.get("/v1/webhooks").get_json()["data"] == []


def test_given_a_clients_webhook_with_other_clients_then_refused(tenant):
    body = {"url": URL, "client_ids": [tenant.sibling["id"]]}
    problem = assert_problem(tenant.client_key.post("/v1/webhooks", body), 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "#/client_ids"


def test_given_too_many_webhooks_then_refused(tenant, monkeypatch):
    monkeypatch.setattr("dialtrace.webhooks.service.MOST_OF_AN_OWNER", 1)
    tenant.client_key.made("/v1/webhooks", {"url": URL})
    assert_problem(tenant.client_key.post("/v1/webhooks", {"url": URL}), 409, "too_many_webhooks")
    tenant.sibling_key.made("/v1/webhooks", {"url": URL})


def test_given_a_patch_then_what_is_named_changes_and_a_stale_one_is_refused(tenant, hook):
    path = f"/v1/webhooks/{hook['id']}"
    changed = tenant.agency_key.patch(path, {"event_types": [], "description": "CRM"}, If_Match='"v1"').get_json()
    assert (changed["event_types"], changed["description"], changed["url"], changed["version"]) == ([], "CRM", URL, 2)
    assert_problem(tenant.agency_key.patch(path, {"url": URL}, If_Match='"v1"'), 412, "version_mismatch")
    assert_problem(tenant.agency_key.patch(path, {"url": URL}), 428, "version_required")
    assert_problem(tenant.agency_key.patch(path, {"url": "https://[::1]/"}, If_Match="*"), 422, "validation_failed")
    assert_problem(tenant.agency_key.patch(path, {"url": None}, If_Match="*"), 422, "validation_failed")


def test_given_a_secret_when_rotated_then_the_old_one_signs_too_for_as_long_as_was_asked(tenant, hook):
    path = f"/v1/webhooks/{hook['id']}/secret"
    assert tenant.agency_key.get(path).get_json()["secret"] == hook["secret"]
    rotated = tenant.agency_key.made(path, {"overlap_h": 48})
    assert rotated["secret"] != hook["secret"]
    left = datetime.fromisoformat(rotated["previous_until"]) - datetime.now(UTC)
    assert timedelta(hours=47) < left < timedelta(hours=49)
    assert tenant.agency_key.get(path).get_json() == rotated


def test_given_a_webhook_when_paused_resumed_and_removed_then_its_state_says_so(tenant, hook):
    path = f"/v1/webhooks/{hook['id']}"
    paused = tenant.agency_key.post(f"{path}/pause", {}).get_json()
    assert (paused["state"], paused["reason"]) == ("paused", "asked")
    assert tenant.agency_key.post(f"{path}/resume", {}).get_json()["state"] == "active"
    assert tenant.agency_key.delete(path).status_code == 204
    assert_problem(tenant.agency_key.get(path), 404, "not_found")
    assert tenant.agency_key.get("/v1/webhooks").get_json()["data"] == []


def test_given_a_delivery_then_the_log_tells_every_try_and_what_was_sent(tenant, hook, delivered):
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    (row,) = tenant.agency_key.get(path).get_json()["data"]
    assert (row["state"], row["type"], row["tries"], row["call_id"]) == ("waiting", "call.ended", 1, str(delivered))
    assert tenant.agency_key.get(f"{path}?state=delivered").get_json()["data"] == []
    assert tenant.agency_key.get(f"{path}?call_id={delivered}&type=call.ended").get_json()["data"] == [row]
    told = tenant.agency_key.get(f"{path}/{row['id']}").get_json()
    assert told["attempts"][0]["fault"] == "status_500"
    assert told["request_body"]["data"]["call"]["caller"] == "+442079460999"
    assert told["request_headers"]["webhook-id"] == row["message_id"] == told["request_body"]["id"]
    assert "signature" not in str(told)
    event = tenant.agency_key.get(f"/v1/events/{row['message_id']}").get_json()
    assert event == told["request_body"]


def test_given_a_delivery_or_a_span_when_replayed_then_it_is_due_again(tenant, hook, delivered):
    path = f"/v1/webhooks/{hook['id']}"
    (row,) = tenant.agency_key.get(f"{path}/deliveries").get_json()["data"]
    sent = tenant.agency_key.post(f"{path}/deliveries/{row['id']}/replay", {})
    assert (sent.status_code, sent.get_json()["tries"], sent.get_json()["replays"]) == (202, 0, 1)
    now = datetime.now(UTC)
    span = {"since": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
    answer = tenant.agency_key.post(f"{path}/replay", span)
    assert (answer.status_code, answer.get_json()) == (202, {"count": 0}), "it is on its way already"
    turned = {"since": span["until"], "until": span["since"]}
    assert_problem(tenant.agency_key.post(f"{path}/replay", turned), 422, "validation_failed")
    assert_problem(tenant.agency_key.post(f"{path}/deliveries/{uuid4()}/replay", {}), 404, "not_found")


def test_given_the_test_button_then_a_delivery_is_on_its_way(services, tenant, hook):
    sent = tenant.agency_key.post(f"/v1/webhooks/{hook['id']}/test", {})
    assert (sent.status_code, sent.get_json()["type"], sent.get_json()["state"]) == (202, "webhook.test", "waiting")
    (taken,) = Claims(services.database).claim(10, Bounds())
    assert str(taken.message_id) == sent.get_json()["message_id"]
