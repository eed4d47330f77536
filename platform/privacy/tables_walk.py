"""What can be done for every table alike, by what holdings.py says of it: take a number out of texts, delete rows that
name it, and give out the rows of a person's calls. Rooms whose tables need more have a holder of their own beside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..db.engine import Database
from ..subjects import REPLACEMENT, Subject, Tally
from . import request_store
from .holdings import HOLDINGS, Held

#: Tables that are walked in spans of time, by their partitions' column.
MOMENTS: Mapping[str, str] = {
    "calls": "started_at",
    "legs": "call_started_at",
    "call_revisions": "call_started_at",
    "attributions": "call_started_at",
    "touches": "call_started_at",
}
SPAN = timedelta(days=1)
#: Tables whose rows go when the number stands in one: nothing would be left of them.
ROWS_GO = "rows"
#: Where a table names its call, if not in `call_id`.
CALL_COLUMNS: Mapping[str, str] = {"calls": "id", "audit_log": "object_id"}
#: What a person is not given: hashes, keys and the row's own digests say nothing to anybody.
_NOT_GIVEN = frozenset({"digest", "caller_key", "person_key", "sha256", "notice_sha256", "object_name", "node_path"})


def spans(database: Database, subject: Subject) -> Iterator[tuple[datetime, datetime]]:
    """The days on which the agency has calls, up to the request; each is a bounded piece of work."""
    since: datetime | None = None
    while True:
        with database.tenant(subject.agency_id, subject.client_id) as connection:
            first = request_store.first_call(connection, subject.agency_id, since)
        if first is None or first > subject.before:
            return
        yield first, first + SPAN
        since = first + SPAN


class TableHolder:
    """Every table of the database that may hold a person."""

    def __init__(self, database: Database, holdings: Mapping[str, Held] = HOLDINGS) -> None:
        self._database = database
        self._people = {name: held for name, held in holdings.items() if held.kind == "people" and "." not in name}
        self._tenants = {name: held for name, held in holdings.items() if held.kind == "tenants" and "." not in name}
        self._named = {name: held for name, held in holdings.items() if name in CALL_COLUMNS}
        self._nobody = {name: held for name, held in holdings.items() if held.kind == "nobody" and "." not in name}

    def erase(self, subject: Subject, tally: Tally) -> None:
        for table, held in self._people.items():
            if "agency_id" not in held.columns or held.by == "requests":
                continue
            moment = MOMENTS.get(table)
            if moment is None:
                self._erase_in(table, held, subject, tally, None)
                continue
            for since, until in spans(self._database, subject):
                self._erase_in(table, held, subject, tally, (moment, since, until))

    def _erase_in(
        self, table: str, held: Held, subject: Subject, tally: Tally, span: tuple[str, datetime, datetime] | None
    ) -> None:
        client_id = subject.client_id if "client_id" in held.columns else None
        with self._database.tenant(subject.agency_id) as connection:
            changed = request_store.erase_mentions(
                connection,
                agency_id=subject.agency_id,
                client_id=client_id,
                table=table,
                columns=sorted(held.personal),
                pattern=subject.pattern,
                replacement=None if held.by == ROWS_GO else REPLACEMENT,
                span=span,
            )
            if changed:
                tally.note(connection, f"{table}_rows", changed)

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        for table, held in sorted({**self._people, **self._nobody, **self._named}.items()):
            call = CALL_COLUMNS.get(table, "call_id" if "call_id" in held.columns else None)
            if "agency_id" not in held.columns or held.by == "requests" or (call is None and not held.personal):
                continue
            rows = self._rows(table, held, call, subject)
            if rows:
                yield f"{table}.json", [json.dumps(rows, ensure_ascii=False, indent=1).encode()]

    def _rows(self, table: str, held: Held, call: str | None, subject: Subject) -> list[dict[str, Any]]:
        with self._database.tenant(subject.agency_id) as connection:
            found = request_store.subject_rows(
                connection,
                agency_id=subject.agency_id,
                client_id=subject.client_id if "client_id" in held.columns else None,
                request_id=subject.request_id,
                table=table,
                call_column=call,
                columns=sorted(held.personal),
                pattern=subject.pattern,
            )
            return [{name: value for name, value in row.items() if name not in _NOT_GIVEN} for row in found]

    def named_by_tenants(self, subject: Subject) -> dict[str, int]:
        """Table → rows in which a tenant has written the number down itself: they are told, not changed."""
        found = {}
        for table, held in self._tenants.items():
            if "agency_id" in held.columns and (rows := self._rows(table, held, None, subject)):
                found[table] = len(rows)
        return found
