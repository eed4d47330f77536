"""Rows as CSV (RFC 4180), NDJSON or Parquet, page by page: memory holds one page, whatever the export's length.

Times are in the reader's zone, with its offset. Must not know where rows come from.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from ..spreadsheets import guarded
from .columns import Column, Kind, Row

Format = Literal["csv", "ndjson", "parquet"]
MEDIA_TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
Pages = Iterable[Sequence[Row]]

BOM = b"\xef\xbb\xbf"
#: A row group is what a reader of Parquet loads at a time, and what its writer holds.
ROW_GROUP = 10_000


def text_chunks(form: Format, columns: Sequence[Column], pages: Pages, zone: ZoneInfo, *, bom: bool) -> Iterator[bytes]:
    """CSV or NDJSON, a piece a page."""
    if form == "csv":
        yield (BOM if bom else b"") + _csv_lines([[column.name for column in columns]])
    for page in pages:
        if form == "csv":
            yield _csv_lines([[_cell(column, row, zone) for column in columns] for row in page])
        else:
            yield b"".join(_ndjson_line(columns, row, zone) for row in page)


def write_file(
    form: Format, file: IO[bytes], columns: Sequence[Column], pages: Pages, zone: ZoneInfo, *, bom: bool
) -> None:
    """Writes all pages into an open file."""
    if form == "parquet":
        _write_parquet(file, columns, pages, zone)
        return
    for chunk in text_chunks(form, columns, pages, zone, bom=bom):
        file.write(chunk)


def _csv_lines(lines: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(lines)
    return out.getvalue().encode("utf-8", "replace")


def _cell(column: Column, row: Row, zone: ZoneInfo) -> str:
    value = column.value(row)
    if value is None:
        return ""
    if column.kind == "moment":
        return local_text(value, zone)
    if column.kind == "boolean":
        return "true" if value else "false"
    if column.kind == "json":
        return _json(value, zone)
    if column.kind == "decimal":
        return decimal_text(value)
    return guarded(str(value)) if column.kind == "text" else str(value)


def _ndjson_line(columns: Sequence[Column], row: Row, zone: ZoneInfo) -> bytes:
    line = {column.name: _member(column.kind, column.value(row), zone) for column in columns}
    return (_json(line, zone) + "\n").encode("utf-8", "replace")


def _member(kind: Kind, value: Any, zone: ZoneInfo) -> Any:
    if value is None or kind in {"integer", "number", "boolean", "json"}:
        return value
    if kind == "decimal":
        return decimal_text(value)
    return local_text(value, zone) if kind == "moment" else str(value)


def local_text(moment: datetime, zone: ZoneInfo) -> str:
    """A moment in a zone, to the millisecond, with its offset: 2026-10-25T02:30:00.125+01:00."""
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def decimal_text(value: Decimal) -> str:
    """Money exactly, and never with an exponent."""
    return f"{value:f}"


def _json(value: Any, zone: ZoneInfo) -> str:
    def plain(found: object) -> str:
        if isinstance(found, datetime):
            return local_text(found, zone)
        if isinstance(found, UUID):
            return str(found)
        raise TypeError(f"no plain form for {type(found).__name__}")

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain, allow_nan=False)


def _write_parquet(file: IO[bytes], columns: Sequence[Column], pages: Pages, zone: ZoneInfo) -> None:
    """Its library is loaded by the first such export: it is large, and most processes never write one."""
    import pyarrow
    import pyarrow.parquet

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "moment": pyarrow.timestamp("us", tz=zone.key),
        "boolean": pyarrow.bool_(),
        "number": pyarrow.float64(),
        "decimal": pyarrow.decimal128(18, 6),
        "json": pyarrow.string(),
    }
    schema = pyarrow.schema([pyarrow.field(column.name, types[column.kind]) for column in columns])

    def value(column: Column, row: Row) -> Any:
        found = column.value(row)
        if column.kind == "json":
            return _json(found, zone) if found is not None else None
        return str(found) if column.kind == "text" and found is not None else found

    def batch(page: Sequence[Row]) -> Any:
        arrays = [pyarrow.array([value(column, row) for row in page], type=types[column.kind]) for column in columns]
        return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)

    with pyarrow.parquet.ParquetWriter(file, schema, compression="snappy") as writer:
        # A page is kept in Arrow's own compact form until a row group is full.
        held: list[Any] = []
        for page in pages:
            held.append(batch(page))
            if sum(one.num_rows for one in held) >= ROW_GROUP:
                writer.write_table(pyarrow.Table.from_batches(held, schema), row_group_size=ROW_GROUP)
                held.clear()
        if held:
            writer.write_table(pyarrow.Table.from_batches(held, schema), row_group_size=ROW_GROUP)
