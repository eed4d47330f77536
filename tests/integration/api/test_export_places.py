"""Scheduled exports go to the agency's own bucket, on a real S3 service; what was asked for at once does not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices
from dialtrace.exports.making import ExportMaker
from dialtrace.exports.places import ExportPlaces
from dialtrace.jobs.model import Done, Job
from dialtrace.objectstore.folder import FolderStore

from .conftest import Tenant
from .records import store_call
from .test_recording_stores import BUCKET, bucket, endpoint, settings

__all__ = ["bucket", "endpoint"]


@pytest.fixture
def places(services: ApiServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExportPlaces:
    found = ExportPlaces(FolderStore(tmp_path / "objects"), services.recordings.places)
    monkeypatch.setattr(services.exports, "_places", found)
    return found


def run(services: ApiServices, places: ExportPlaces, export: dict[str, Any]) -> None:
    job = Job(1, "exports.make", 1, {"agency_id": export["agency_id"], "export_id": export["id"]})
    assert ExportMaker(services.database, places).make(job) == Done()


def scheduled(tenant: Tenant) -> dict[str, Any]:
    body = {"name": "Calls", "content": "calls", "format": "csv", "every": "daily", "hour": 0, "time_zone": "UTC"}
    made = tenant.agency_key.made("/v1/export-schedules", body)
    answer = tenant.agency_key.post(f"/v1/export-schedules/{made['id']}/run", {})
    assert answer.status_code == 202, answer.text
    return answer.get_json()  # type: ignore[no-any-return]


def test_given_a_bucket_of_its_own_then_scheduled_exports_are_there_with_their_manifest_and_readable_by_the_api(
    services: ApiServices, tenant: Tenant, places: ExportPlaces, endpoint: str, bucket: Any, owner_engine: Engine
) -> None:
    store_call(services, tenant.agency["id"], tenant.client["id"])
    path = f"/v1/agencies/{tenant.agency['id']}/recording-store"
    assert tenant.agency_key.ask("PUT", path, settings(endpoint)).status_code in {200, 201}
    export = scheduled(tenant)

    run(services, places, export)

    told = tenant.agency_key.get(f"/v1/exports/{export['id']}").get_json()
    assert told["state"] == "done"
    names = [one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    (manifest_key,) = (name for name in names if name.endswith("manifest.json"))
    assert manifest_key.startswith(f"calls/exports/{tenant.agency['id']}/")
    manifest = json.loads(bucket.get_object(Bucket=BUCKET, Key=manifest_key)["Body"].read())
    for file in manifest["files"]:
        body = bucket.get_object(Bucket=BUCKET, Key=f"{manifest_key.rpartition('/')[0]}/{file['name']}")["Body"].read()
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
    # The bucket is left: what lies there is still read from there.
    assert tenant.agency_key.delete(path).status_code == 204
    file = told["files"][0]
    assert hashlib.sha256(tenant.agency_key.get(file["href"]).data).hexdigest() == file["sha256"]
    assert not list((places.here.root).rglob("*.csv"))  # type: ignore[attr-defined]
    with owner_engine.connect() as connection:
        found = connection.execute(text("SELECT DISTINCT place <> '' FROM export_objects")).scalars().all()
    assert found == [True]


def test_given_a_bucket_of_its_own_then_what_was_asked_for_at_once_stays_where_an_erasure_may_rewrite_it(
    services: ApiServices, tenant: Tenant, places: ExportPlaces, endpoint: str, bucket: Any
) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/recording-store"
    tenant.agency_key.ask("PUT", path, settings(endpoint))
    body = {"content": "calls", "format": "csv", "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    export = tenant.agency_key.post("/v1/exports", body).get_json()
    run(services, places, export)
    assert "Contents" not in bucket.list_objects_v2(Bucket=BUCKET, Prefix=f"calls/exports/{tenant.agency['id']}")
    assert list(places.here.root.rglob("manifest.json"))  # type: ignore[attr-defined]
