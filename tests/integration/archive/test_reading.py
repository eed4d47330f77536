"""What has gone to the archive, read again: by the service, the API and the command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from dialtrace.archive.errors import ArchiveBroken, ArchiveUnknown
from dialtrace.archive.reading import ArchiveReader

from .test_command import run
from .test_retire import AGENCIES, CALLER, MONTH, Archive, KilledError, archive

__all__ = ["archive", "run"]


@pytest.fixture
def reader(database, archive: Archive) -> ArchiveReader:
    return ArchiveReader(database, archive.objects)


def test_given_a_month_that_has_gone_when_read_then_its_rows_are_what_they_were(archive, reader):
    calls = archive.add(count=3)
    archive.add(AGENCIES[1])
    assert reader.list_tables(AGENCIES[0]) == []
    assert reader.archived_until(AGENCIES[0]) is None

    archive.service().retire(MONTH)

    tables = reader.list_tables(AGENCIES[0])
    assert [(one.table, one.part, one.row_count) for one in tables] == [("calls", 1, 3), ("legs", 1, 3)]
    april = datetime(2021, 4, 1, tzinfo=UTC)
    assert reader.archived_until(AGENCIES[0]) == april
    assert reader.archived_until(AGENCIES[0], from_at=april) is None
    assert reader.archived_until(AGENCIES[0], from_at=april - timedelta(seconds=1)) == april
    march = datetime(2021, 3, 1, tzinfo=UTC)
    assert reader.archived_until(AGENCIES[0], until_at=march) is None
    assert reader.archived_until(AGENCIES[0], until_at=march + timedelta(seconds=1)) == april
    assert reader.archived_until(AGENCIES[0], by=april) is None, "it went long after"
    rows = list(reader.read(AGENCIES[0], MONTH, "calls"))
    assert sorted(row["id"] for row in rows) == sorted(map(str, calls))
    (row,) = reader.read(AGENCIES[0], MONTH, "calls", call_id=calls[0])
    assert (row["id"], row["caller"], row["cost"], row["facts"]) == (
        str(calls[0]), CALLER, "1.250000", {"trail": ["ä"]},
    )  # fmt: skip
    assert row["started_at"] == "2021-03-05T12:00:00.000Z"
    assert "digest" not in row
    (leg,) = reader.read(AGENCIES[0], MONTH, "legs", call_id=calls[0], client_id=AGENCIES[0])
    assert leg["call_id"] == str(calls[0])
    assert list(reader.read(AGENCIES[0], MONTH, "calls", client_id=uuid4())) == []


def test_given_a_month_that_is_on_its_way_then_it_is_not_read_twice(archive, reader):
    archive.add()
    archive.stop_at = "manifest"
    with pytest.raises(KilledError):
        archive.service().retire(MONTH)
    assert reader.list_tables(AGENCIES[0]) == []
    with pytest.raises(ArchiveUnknown, match="2021-03"):
        reader.read(AGENCIES[0], MONTH, "calls")


def test_given_calls_that_came_late_then_they_are_read_with_the_others(archive, reader):
    first = archive.add()
    archive.service().retire(MONTH)
    late = archive.add()
    archive.service().retire(MONTH)
    assert [row["id"] for row in reader.read(AGENCIES[0], MONTH, "calls")] == [str(first), str(late)]


def test_given_a_file_that_is_not_what_was_written_then_no_row_of_it_is_given(archive, reader):
    archive.add()
    archive.service().retire(MONTH)
    (file,) = archive.objects.root.rglob("calls.parquet")
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ArchiveBroken, match="something else"):
        list(reader.read(AGENCIES[0], MONTH, "calls"))


def test_given_the_command_then_it_prints_a_line_a_row_or_says_what_is_missing(run, archive):
    calls = archive.add(count=2)
    archive.service().retire(MONTH)
    done = run("read", "2021-03", "--agency", str(AGENCIES[0]))
    assert sorted(json.loads(line)["id"] for line in done.stdout.splitlines()) == sorted(map(str, calls))
    one = run("read", "2021-03", "legs", "--agency", str(AGENCIES[0]), "--call", str(calls[1]))
    assert [json.loads(line)["call_id"] for line in one.stdout.splitlines()] == [str(calls[1])]
    none = run("read", "2020-01", "--agency", str(AGENCIES[0]))
    assert none.returncode != 0
    assert "nothing of calls of 2020-01 has gone to the archive" in none.stderr
