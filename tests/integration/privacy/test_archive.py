"""Months that went to the object store still forget a person, and their manifests say what is there."""

import hashlib
import io
import json
from datetime import date, datetime, timedelta

import pyarrow.parquet
import pytest

from dialtrace.archive.service import ArchiveService
from dialtrace.privacy.model import Rules

from ..agent.conftest import tone
from .conftest import AGENCY, CALL, CALLER, found_in_files

STARTED = datetime.fromisoformat("2026-11-22T05:35:18.709881+00:00")


@pytest.fixture
def archived(place):
    """A recorded call whose month has gone: its recording's time was over."""
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.put_recording(CALL, tone())
    place.node.ingest().run_once()
    place.node.bring_all_home()
    # The database has a clock of its own, by which that month is young.
    for table, column in (("calls", "started_at"), ("legs", "call_started_at"), ("recordings", "call_started_at")):
        place.do(f"UPDATE {table} SET {column} = '2020-11-22T05:35:18Z'")
    place.clock.moment = STARTED + timedelta(days=100)
    place.service.set_retention(AGENCY, None, Rules(recording_days=90))
    place.retention().run([AGENCY])
    assert ArchiveService(place.database, place.objects, place.clock).retire(date(2020, 11, 1)) == 2
    return place


def rows(place, table):
    with place.objects.open(f"{AGENCY}/archive/2020-11/1/{table}.parquet") as stream:
        body = stream.read()
    return body, pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()


def test_given_a_person_whose_calls_went_to_the_store_when_erased_then_nothing_is_found_there(archived):
    assert len(found_in_files(archived.objects.root)) >= 1

    request = archived.erase()

    assert request.state == "done"
    assert request.counts["copies_rewritten"] == 2
    assert found_in_files(archived.objects.root) == []
    _, (call,) = rows(archived, "calls")
    _, (leg,) = rows(archived, "legs")
    assert (call["id"], call["caller"], call["outcome"]) == (str(CALL), "", "answered")
    assert (leg["call_id"], leg["caller"], leg["address"]) == (str(CALL), "", "")


def test_given_an_erasure_when_the_manifest_is_read_then_its_digests_are_those_of_the_files(archived):
    archived.erase()
    with archived.objects.open(f"{AGENCY}/archive/2020-11/1/manifest.json") as stream:
        manifest = json.loads(stream.read())
    listed = dict(archived.rows("SELECT object_name, sha256 FROM export_objects WHERE kind = 'partition'"))
    assert {file["table"] for file in manifest["files"]} == {"calls", "legs"}
    for file in manifest["files"]:
        body, _ = rows(archived, file["table"])
        digest = hashlib.sha256(body)
        assert (file["sha256"], file["size_bytes"], file["rewritten"]) == (digest.hexdigest(), len(body), True)
        assert bytes(listed[f"{AGENCY}/archive/2020-11/1/{file['name']}"]) == digest.digest()


def test_given_a_hold_on_a_call_that_went_to_the_store_then_its_rows_there_stay(archived):
    archived.service.place_hold(AGENCY, None, kind="call", call_id=CALL, reason="court", by="test")
    archived.erase()
    _, (call,) = rows(archived, "calls")
    assert call["caller"] == CALLER


def test_given_a_copy_in_the_agencys_own_bucket_when_its_person_is_erased_then_it_is_told_and_not_touched(place):
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.ingest().run_once()
    place.do(
        "INSERT INTO export_objects (agency_id, id, kind, format, place, object_name, from_at, until_at) VALUES"
        " (:a, gen_random_uuid(), 'export', 'csv', gen_random_uuid()::text, 'exports/a/b/calls.csv',"
        " '2026-11-01T00:00Z', '2026-12-01T00:00Z')",
        a=AGENCY,
    )
    assert place.erase().state == "done"
    (data,) = place.rows("SELECT data FROM events WHERE type = 'person.erased'")[0]
    assert (data["objects"], data["call_ids"]) == (["exports/a/b/calls.csv"], [str(CALL)])
    assert place.rows("SELECT state, rewritten_at FROM export_objects") == [("stored", None)]


def test_given_an_exports_time_is_over_then_its_files_and_their_manifest_go(place):
    for name in ("calls.csv", "manifest.json"):
        path = place.objects.root / "exports" / "x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    place.do(
        "INSERT INTO export_objects (agency_id, id, kind, format, object_name, expires_at) VALUES"
        " (:a, gen_random_uuid(), 'export', 'csv', 'exports/x/calls.csv', now() - interval '1 minute')",
        a=AGENCY,
    )
    assert place.retention().run([AGENCY])["copies"] == 1
    assert [path for path in place.objects.root.rglob("*") if path.is_file()] == []
