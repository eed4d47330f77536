"""Months that have gone, through the API: listed, read, told of where a call is asked for, noted in the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices
from dialtrace.archive.service import ArchiveService
from dialtrace.exports.making import ExportMaker
from dialtrace.exports.places import ExportPlaces
from dialtrace.jobs.model import Done, Job
from dialtrace.objectstore.folder import FolderStore

from .conftest import Tenant

MONTH = date(2021, 5, 1)
ADD = text(
    "INSERT INTO calls (agency_id, id, started_at, client_id, number, node, decided_by, outcome, digest)"
    " VALUES (:agency, :id, '2021-05-07T09:00:00Z', :client, '+442079460123', 'n', 'worker', 'answered', '')"
)


@pytest.fixture
def gone(services: ApiServices, tenant: Tenant, owner_engine: Engine) -> Any:
    """Two calls of a month that has gone."""
    calls = [uuid4(), uuid4()]
    agency, client = UUID(tenant.agency["id"]), UUID(tenant.client["id"])
    with services.database.tenant(agency) as connection:
        for call in calls:
            connection.execute(ADD, {"agency": agency, "id": call, "client": client})
    ArchiveService(services.database, services.archive._objects, services.clock).retire(MONTH)
    yield calls
    with owner_engine.begin() as connection:
        for parent in connection.execute(text("SELECT parent FROM dialtrace_partitioned()")).scalars().all():
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {parent}_2021_05")


def test_given_a_month_that_has_gone_then_it_is_listed_and_read_by_the_agency(gone: list[UUID], tenant: Tenant) -> None:
    (calls,) = tenant.agency_key.get("/v1/archive").get_json()["data"]
    assert (calls["month"], calls["table"], calls["part"], calls["rows"]) == ("2021-05", "calls", 1, 2)
    answer = tenant.agency_key.get(calls["href"])
    assert answer.content_type == "application/x-ndjson"
    assert sorted(json.loads(line)["id"] for line in answer.data.splitlines()) == sorted(map(str, gone))
    (line,) = tenant.agency_key.get(f"{calls['href']}?call_id={gone[0]}").data.splitlines()
    assert json.loads(line)["number"] == "+442079460123"
    noted = tenant.agency_key.get("/v1/audit-log?action=archive.read").get_json()["data"]
    assert [one["details"] for one in noted] == [{"month": "2021-05", "table": "calls"}] * 2


def test_given_a_call_that_has_gone_when_asked_for_then_the_answer_says_where_it_is(
    gone: list[UUID], tenant: Tenant
) -> None:
    answer = tenant.agency_key.get(f"/v1/calls/{gone[0]}")
    assert answer.status_code == 404
    assert "before 2021-06-01 have gone to the archive: GET /v1/archive" in answer.get_json()["detail"]


def test_given_a_span_that_reaches_into_a_month_that_has_gone_then_lists_and_exports_say_so(
    gone: list[UUID], tenant: Tenant
) -> None:
    june = "2021-06-01T00:00:00.000Z"
    for key in (tenant.agency_key, tenant.client_key):
        listed = key.get("/v1/calls").get_json()
        assert (listed["data"], listed["archived_until"]) == ([], june)
        assert key.get(f"/v1/calls?started_from={june}").get_json()["archived_until"] is None
        report = key.get(f"/v1/reports/figures?from={june[:4]}-01-01&to={june[:10]}&metrics=calls").get_json()
        assert report["archived_until"] == june
        streamed = key.get("/v1/calls/export?started_from=2021-05-20T00:00:00Z&started_until=2021-06-10T00:00:00Z")
        assert streamed.headers["Dialtrace-Archived-Until"] == june
        assert "Dialtrace-Archived-Until" not in key.get("/v1/calls/export").headers
        for what in ("", "/revisions", "/explain", "/recording", "/consent", "/charges"):
            answer = key.get(f"/v1/calls/{gone[0]}{what}")
            assert answer.status_code == 404, what
            assert "before 2021-06-01 have gone to the archive" in answer.get_json()["detail"], what


def test_given_an_export_of_a_month_that_has_gone_then_it_says_so(
    gone: list[UUID], tenant: Tenant, services: ApiServices, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "exports")
    maker = ExportMaker(services.database, ExportPlaces(store))
    span = {"content": "calls", "format": "csv", "client_id": tenant.client["id"], "until": "2021-07-01T00:00:00Z"}
    told = []
    for since in ("2021-05-01T00:00:00Z", "2021-06-01T00:00:00Z"):
        made = tenant.agency_key.post("/v1/exports", span | {"from": since}).get_json()
        job = Job(1, "exports.make", 1, {"agency_id": made["agency_id"], "export_id": made["id"]})
        assert maker.make(job) == Done()
        with store.open(f"exports/{made['agency_id']}/{made['id']}/manifest.json") as stream:
            in_manifest = json.loads(stream.read())["archived_until"]
        told.append((tenant.agency_key.get(f"/v1/exports/{made['id']}").get_json()["archived_until"], in_manifest))
    assert told == [("2021-06-01T00:00:00.000Z", "2021-06-01T00:00:00+00:00"), (None, None)]


def test_given_another_agency_when_it_asks_for_what_has_gone_then_there_is_nothing(
    gone: list[UUID], make_tenant: Callable[[str], Tenant]
) -> None:
    stranger = make_tenant("Stranger").agency_key
    assert stranger.get("/v1/archive").get_json()["data"] == []
    assert stranger.get("/v1/archive/2021-05/calls").status_code == 404
    assert "archive" not in stranger.get(f"/v1/calls/{gone[0]}").get_json()["detail"]
    assert stranger.get("/v1/calls").get_json()["archived_until"] is None


def test_given_nothing_of_that_kind_then_it_is_said(gone: list[UUID], tenant: Tenant) -> None:
    for path in ("/v1/archive/2021-05/visits", "/v1/archive/2019-01/calls", "/v1/archive/May/calls"):
        answer = tenant.agency_key.get(path)
        assert answer.status_code == 404, answer.text
        assert "There is no such" in answer.get_json()["detail"]
    assert tenant.client_key.get("/v1/archive").status_code == 403
