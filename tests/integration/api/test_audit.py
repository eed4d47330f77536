"""Listening leaves a trace, and who may not listen hears nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from apiflask import APIFlask

from dialtrace.api.app import ApiServices
from dialtrace.audit.service import AuditService
from dialtrace.db.errors import DatabaseUnavailable

from .conftest import Asker, Tenant
from .records import bring_home, due_of, store_call, wav


@pytest.fixture
def recorded(services: ApiServices, tenant: Tenant, tmp_path: Path) -> str:
    agency, client = tenant.agency["id"], tenant.client["id"]
    call = store_call(services, agency, client, recorded=True)
    bring_home(services, due_of(call, agency, client), tmp_path, wav())
    return str(call)


def entries(tenant: Tenant, query: str = "") -> list[dict]:
    answer = tenant.agency_key.get(f"/v1/audit-log{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


def test_given_a_recording_when_heard_and_downloaded_then_both_are_noted_with_key_and_place(
    tenant: Tenant, recorded: str
) -> None:
    path = f"/v1/calls/{recorded}/recording"
    assert tenant.client_key.get(path, X_Request_Id="hear-1").status_code == 200
    assert tenant.client_key.get(f"{path}?download=true", Range="bytes=0-9").status_code == 206

    downloaded, listened = entries(tenant, "?action=recording.")

    assert (listened["action"], downloaded["action"]) == ("recording.listened", "recording.downloaded")
    assert (listened["request_id"], listened["address"]) == ("hear-1", "127.0.0.1")
    assert listened["client_id"] == tenant.client["id"]
    assert listened["details"] == {"call_id": recorded, "segment": 1}
    assert downloaded["details"] == {"call_id": recorded, "segment": 1, "bytes": "0-9"}
    keys = tenant.agency_key.get("/v1/keys").get_json()["data"]
    [key] = [one["id"] for one in keys if one["client_id"] == listened["client_id"]]
    assert listened["actor_id"] == key


def test_given_requests_without_sound_when_answered_then_nothing_is_noted(tenant: Tenant, recorded: str) -> None:
    path = f"/v1/calls/{recorded}/recording"
    assert tenant.client_key.ask("HEAD", path).status_code == 200
    assert tenant.sibling_key.get(path).status_code == 404
    assert entries(tenant, "?action=recording.") == []


def test_given_an_audit_log_that_cannot_be_written_when_asked_for_sound_then_none_comes(
    tenant: Tenant, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(AuditService, "record", away)
    answer = tenant.client_key.get(f"/v1/calls/{recorded}/recording")
    assert answer.status_code == 503
    assert b"RIFF" not in answer.data


def test_given_a_key_that_may_not_listen_when_it_asks_then_it_sees_all_but_the_sound(
    tenant: Tenant, recorded: str, app: APIFlask
) -> None:
    body = {"role": "agency", "name": "accounts", "may_listen": False}
    deaf = Asker(app, tenant.agency_key.made("/v1/keys", body)["token"])
    assert deaf.get(f"/v1/calls/{recorded}").status_code == 200
    answer = deaf.get(f"/v1/calls/{recorded}/recording")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "listening_not_allowed")
    refused = deaf.post("/v1/keys", {"role": "agency", "name": "a way around"})
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["pointer"] == "#/may_listen"


def test_given_a_client_key_when_it_asks_for_the_log_then_refused(tenant: Tenant) -> None:
    assert tenant.client_key.get("/v1/audit-log").status_code == 403
