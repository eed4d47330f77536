"""Objects that hold copies of records (`export_objects`): rewritten without a person, or removed when their time is
over. An object in an agency's own bucket is the agency's: it is told by `person.erased`, which names it.

A copy is rewritten whole: read, each row of the person emptied of what tells of them, written under the same name,
confirmed, and listed with its new digest, in the manifest beside it too. Read twice it is the same. Rows that somebody
holds stay as they are.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import RowMapping

from ..db.engine import Database
from ..objectstore.errors import ObjectMissing
from ..subjects import REPLACEMENT, Subject, Tally
from . import copy_store
from .errors import CopyUnreadable
from .holdings import HOLDINGS

BATCH = 50
#: What lies beside the files of an export or of a month, and names each with its digest.
MANIFEST = "manifest.json"
_WITH_MANIFEST = ("export", "partition")
#: Columns that tell of a person, by name, whatever table or report they are copied from. (Tags are words by which calls
#: are sorted: a number in them is replaced, as it is in the database.)
PERSONAL = frozenset(column for held in HOLDINGS.values() if held.kind == "people" for column in held.personal) - {
    "key", "request", "answer", "url", "fault", "tags",
} | {"variables", "trail"}  # fmt: skip
#: Columns that say which call a row is of.
CALL_COLUMNS = ("call_id", "id")
#: Columns whose number makes the row the person's: the record itself may be long gone.
CALLER_COLUMNS = ("caller", "caller_raw")


class Objects(Protocol):
    """Where copies are kept (objectstore)."""

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None: ...

    def open(self, name: str) -> Any: ...

    def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a copy is to be rewritten without: their calls, and their number however it is written."""

    calls: frozenset[str]
    pattern: re.Pattern[str]
    #: Calls and clients under a legal hold.
    held: frozenset[str] = frozenset()

    def empties(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row without the person; None: they are not in it, or somebody holds it."""
        if any(_id(row.get(name)) in self.held for name in (*CALL_COLUMNS, "client_id")):
            return None
        own = any(_id(row.get(name)) in self.calls for name in CALL_COLUMNS)
        own = own or any(self.pattern.search(str(row.get(name) or "")) for name in CALLER_COLUMNS)
        changed = {}
        for name, value in row.items():
            if own and name in PERSONAL and value not in (None, ""):
                changed[name] = _emptied(value)
            elif isinstance(value, str) and self.pattern.search(value):
                changed[name] = self.pattern.sub(REPLACEMENT, value)
            elif isinstance(value, dict | list) and self.pattern.search(text := json.dumps(value, ensure_ascii=False)):
                changed[name] = json.loads(self.pattern.sub(REPLACEMENT, text))
        return {**row, **changed} if changed else None


def _id(value: Any) -> str:
    return str(UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else str(value)


def _emptied(value: Any) -> Any:
    return (
        "" if isinstance(value, str) else b"" if isinstance(value, bytes) else {} if isinstance(value, dict) else None
    )


def rewrite_csv(source: Path, target: Path, person: Person) -> int:
    """Returns how many rows changed. Raises CopyUnreadable."""
    with open(source, "rb") as file:
        marked = file.read(3) == b"\xef\xbb\xbf"
    with open(source, encoding="utf-8-sig", newline="") as read, open(target, "w", encoding="utf-8", newline="") as out:
        first = read.readline()
        delimiter = max(",;\t", key=first.count)
        read.seek(0)
        rows = csv.DictReader(read, delimiter=delimiter)
        if rows.fieldnames is None:
            return 0
        if marked:
            out.write("\ufeff")
        writer = csv.DictWriter(out, rows.fieldnames, delimiter=delimiter)
        writer.writeheader()
        changed = 0
        for row in rows:
            if None in row:
                raise CopyUnreadable("a line has more fields than the heading")
            emptied = person.empties(row)
            changed += emptied is not None
            writer.writerow(emptied or row)
    return changed


def rewrite_ndjson(source: Path, target: Path, person: Person) -> int:
    """Returns how many rows changed. Raises CopyUnreadable."""
    changed = 0
    with open(source, encoding="utf-8") as read, open(target, "w", encoding="utf-8") as out:
        for line in read:
            try:
                row = json.loads(line)
            except ValueError as error:
                raise CopyUnreadable("a line is no JSON") from error
            emptied = person.empties(row)
            changed += emptied is not None
            out.write(line if emptied is None else json.dumps(emptied, ensure_ascii=False) + "\n")
    return changed


def rewrite_parquet(source: Path, target: Path, person: Person) -> int:
    """Returns how many rows changed; row groups and the schema stay as they are. Raises CopyUnreadable."""
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise CopyUnreadable("pyarrow is not installed here, and a Parquet file is to be rewritten") from error
    changed = 0
    try:
        with parquet.ParquetFile(source) as read:
            schema = read.schema_arrow
            with parquet.ParquetWriter(target, schema, compression="snappy") as out:
                for group in range(read.num_row_groups):
                    rows = read.read_row_group(group).to_pylist()
                    emptied = [person.empties(row) for row in rows]
                    changed += sum(row is not None for row in emptied)
                    kept = [new or old for new, old in zip(emptied, rows, strict=True)]
                    out.write_table(pyarrow.Table.from_pylist(kept, schema=schema), row_group_size=max(1, len(kept)))
    except pyarrow.ArrowException as error:
        raise CopyUnreadable(f"a Parquet file cannot be read or written: {error}") from error
    return changed


Rewrite = Callable[[Path, Path, Person], int]
REWRITES: dict[str, Rewrite] = {"csv": rewrite_csv, "ndjson": rewrite_ndjson, "parquet": rewrite_parquet}


class CopyHolder:
    """Copies in the installation's own object store."""

    def __init__(self, database: Database, objects: Objects, *, rewrites: Mapping[str, Rewrite] = REWRITES) -> None:
        self._database = database
        self._objects = objects
        self._rewrites = rewrites

    def erase(self, subject: Subject, tally: Tally) -> None:
        self._delete_files(subject, tally)
        person = Person(self._calls(subject), re.compile(subject.pattern), self._held(subject))
        after: UUID | None = None
        while True:
            with self._database.tenant(subject.agency_id) as connection:
                copies = copy_store.find_copies(
                    connection,
                    subject.agency_id,
                    until=subject.before,
                    kinds=("partition", "export"),
                    after=after,
                    limit=BATCH,
                )
            for copy in copies:
                self._rewrite(copy, person, subject, tally)
            if len(copies) < BATCH:
                return
            after = copies[-1]["id"]

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """A copy holds nothing that the tables do not."""
        return iter(())

    def delete_expired(self, agency_id: UUID, tally: Tally) -> int:
        """Objects whose own time is over; returns how many."""
        return self._delete_all(
            agency_id, tally, lambda connection: copy_store.find_expired_copies(connection, agency_id, limit=BATCH)
        )

    def delete_older(self, agency_id: UUID, before: datetime, tally: Tally) -> int:
        """Objects that hold nothing younger than ``before``; returns how many."""
        return self._delete_all(
            agency_id,
            tally,
            lambda connection: copy_store.find_old_copies(connection, agency_id, before=before, limit=BATCH),
        )

    def _delete_all(self, agency_id: UUID, tally: Tally, find: Callable[[Any], Sequence[RowMapping]]) -> int:
        deleted = 0
        while True:
            with self._database.tenant(agency_id) as connection:
                copies = find(connection)
            for copy in copies:
                self._delete(copy, tally)
            deleted += len(copies)
            if len(copies) < BATCH:
                return deleted

    def _delete_files(self, subject: Subject, tally: Tally) -> None:
        """What was made for the person before: it holds nothing else."""
        with self._database.tenant(subject.agency_id) as connection:
            files = copy_store.find_person_files(connection, subject.agency_id, subject.key)
        for file in files:
            self._delete(file, tally)

    def _delete(self, copy: RowMapping, tally: Tally) -> None:
        if not copy["place"]:
            self._objects.delete(copy["object_name"])
            if copy["kind"] in _WITH_MANIFEST:
                # Of an export or a month all files go at the same time.
                self._objects.delete(f"{copy['object_name'].rpartition('/')[0]}/{MANIFEST}")
        with self._database.tenant(copy["agency_id"]) as connection:
            copy_store.change_copy(connection, copy["agency_id"], copy["id"], state="deleted")
            tally.note(connection, "copies_deleted", 1, objects=[copy["object_name"]])

    def _calls(self, subject: Subject) -> frozenset[str]:
        with self._database.tenant(subject.agency_id) as connection:
            return frozenset(copy_store.call_ids_of(connection, subject.agency_id, subject.request_id))

    def _held(self, subject: Subject) -> frozenset[str]:
        with self._database.tenant(subject.agency_id) as connection:
            return frozenset(copy_store.held_ids_of(connection, subject.agency_id))

    def _rewrite(self, copy: RowMapping, person: Person, subject: Subject, tally: Tally) -> None:
        if copy["place"]:
            # Another's bucket, which we may only write to: its owner is told which calls to erase.
            return
        rewrite = self._rewrites.get(copy["format"])
        if rewrite is None:
            raise CopyUnreadable(f"{copy['object_name']}: nobody knows how to rewrite {copy['format']}")
        with tempfile.TemporaryDirectory(prefix="dialtrace-rewrite-") as folder:
            source, target = Path(folder) / "read", Path(folder) / "written"
            with self._objects.open(copy["object_name"]) as stream, open(source, "wb") as file:
                for chunk in stream:
                    file.write(chunk)
            changed = rewrite(source, target, person)
            if not changed:
                return
            with open(target, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            self._objects.put_file(copy["object_name"], target, sha256=digest)
            size_bytes = target.stat().st_size
            self._correct_manifest(copy["object_name"], digest, size_bytes, Path(folder) / MANIFEST)
        with self._database.tenant(subject.agency_id) as connection:
            copy_store.change_copy(connection, copy["agency_id"], copy["id"], sha256=digest, size_bytes=size_bytes)
            tally.note(connection, "copies_rewritten", 1, objects=[copy["object_name"]])

    def _correct_manifest(self, name: str, digest: bytes, size_bytes: int, path: Path) -> None:
        """Whoever reads an export by its manifest compares what they got with it. A copy that has none needs nothing;
        it is written before the listing, so that a crash between the two is made good by the next run."""
        folder, _, own = name.rpartition("/")
        try:
            with self._objects.open(f"{folder}/{MANIFEST}") as stream:
                manifest = json.loads(b"".join(stream))
        except ObjectMissing:
            return
        for file in manifest.get("files", []):
            if file.get("name") == own:
                file.update(sha256=digest.hex(), size_bytes=size_bytes, rewritten=True)
        path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        self._objects.put_file(f"{folder}/{MANIFEST}", path, sha256=hashlib.sha256(path.read_bytes()).digest())
