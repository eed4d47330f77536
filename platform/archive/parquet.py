"""Rows of a table as Parquet with the table's own types, and a file looked through again. Must not know where rows come
from. Its library is loaded by the first file: it is large, and most processes never write one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from ..clock import moment_text
from .errors import ArchiveBroken

#: A row group is what a reader loads at a time, and what the writer holds.
ROW_GROUP = 10_000
_READ_ROWS = 1_000

#: Kinds of columns, each with what Parquet calls it; anything else is written as JSON.
KINDS = ("moment", "integer", "number", "decimal", "boolean", "bytes", "text", "id", "json")


def write_parquet(path: Path, columns: Mapping[str, str], pages: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    """Writes all pages; ``columns``: name → kind. Returns how many rows."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([pyarrow.field(name, _types(pyarrow)[kind]) for name, kind in columns.items()])
    written = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[Any] = []
        for page in pages:
            held.append(_batch(pyarrow, schema, columns, page))
            written += len(page)
            if sum(batch.num_rows for batch in held) >= ROW_GROUP:
                writer.write_table(pyarrow.Table.from_batches(held, schema), row_group_size=ROW_GROUP)
                held.clear()
        if held:
            writer.write_table(pyarrow.Table.from_batches(held, schema), row_group_size=ROW_GROUP)
    return written


def count_rows(path: Path) -> int:
    """Reads every page of a file, not its heading alone. Raises ArchiveBroken."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return sum(file.read_row_group(group).num_rows for group in range(file.num_row_groups))
    except (pyarrow.ArrowException, OSError) as error:
        raise ArchiveBroken(f"a file cannot be read back as Parquet: {error}") from error


def read_rows(path: Path, columns: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Rows as plain JSON members, those whose columns have the ``wanted`` values. Columns that the file does not have
    (it is older than they are) are left out. Raises ArchiveBroken."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            there = [name for name in columns if name in file.schema_arrow.names]
            if any(name not in there for name in wanted):
                return
            for batch in file.iter_batches(batch_size=_READ_ROWS, columns=there):
                for name, value in wanted.items():
                    batch = batch.filter(pyarrow.compute.equal(batch.column(name), value))
                for row in batch.to_pylist():
                    yield {name: _member(columns[name], value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise ArchiveBroken(f"a file cannot be read as Parquet: {error}") from error


def _member(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "moment":
        return moment_text(value)
    if kind == "json":
        return json.loads(value)
    if kind == "bytes":
        return value.hex()
    return str(value) if kind == "decimal" else value


def _types(pyarrow: Any) -> dict[str, Any]:
    return {
        "moment": pyarrow.timestamp("us", tz="UTC"),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "decimal": pyarrow.decimal128(18, 6),
        "boolean": pyarrow.bool_(),
        "bytes": pyarrow.binary(),
        "text": pyarrow.string(),
        "id": pyarrow.string(),
        "json": pyarrow.string(),
    }


def _batch(pyarrow: Any, schema: Any, columns: Mapping[str, str], page: Sequence[Mapping[str, Any]]) -> Any:
    arrays = [
        pyarrow.array([_value(kind, row[name]) for row in page], type=schema.field(name).type)
        for name, kind in columns.items()
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "id":
        return str(value)
    if kind == "bytes":
        return bytes(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain) if kind == "json" else value


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    assert isinstance(value, UUID | Decimal), f"no plain form for {type(value).__name__}"
    return str(value)
