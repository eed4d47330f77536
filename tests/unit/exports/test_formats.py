"""Cells, lines and files, read back by readers that are not ours."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.exports.columns import COLUMNS, Column, chosen, names_of
from dialtrace.exports.errors import ValueRefused
from dialtrace.exports.formats import BOM, ROW_GROUP, guarded, text_chunks, write_file

BERLIN, YEKATERINBURG = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Yekaterinburg")
SHAPE = [
    Column("name", "text", lambda row: row["name"]),
    Column("count", "integer", lambda row: row["count"]),
    Column("at", "moment", lambda row: row["at"]),
    Column("good", "boolean", lambda row: row["good"]),
    Column("more", "json", lambda row: row["more"]),
    Column("mos", "number", lambda row: row.get("mos")),
    Column("cost", "decimal", lambda row: row.get("cost")),
]
AT = datetime(2026, 11, 3, 9, 30, 0, 125_250, tzinfo=UTC)


def row(**changed):
    return {"name": "x", "count": 1, "at": AT, "good": True, "more": {"a": [1]}} | changed


def as_csv(rows, zone=BERLIN, *, bom=False):
    return b"".join(text_chunks("csv", SHAPE, [rows], zone, bom=bom))


def read_csv(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def read_parquet(rows, zone=BERLIN):
    file = io.BytesIO()
    write_file("parquet", file, SHAPE, [rows], zone, bom=False)
    return pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))


class TestCsv:
    def test_given_a_row_then_each_kind_has_its_form(self):
        lines = read_csv(as_csv([row(), row(name=None, count=None, at=None, good=None, more=None)]))
        assert lines[0] == ["name", "count", "at", "good", "more", "mos", "cost"]
        assert lines[1] == ["x", "1", "2026-11-03T10:30:00.125+01:00", "true", '{"a":[1]}', "", ""]
        assert lines[2] == ["", "", "", "", "", "", ""]

    def test_given_money_and_measures_then_money_is_exact_in_every_format(self):
        one = row(mos=4.35, cost=Decimal("0.000001"))
        assert read_csv(as_csv([one]))[1][5:] == ["4.35", "0.000001"]
        (line,) = b"".join(text_chunks("ndjson", SHAPE, [[one]], BERLIN, bom=False)).splitlines()
        assert (json.loads(line)["mos"], json.loads(line)["cost"]) == (4.35, "0.000001")
        (found,) = read_parquet([one]).to_pylist()
        assert (found["mos"], found["cost"]) == (4.35, Decimal("0.000001"))

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
    def test_given_any_text_then_a_reader_gets_it_back(self, name):
        (_, line) = read_csv(as_csv([row(name=name)]))
        assert line[0] == guarded(name)
        assert len(line) == len(SHAPE)

    def test_given_lines_then_they_end_as_rfc_4180_says(self):
        assert as_csv([row(name='a"b,c')]).split(b"\r\n")[1].startswith(b'"a""b,c",1,')

    def test_given_a_byte_order_mark_then_it_stands_once_and_first(self):
        data = as_csv([row(), row()], bom=True)
        assert data.startswith(BOM)
        assert data.count(BOM) == 1
        assert not as_csv([row()]).startswith(BOM)

    @pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "+44 20=1"])
    def test_given_what_a_spreadsheet_takes_for_a_formula_then_it_is_text(self, text):
        assert read_csv(as_csv([row(name=text)]))[1][0] == "'" + text

    @pytest.mark.parametrize("text", ["+442079460999", "a=b", "", "Jane - Doe"])
    def test_given_a_telephone_number_or_plain_text_then_it_stays(self, text):
        assert read_csv(as_csv([row(name=text)]))[1][0] == text


class TestZones:
    def test_given_the_hour_that_comes_twice_in_berlin_then_the_offset_tells_which(self):
        first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        moments = [first + timedelta(hours=hour) for hour in range(3)]
        told = [line[2] for line in read_csv(as_csv([row(at=at) for at in moments]))[1:]]
        assert told == [
            "2026-10-25T02:30:00.000+02:00", "2026-10-25T02:30:00.000+01:00", "2026-10-25T03:30:00.000+01:00",
        ]  # fmt: skip
        assert [datetime.fromisoformat(text) for text in told] == moments
        found = read_parquet([row(at=at) for at in moments])["at"].to_pylist()
        assert [at.astimezone(UTC) for at in found] == moments

    def test_given_yekaterinburg_then_its_day_is_another(self):
        late = datetime(2026, 11, 3, 20, 15, tzinfo=UTC)
        assert read_csv(as_csv([row(at=late)], YEKATERINBURG))[1][2] == "2026-11-04T01:15:00.000+05:00"
        (line,) = b"".join(text_chunks("ndjson", SHAPE, [[row(at=late)]], YEKATERINBURG, bom=False)).splitlines()
        assert json.loads(line)["at"] == "2026-11-04T01:15:00.000+05:00"
        table = read_parquet([row(at=late)], YEKATERINBURG)
        assert str(table.schema.field("at").type) == "timestamp[us, tz=Asia/Yekaterinburg]"
        assert table["at"].to_pylist() == [late]


class TestParquet:
    def test_given_rows_then_types_and_values_come_back_exactly(self):
        table = read_parquet([row(name="=1+1"), row(name=None, count=None, at=None, good=None, more=None)])
        assert [str(field.type) for field in table.schema] == [
            "string", "int64", "timestamp[us, tz=Europe/Berlin]", "bool", "string", "double", "decimal128(18, 6)",
        ]  # fmt: skip
        assert table.to_pylist() == [
            {"name": "=1+1", "count": 1, "at": AT, "good": True, "more": '{"a":[1]}', "mos": None, "cost": None},
            dict.fromkeys(table.column_names),
        ]

    def test_given_more_rows_than_a_group_holds_then_there_are_more_groups(self):
        file = io.BytesIO()
        pages = ([row(count=page * 1000 + index) for index in range(1000)] for page in range(21))
        write_file("parquet", file, SHAPE, pages, BERLIN, bom=False)
        found = pyarrow.parquet.ParquetFile(io.BytesIO(file.getvalue()))
        sizes = [found.metadata.row_group(index).num_rows for index in range(found.num_row_groups)]
        assert sizes == [ROW_GROUP, ROW_GROUP, 1000]
        assert found.read()["count"].to_pylist() == list(range(21_000))

    def test_given_no_row_then_the_file_is_whole_all_the_same(self):
        assert read_parquet([]).num_rows == 0


class TestColumns:
    @pytest.mark.parametrize("content", sorted(COLUMNS))
    def test_given_any_content_then_each_name_stands_once(self, content):
        assert len(set(names_of(content))) == len(names_of(content))

    def test_given_names_then_their_order_is_kept(self):
        assert [column.name for column in chosen("calls", ["caller", "id"])] == ["caller", "id"]
        assert chosen("calls", None) == list(COLUMNS["calls"])

    @pytest.mark.parametrize(("names", "said"), [(["id", "salary"], "salary"), (["id", "id"], "twice"), ([], "one")])
    def test_given_names_that_cannot_be_then_it_is_said_why(self, names, said):
        with pytest.raises(ValueRefused, match=said):
            chosen("calls", names)
