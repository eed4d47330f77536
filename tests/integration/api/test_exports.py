"""Exports through the API, read back by readers that are not ours: csv, json, pyarrow."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.parquet
import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from sqlalchemy import Engine, text
from werkzeug.serving import make_server

from dialtrace.api.app import ApiServices
from dialtrace.cdr.model import CallFilters
from dialtrace.cli import cli
from dialtrace.clock import FixedClock
from dialtrace.exports import service as service_module
from dialtrace.exports.columns import chosen, names_of
from dialtrace.exports.formats import write_file
from dialtrace.exports.making import MAKE_TRIES, ExportMaker
from dialtrace.exports.model import SETTLE, ScheduleValues
from dialtrace.exports.places import ExportPlaces
from dialtrace.exports.rows import Tenant as Owner
from dialtrace.exports.rows import call_pages
from dialtrace.exports.scheduling import ExportSchedules
from dialtrace.jobs.model import Done, GiveUp, Job, Retry
from dialtrace.jobs.service import JobQueue
from dialtrace.objectstore.errors import StoreUnavailable
from dialtrace.objectstore.folder import FolderStore

from .conftest import Asker, Tenant
from .records import START, bring_home, due_of, store_call, wav

SPAN = {"from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}


@pytest.fixture
def objects(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def make(services: ApiServices, objects: FolderStore) -> Callable[..., Any]:
    """Runs an export's job; the outcome."""

    def run(export: dict[str, Any], *, attempt: int = 1, store: Any = objects) -> Any:
        job = Job(1, "exports.make", attempt, {"agency_id": export["agency_id"], "export_id": export["id"]})
        return ExportMaker(services.database, ExportPlaces(store)).make(job)

    return run


def asked_for(key: Asker, **body: Any) -> dict[str, Any]:
    answer = key.post("/v1/exports", {"content": "calls", "format": "csv", **SPAN, **body})
    assert answer.status_code == 202, answer.text
    return answer.get_json()  # type: ignore[no-any-return]


def detail(key: Asker, export: dict[str, Any]) -> dict[str, Any]:
    return key.get(f"/v1/exports/{export['id']}").get_json()  # type: ignore[no-any-return]


def read(key: Asker, file: dict[str, Any]) -> list[dict[str, Any]]:
    data = key.get(file["href"]).data
    assert hashlib.sha256(data).hexdigest() == file["sha256"]
    assert len(data) == file["size_bytes"]
    return read_as(file["name"].rpartition(".")[2], data)


def read_as(form: str, data: bytes) -> list[dict[str, Any]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    if form == "ndjson":
        return [json.loads(line) for line in data.splitlines()]
    return pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()  # type: ignore[no-any-return]


def in_queue(owner_engine: Engine) -> list[str]:
    with owner_engine.connect() as connection:
        rows = connection.execute(text("SELECT args->>'export_id' FROM procrastinate_jobs WHERE status = 'todo'"))
        return list(rows.scalars())


@pytest.fixture
def called(services: ApiServices, tenant: Tenant, tmp_path: Path) -> list[str]:
    """Ids of three calls of the first client: one recorded, one withheld with a hostile tag, one not answered."""
    agency, client = tenant.agency["id"], tenant.client["id"]
    first = store_call(
        services, agency, client, recorded=True, target=tenant.target["id"], number_id=tenant.number["id"],
        facts={"consent": "given", "tags": ["vip"], "variables": {"basket": "large"}},
    )  # fmt: skip
    bring_home(services, due_of(first, agency, client), tmp_path, wav())
    second = store_call(services, agency, client, minute=1, caller=None, facts={"consent": "=cmd|' /C calc'!A0"})
    third = store_call(services, agency, client, minute=2, outcome="busy", caller="+442079460777")
    store_call(services, agency, client, minute=3, is_test=True)
    store_call(services, agency, tenant.sibling["id"], minute=4)
    tenant.agency_key.patch(f"/v1/clients/{client}", {"time_zone": "Asia/Yekaterinburg"}, If_Match="*")
    return [str(first), str(second), str(third)]


class TestOneClient:
    @pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
    def test_given_calls_when_exported_then_another_reader_finds_each_exactly(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any], form: str
    ) -> None:
        export = asked_for(tenant.client_key, format=form)
        assert (export["state"], export["row_count"]) == ("waiting", None)
        assert make(export) == Done()
        found = detail(tenant.client_key, export)
        assert (found["state"], found["row_count"], found["error"]) == ("done", 3, None)
        (file,) = found["files"]
        rows = read(tenant.client_key, file)
        assert list(rows[0]) == names_of("calls")
        assert [row["id"] for row in rows] == called
        first = rows[0]
        assert (first["client_name"], first["target_name"], first["number_label"]) == (
            tenant.client["name"], tenant.target["name"], tenant.number["label"],
        )  # fmt: skip
        zoned = START.astimezone(ZoneInfo("Asia/Yekaterinburg"))
        assert first["started_at"] == (zoned if form == "parquet" else "2026-11-03T14:30:00.125+05:00")
        assert (first["recording"], first["caller"], first["outcome"]) == ("stored", "+442079460999", "answered")
        assert str(first["talk_ms"]) == "16000"
        legs = first["legs"] if form == "ndjson" else json.loads(first["legs"])
        assert [(leg["outcome"], leg["address"]) for leg in legs] == [("answered", "sip:desk@pbx.example")]
        hostile = "=cmd|' /C calc'!A0"
        assert rows[1]["consent"] == ("'" + hostile if form == "csv" else hostile)
        assert rows[1]["caller"] in ("", None)
        assert rows[2]["outcome"] == "busy"

    def test_given_columns_of_the_client_then_they_are_used_in_their_order(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any]
    ) -> None:
        path = f"/v1/clients/{tenant.client['id']}/export-columns"
        assert tenant.client_key.get(path).get_json()["calls"] == names_of("calls")
        chosen_ones = {"calls": ["started_at", "id"], "events": None, "audit": None}
        assert tenant.agency_key.ask("PUT", path, chosen_ones).get_json()["calls"] == ["started_at", "id"]
        export = asked_for(tenant.client_key)
        make(export)
        (file,) = detail(tenant.client_key, export)["files"]
        assert read(tenant.client_key, file)[0] == {"started_at": "2026-11-03T14:30:00.125+05:00", "id": called[0]}
        refused = tenant.agency_key.ask("PUT", path, chosen_ones | {"calls": ["id", "salary"]})
        assert refused.status_code == 422
        assert refused.get_json()["errors"][0]["pointer"] == "#/calls"
        assert "salary" in refused.get_json()["errors"][0]["detail"]
        assert tenant.client_key.ask("PUT", path, chosen_ones).status_code == 403

    def test_given_filters_then_only_what_they_let_through_is_in_it(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any]
    ) -> None:
        export = asked_for(tenant.client_key, filters={"outcome": "busy"}, columns=["id"])
        make(export)
        (file,) = detail(tenant.client_key, export)["files"]
        assert read(tenant.client_key, file) == [{"id": called[2]}]
        refused = tenant.client_key.post(
            "/v1/exports", {"content": "calls", "format": "csv", **SPAN, "filters": {"caller": "+442079460999"}}
        )
        assert refused.status_code == 422

    def test_given_a_range_then_a_broken_download_goes_on(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any]
    ) -> None:
        export = asked_for(tenant.client_key, format="parquet")
        make(export)
        (file,) = detail(tenant.client_key, export)["files"]
        tag = f'"{file["sha256"]}"'
        begun = tenant.client_key.get(file["href"], Range="bytes=0-99")
        rest = tenant.client_key.get(file["href"], Range="bytes=100-", If_Range=tag)
        assert (begun.status_code, rest.status_code) == (206, 206)
        assert hashlib.sha256(begun.data + rest.data).hexdigest() == file["sha256"]
        assert tenant.client_key.get(file["href"], If_None_Match=tag).status_code == 304
        assert tenant.client_key.get(file["href"], Range=f"bytes={file['size_bytes']}-").status_code == 416

    def test_given_who_takes_records_out_then_the_audit_log_tells(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any]
    ) -> None:
        export = asked_for(tenant.client_key)
        make(export)
        (file,) = detail(tenant.client_key, export)["files"]
        read(tenant.client_key, file)
        log = tenant.agency_key.get("/v1/audit-log?action=export.").get_json()["data"]
        assert [entry["action"] for entry in log] == ["export.downloaded", "export.made"]
        assert {entry["object_id"] for entry in log} == {export["id"]}

    def test_given_a_time_that_is_over_then_no_file_is_handed_out(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any], owner_engine: Engine
    ) -> None:
        export = asked_for(tenant.client_key)
        make(export)
        (file,) = detail(tenant.client_key, export)["files"]
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE exports SET expires_at = now()"))
        assert tenant.client_key.get(file["href"]).status_code == 404

    @pytest.mark.parametrize("content", ["events", "audit"])
    def test_given_other_contents_then_they_are_exported_by_client_too(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any], content: str
    ) -> None:
        now = datetime.now(UTC)
        span = {
            "from": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "until": (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        tenant.client_key.get(f"/v1/calls/{called[0]}/recording")
        export = asked_for(tenant.client_key, content=content, format="ndjson", **span)
        make(export)
        (file,) = detail(tenant.client_key, export)["files"]
        rows = read(tenant.client_key, file)
        assert {row["client_id"] for row in rows} == {tenant.client["id"]}
        wanted = "call.ended" if content == "events" else "recording.listened"
        assert wanted in {row["type" if content == "events" else "action"] for row in rows}


class TestAllClients:
    def test_given_an_agency_then_each_client_has_a_file_and_the_manifest_comes_last(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any], objects: FolderStore
    ) -> None:
        export = asked_for(tenant.agency_key)
        assert make(export) == Done()
        found = detail(tenant.agency_key, export)
        assert found["row_count"] == 4
        rows = {file["client_id"]: read(tenant.agency_key, file) for file in found["files"]}
        assert [row["id"] for row in rows[tenant.client["id"]]] == called
        assert {row["client_id"] for row in rows[tenant.sibling["id"]]} == {tenant.sibling["id"]}
        assert rows[tenant.sibling["id"]][0]["started_at"].endswith("+00:00")
        folder = f"exports/{tenant.agency['id']}/{export['id']}"
        manifest = json.loads(objects.open(f"{folder}/manifest.json").read())
        assert {file["name"]: (file["rows"], file["sha256"]) for file in manifest["files"]} == {
            file["name"]: (file["rows"], file["sha256"]) for file in found["files"]
        }
        assert {file["time_zone"] for file in manifest["files"]} == {"Asia/Yekaterinburg", "UTC"}
        for file in manifest["files"]:
            assert objects.describe(f"{folder}/{file['name']}").sha256.hex() == file["sha256"]

    def test_given_a_clients_key_then_it_sees_nothing_of_the_agencys_export(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any]
    ) -> None:
        export = asked_for(tenant.agency_key)
        make(export)
        own = next(f for f in detail(tenant.agency_key, export)["files"] if f["client_id"] == tenant.client["id"])
        assert tenant.client_key.get(f"/v1/exports/{export['id']}").status_code == 404
        assert tenant.client_key.get(own["href"]).status_code == 404
        assert tenant.client_key.get("/v1/exports").get_json()["data"] == []

    def test_given_a_store_that_goes_away_before_the_end_then_the_next_try_makes_no_second_file(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any], objects: FolderStore, owner_engine: Engine
    ) -> None:
        class Failing:
            def __init__(self, left: int) -> None:
                self.left = left

            def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
                if not self.left:
                    raise StoreUnavailable("away")
                self.left -= 1
                objects.put_file(name, path, sha256=sha256)

        export = asked_for(tenant.agency_key)
        folder = objects.root / "exports" / tenant.agency["id"] / export["id"]
        for left in (1, 1):
            assert isinstance(make(export, store=Failing(left)), Retry)
            assert not (folder / "manifest.json").exists()
            assert detail(tenant.agency_key, export)["state"] == "running"
        assert make(export) == Done()
        assert make(export) == Done()
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [f"{tenant.client['id']}.csv", f"{tenant.sibling['id']}.csv", "manifest.json"]
        )
        with owner_engine.connect() as connection:
            count = connection.execute(text("SELECT count(*) FROM export_objects WHERE kind = 'export'")).scalar_one()
        assert count == 2

    def test_given_a_store_that_never_comes_back_then_the_export_says_so(
        self, tenant: Tenant, called: list[str], make: Callable[..., Any]
    ) -> None:
        class Away:
            def put_file(self, *_: Any, **__: Any) -> None:
                raise StoreUnavailable("away")

        export = asked_for(tenant.agency_key)
        assert isinstance(make(export, attempt=MAKE_TRIES, store=Away()), GiveUp)
        found = detail(tenant.agency_key, export)
        assert (found["state"], found["error"]) == ("failed", "StoreUnavailable: away")


DAILY = {"name": "Day", "content": "calls", "format": "csv", "every": "daily", "hour": 0, "time_zone": "Europe/Berlin"}


class TestSchedules:
    def test_given_a_schedule_when_changed_then_as_a_merge_patch_with_versions(self, tenant: Tenant) -> None:
        made = tenant.agency_key.made("/v1/export-schedules", DAILY)
        due, covered = (datetime.fromisoformat(made[name]) for name in ("next_run_at", "covered_until"))
        # A span that ended a moment ago has not settled and is the first one.
        assert due > datetime.now(UTC) - SETTLE > covered
        assert due.astimezone(ZoneInfo("Europe/Berlin")).hour == 0
        path = f"/v1/export-schedules/{made['id']}"
        assert tenant.agency_key.patch(path, {"hour": 6}).status_code == 428
        changed = tenant.agency_key.patch(path, {"hour": 6}, If_Match='"v1"').get_json()
        assert (changed["hour"], changed["every"], changed["version"]) == (6, "daily", 2)
        assert datetime.fromisoformat(changed["next_run_at"]).astimezone(ZoneInfo("Europe/Berlin")).hour == 6
        assert tenant.agency_key.patch(path, {"hour": 7}, If_Match='"v1"').status_code == 412
        refused = tenant.agency_key.patch(path, {"every": "weekly"}, If_Match='"v2"')
        assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "#/weekday")
        weekly = tenant.agency_key.patch(path, {"every": "weekly", "weekday": 1}, If_Match='"v2"').get_json()
        assert datetime.fromisoformat(weekly["next_run_at"]).isoweekday() == 1
        assert [one["id"] for one in tenant.agency_key.get("/v1/export-schedules").get_json()["data"]] == [made["id"]]
        assert tenant.agency_key.delete(path).status_code == 204
        assert tenant.agency_key.get(path).status_code == 404

    def test_given_a_span_that_has_ended_then_one_export_is_made_of_it_and_the_next_hour_is_set(
        self, tenant: Tenant, services: ApiServices, owner_engine: Engine
    ) -> None:
        made = tenant.agency_key.made("/v1/export-schedules", DAILY)
        job = Job(1, "exports.begin_due", 1, {})
        assert services.export_schedules.begin_due(job) == Done()
        assert in_queue(owner_engine) == []
        with owner_engine.begin() as connection:
            back = "next_run_at - interval '3 days'"
            connection.execute(
                text(f"UPDATE export_schedules SET next_run_at = {back}, covered_until = {back} - '1d'::interval")
            )
        assert services.export_schedules.begin_due(job) == Done()
        assert services.export_schedules.begin_due(job) == Done()
        (export,) = tenant.agency_key.get("/v1/exports").get_json()["data"]
        assert in_queue(owner_engine) == [export["id"]]
        now = tenant.agency_key.get(f"/v1/export-schedules/{made['id']}").get_json()
        # Three days were missed: they are in one export, and the next one begins where it ends.
        assert (export["schedule_id"], export["until"]) == (made["id"], now["covered_until"])
        assert (now["next_run_at"], now["version"]) == (made["next_run_at"], 1)
        span = datetime.fromisoformat(export["until"]) - datetime.fromisoformat(export["from"])
        assert timedelta(days=2, hours=23) <= span <= timedelta(days=3, hours=1)

    @pytest.mark.parametrize(("minute", "first_day"), [(2, 19), (6, 20)], ids=["not settled", "settled"])
    def test_given_a_schedule_made_just_after_its_hour_then_the_day_that_is_over_is_its_first(
        self, services: ApiServices, tenant: Tenant, minute: int, first_day: int
    ) -> None:
        clock = FixedClock(datetime(2026, 11, 20, 0, minute, tzinfo=UTC))
        schedules = ExportSchedules(services.database, clock, JobQueue(services.database))
        values = ScheduleValues(
            client_id=None, name="Day", content="calls", format="csv", every="daily", hour=0, weekday=None, day=None,
            time_zone="UTC", bom=False, enabled=True,
        )  # fmt: skip
        made = schedules.create_schedule(UUID(tenant.agency["id"]), values)
        first = datetime(2026, 11, first_day, tzinfo=UTC)
        assert (made.covered_until, made.next_run_at) == (first, first + timedelta(days=1))
        # Once it has settled it is exported, whole.
        clock.moment = made.next_run_at + SETTLE
        assert schedules.begin_due(Job(1, "exports.begin_due", 1, {})) == Done()
        (export,) = tenant.agency_key.get("/v1/exports").get_json()["data"]
        span = [datetime.fromisoformat(export[name]) for name in ("from", "until")]
        assert span == [made.covered_until, made.next_run_at]

    def test_given_a_call_that_is_revised_after_its_export_then_the_next_one_has_its_revision(
        self, tenant: Tenant, services: ApiServices, called: list[str], make: Callable[..., Any], owner_engine: Engine
    ) -> None:
        made = tenant.agency_key.made("/v1/export-schedules", DAILY | {"client_id": tenant.client["id"]})
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE export_schedules SET covered_until = '2026-11-01'"))
            connection.execute(text("UPDATE calls SET updated_at = now() - interval '1 hour'"))

        def run() -> list[tuple[str, str]]:
            answer = tenant.agency_key.post(f"/v1/export-schedules/{made['id']}/run", None)
            assert answer.status_code == 202, answer.text
            export = answer.get_json()
            assert make(export) == Done()
            (file,) = detail(tenant.agency_key, export)["files"]
            return [(row["id"], row["revision"]) for row in read(tenant.agency_key, file)]

        assert run() == [(call, "1") for call in called]
        # A run is called by the second at which its span ends.
        time.sleep(1.1)
        with owner_engine.begin() as connection:
            changed = "UPDATE calls SET revision = 2, updated_at = now() WHERE id = CAST(:id AS uuid)"
            connection.execute(text(changed), {"id": called[1]})
        assert run() == [(called[1], "2")]


class TestStreaming:
    def test_given_a_short_span_then_calls_come_at_once_with_every_filter(
        self, tenant: Tenant, called: list[str]
    ) -> None:
        path = "/v1/calls/export?started_from=2026-11-01T00:00:00Z&started_until=2026-12-01T00:00:00Z"
        for form in ("csv", "ndjson", "parquet"):
            answer = tenant.client_key.get(f"{path}&format={form}&caller=%2B442079460777")
            assert answer.status_code == 200, answer.text
            (row,) = read_as(form, answer.data)
            assert (row["id"], row["outcome"]) == (called[2], "busy")
        whole = tenant.agency_key.get(f"{path}&bom=true")
        assert whole.data.startswith(b"\xef\xbb\xbf")
        rows = read_as("csv", whole.data)
        assert len(rows) == 4
        assert rows[0]["started_at"] == "2026-11-03T09:30:00.125+00:00"

    def test_given_too_much_then_a_job_is_named_before_the_first_byte(
        self, tenant: Tenant, called: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long = tenant.client_key.get("/v1/calls/export?started_from=2026-01-01T00:00:00Z")
        assert (long.status_code, long.get_json()["errors"][0]["pointer"]) == (422, "#/started_from")
        monkeypatch.setattr(service_module, "MOST_STREAMED", 2)
        span = "started_from=2026-11-01T00:00:00Z&started_until=2026-12-01T00:00:00Z"
        many = tenant.client_key.get(f"/v1/calls/export?{span}")
        assert (many.status_code, many.get_json()["code"]) == (422, "export_too_large")
        assert "POST /v1/exports" in many.get_json()["detail"]


def put_calls(owner_engine: Engine, tenant: Tenant, count: int) -> None:
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO calls (agency_id, id, started_at, client_id, number, node, decided_by, outcome, digest,"
                " caller_name) SELECT CAST(:a AS uuid), gen_random_uuid(),"
                " timestamptz '2026-11-02' + n * interval '1 s',"
                " CAST(:c AS uuid), '+442079460123', 'n', 'worker', 'answered', '', repeat(n::text, 10)"
                " FROM generate_series(1, :count) n"
            ),
            {"a": tenant.agency["id"], "c": tenant.client["id"], "count": count},
        )


@contextmanager
def peak() -> Iterator[list[int]]:
    found: list[int] = []
    tracemalloc.start()
    yield found
    found.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()


def export_all(services: ApiServices, tenant: Tenant, form: str, most: int, target: Path) -> int:
    owner = Owner(services.database, UUID(tenant.agency["id"]), UUID(tenant.client["id"]))
    until = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(seconds=most)
    pages = call_pages(owner, CallFilters(started_from=datetime(2026, 11, 2, tzinfo=UTC), started_until=until))
    with peak() as found, target.open("wb") as file:
        write_file(form, file, chosen("calls", None), pages, ZoneInfo("UTC"), bom=False)  # type: ignore[arg-type]
    return found[0]


def test_given_many_more_calls_then_memory_stays_as_it_was(
    services: ApiServices, tenant: Tenant, owner_engine: Engine, tmp_path: Path
) -> None:
    put_calls(owner_engine, tenant, 15_000)
    export_all(services, tenant, "csv", 1_001, tmp_path / "warm")
    few, many = (export_all(services, tenant, "csv", most, tmp_path / "file") for most in (3_001, 15_001))
    with (tmp_path / "file").open(newline="", encoding="utf-8") as file:
        assert sum(1 for _ in csv.reader(file)) == 15_001
    assert many < 1.3 * few


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_given_many_more_calls_as_parquet_then_no_more_than_a_row_group_is_held(
    services: ApiServices, tenant: Tenant, owner_engine: Engine, tmp_path: Path
) -> None:
    put_calls(owner_engine, tenant, 40_000)
    few, many = (export_all(services, tenant, "parquet", most, tmp_path / "file") for most in (6_001, 40_001))
    assert pyarrow.parquet.ParquetFile(tmp_path / "file").metadata.num_rows == 40_000
    assert many < 1.3 * few
    assert pyarrow.default_memory_pool().max_memory() < 100_000_000


def test_given_the_command_line_then_a_client_is_fetched_into_a_file(
    app: APIFlask, tenant: Tenant, called: list[str], make: Callable[..., Any], services: ApiServices, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.05):
            for one in services.exports.list_exports(UUID(tenant.agency["id"]), None, limit=9).items:
                if one.state == "waiting":
                    make({"id": str(one.id), "agency_id": str(one.agency_id)})

    working = threading.Thread(target=work)
    working.start()
    monkeypatch.setenv("DIALTRACE_API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("DIALTRACE_API_KEY", str(tenant.client_key.token))
    target = tmp_path / "calls.parquet"
    try:
        found = CliRunner().invoke(
            cli,
            ["export", "calls", "--client", tenant.client["id"], "--format", "parquet", "--from", "2026-11-01",
             "--to", "2026-12-01", "-o", str(target)],
        )  # fmt: skip
    finally:
        done.set()
        server.shutdown()
        serving.join()
        working.join()
        server.server_close()
    assert found.exit_code == 0, found.output
    assert "3 rows" in found.output
    assert pyarrow.parquet.read_table(target)["id"].to_pylist() == called
    assert [path.name for path in tmp_path.iterdir() if "calls" in path.name] == ["calls.parquet"]
