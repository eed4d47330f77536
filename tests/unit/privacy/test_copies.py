"""Copies of records are rewritten without a person: every other row and cell stays as it was."""

import json
import re
from uuid import UUID, uuid4

import pytest

from dialtrace.privacy.copies import Person, rewrite_csv, rewrite_ndjson, rewrite_parquet
from dialtrace.privacy.errors import CopyUnreadable
from dialtrace.subjects import pattern_of

CALL, OTHER = uuid4(), uuid4()
PERSON = Person(frozenset({str(CALL)}), re.compile(pattern_of("+442079460123")))


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "read", tmp_path / "written"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_given_csv_then_the_persons_row_is_emptied_and_mentions_elsewhere_are_replaced(paths, delimiter):
    rows = [["id", "caller", "caller_name", "tags", "talk_ms"], [str(CALL), "+442079460123", "Jane", "vip", "4039"],
            [str(OTHER), "+442079460999", "Ann", "asked for 020 7946 0123", "7"]]  # fmt: skip
    paths[0].write_text("".join(delimiter.join(row) + "\r\n" for row in rows), encoding="utf-8", newline="")

    assert rewrite_csv(*paths, PERSON) == 2

    told = paths[1].read_text(encoding="utf-8")
    assert [line.split(delimiter) for line in told.splitlines()] == [
        rows[0],
        [str(CALL), "", "", "vip", "4039"],
        [str(OTHER), "+442079460999", "Ann", "asked for 0", "7"],
    ]


def test_given_a_call_that_the_database_forgot_then_its_row_is_known_by_the_number(paths):
    paths[0].write_text(json.dumps({"id": str(OTHER), "caller": "+442079460123", "caller_name": "Jane"}) + "\n")
    assert rewrite_ndjson(*paths, PERSON) == 1
    assert json.loads(paths[1].read_text()) == {"id": str(OTHER), "caller": "", "caller_name": ""}


def test_given_nothing_of_the_person_then_nothing_changes(paths):
    body = json.dumps({"id": str(OTHER), "caller": "+442079460999", "facts": {"x": [1]}}) + "\n"
    paths[0].write_text(body)
    assert rewrite_ndjson(*paths, PERSON) == 0
    assert paths[1].read_text() == body


def test_given_what_cannot_be_read_then_nobody_claims_that_the_person_is_gone(paths):
    paths[0].write_text("{")
    with pytest.raises(CopyUnreadable, match="no JSON"):
        rewrite_ndjson(*paths, PERSON)
    paths[0].write_text("a,b\n1,2,3\n")
    with pytest.raises(CopyUnreadable, match="more fields"):
        rewrite_csv(*paths, PERSON)


def test_given_parquet_then_schema_and_groups_stay_and_the_person_goes(paths):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    schema = pyarrow.schema(
        [("id", pyarrow.binary(16)), ("caller", pyarrow.string()), ("facts", pyarrow.string()), ("n", pyarrow.int64())]
    )
    rows = [{"id": one.bytes, "caller": caller, "facts": "{}", "n": 1}
            for one, caller in ((CALL, "+442079460123"), (OTHER, "+442079460999"))]  # fmt: skip
    with parquet.ParquetWriter(paths[0], schema) as out:
        for row in rows:
            out.write_table(pyarrow.Table.from_pylist([row], schema=schema))

    assert rewrite_parquet(*paths, PERSON) == 1

    with parquet.ParquetFile(paths[1]) as written:
        assert written.num_row_groups == 2
        assert written.schema_arrow.equals(schema)
        found = written.read().to_pylist()
    assert [(UUID(bytes=row["id"]), row["caller"], row["n"]) for row in found] == [
        (CALL, "", 1),
        (OTHER, "+442079460999", 1),
    ]
