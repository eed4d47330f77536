"""An agency's own bucket and keys, through the front door, against a real S3 service."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dialtrace.api.app import ApiServices

from .conftest import Tenant
from .records import bring_home, due_of, store_call, wav

BUCKET = "bright-recordings"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str):
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_bucket(Bucket=BUCKET)
    for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=one["Key"])
    return client


def settings(endpoint: str, **changes: object) -> dict[str, object]:
    return {
        "bucket": BUCKET, "prefix": "calls", "region": "us-east-1", "endpoint_url": endpoint, "access_key_id": "bright",
        "secret_access_key": "s3cr3t-of-bright", "encryption": "s3", **changes,
    }  # fmt: skip


def record(services: ApiServices, tenant: Tenant, tmp_path: Path, minute: int = 0) -> str:
    agency, client = tenant.agency["id"], tenant.client["id"]
    call = store_call(services, agency, client, recorded=True, minute=minute)
    bring_home(services, due_of(call, agency, client, minute=minute), tmp_path / "spool" / "recordings", wav())
    return str(call)


def test_given_a_store_of_its_own_when_recorded_then_it_is_there_encrypted_and_the_older_stays_readable(
    services: ApiServices, tenant: Tenant, tmp_path: Path, endpoint: str, bucket
) -> None:
    path, key = f"/v1/agencies/{tenant.agency['id']}/recording-store", tenant.agency_key
    assert key.get(path).get_json()["kind"] == "platform"
    before = record(services, tenant, tmp_path)

    told = key.ask("PUT", path, settings(endpoint))
    assert told.status_code == 200, told.text
    assert "s3cr3t" not in told.text
    assert "s3cr3t" not in key.get(path).text
    tested = key.post(f"{path}/test", None).get_json()
    assert (tested["went_well"], [step["step"] for step in tested["steps"]]) == (
        True, ["reach", "write", "confirm", "read", "delete"],
    )  # fmt: skip

    after = record(services, tenant, tmp_path, minute=1)
    [found] = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert found["Key"].startswith(f"calls/{tenant.agency['id']}/2026/11/03/{after}-1")
    assert bucket.head_object(Bucket=BUCKET, Key=found["Key"])["ServerSideEncryption"] == "AES256"
    for call in (before, after):
        assert tenant.client_key.get(f"/v1/calls/{call}/recording").data == wav()
    link = tenant.client_key.made(f"/v1/calls/{after}/recording/links", {"direct": True})
    assert (link["kind"], "bright-recordings" in link["url"]) == ("store", True)

    assert key.delete(path).status_code == 204
    assert key.get(path).get_json()["kind"] == "platform"
    assert tenant.client_key.get(f"/v1/calls/{after}/recording").data == wav()
    assert key.delete(path).status_code == 404
    actions = [one["action"] for one in key.get("/v1/audit-log?action=recording_store.").get_json()["data"]]
    assert actions == ["recording_store.dropped", "recording_store.tested", "recording_store.changed"]


@pytest.mark.usefixtures("bucket")
def test_given_a_store_that_does_not_work_when_tested_then_it_says_at_which_step_and_why(
    tenant: Tenant, endpoint: str
) -> None:
    path, key = f"/v1/agencies/{tenant.agency['id']}/recording-store", tenant.agency_key
    for changes, words in (
        ({"bucket": "not-there"}, "no bucket not-there"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "127.0.0.1:9"),
    ):
        assert key.ask("PUT", path, settings(endpoint, **changes)).status_code == 200
        told = key.post(f"{path}/test", None).get_json()
        assert (told["went_well"], told["steps"][-1]["step"]) == (False, "reach")
        assert words in told["steps"][-1]["detail"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"bucket": "Not A Bucket"}, "#/bucket"),
        ({"prefix": "../up"}, "#/prefix"),
        ({"encryption": "rot13"}, "#/encryption"),
        # Ways into our own network.
        ({"endpoint_url": "http://169.254.169.254"}, "#/endpoint_url"),
        ({"endpoint_url": "https://10.0.0.1"}, "#/endpoint_url"),
        ({"endpoint_url": "http://8.8.8.8"}, "#/endpoint_url"),
        ({"endpoint_url": "https://user:pw@s3.example.net"}, "#/endpoint_url"),
        ({"secret_access_key": None}, "#/secret_access_key"),
    ],
)
def test_given_settings_that_cannot_be_when_sent_then_the_fault_has_its_place_and_nothing_changes(
    tenant: Tenant, endpoint: str, changes: dict[str, object], pointer: str
) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/recording-store"
    answer = tenant.agency_key.ask("PUT", path, settings(endpoint, **changes))
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)
    assert tenant.agency_key.get(path).get_json()["kind"] == "platform"


def test_given_a_client_key_when_it_asks_for_its_agencys_store_then_refused(tenant: Tenant) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/recording-store"
    assert tenant.client_key.get(path).status_code == 403


def test_given_keys_of_its_own_when_made_rotated_and_destroyed_then_recordings_follow(
    services: ApiServices, tenant: Tenant, tmp_path: Path
) -> None:
    path, key = f"/v1/agencies/{tenant.agency['id']}/recording-keys", tenant.agency_key
    for text in ("not base64", ')"ð'):
        assert key.post(path, {"key": text}).get_json()["errors"][0]["pointer"] == "#/key"
    given = base64.b64encode(os.urandom(32)).decode()
    first = key.made(path, {"key": given})
    call = record(services, tenant, tmp_path)
    [stored] = (tmp_path / "objects").rglob("*.wav")
    assert b"RIFF" not in stored.read_bytes()
    assert tenant.client_key.get(f"/v1/calls/{call}/recording", Range="bytes=0-9").data == wav()[:10]

    second = key.made(path, {})
    in_use = key.delete(f"{path}/{first['id']}")
    assert (in_use.status_code, in_use.get_json()["code"]) == (409, "recording_key_in_use")
    assert key.post(f"{path}/rewrap", None).get_json() == {"rewrapped": 1, "is_done": True}
    assert key.delete(f"{path}/{first['id']}").status_code == 204
    assert tenant.client_key.get(f"/v1/calls/{call}/recording").data == wav()

    assert key.delete(f"{path}/{second['id']}?with_recordings=true").status_code == 204
    gone = tenant.client_key.get(f"/v1/calls/{call}/recording").get_json()
    assert (gone["code"], gone["reason"]) == ("recording_absent", "key_destroyed")
    listed = key.get(path).get_json()["data"]
    assert [(one["is_current"], one["destroyed_at"] is None) for one in listed] == [(False, False), (False, False)]
    for wrong in ("not base64!", base64.b64encode(b"short").decode()):
        assert key.post(path, {"key": wrong}).get_json()["errors"][0]["pointer"] == "#/key"
