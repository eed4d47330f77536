"""`/v1/archive`: months of records that have gone to the object store, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field

from ..archive.model import ArchivedTable, month_text, parse_month
from ..audit.service import NewEntry
from ..paging import Page
from .auditing import actor_of
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body
from .paging import Listed, ListQuery, each, list_page

blueprint = APIBlueprint("archive", __name__, tag="Archive")

#: Lines that leave at a time.
_LINES = 200


class ArchivedTableAnswer(Answer):
    """One table's rows of a month that has gone."""

    month: Annotated[str, Field(examples=["2024-01"])]
    table: Annotated[str, Field(description="calls, legs, and what else is kept by the month.", examples=["calls"])]
    part: Annotated[int, Field(description="Counts from 1: what came after the month had gone is a further part.")]
    rows: Annotated[int, Field(examples=[48_213])]
    size_bytes: Annotated[int, Field(examples=[3_190_442])]
    sha256: Annotated[str, Field(description="Of the Parquet file, in hexadecimal.", examples=["9f86d081884c7d65…"])]
    object_name: Annotated[
        str,
        Field(
            description="Of the Parquet file in the store.", examples=[f"{EXAMPLE_ID}/archive/2024-01/1/calls.parquet"]
        ),
    ]
    href: Annotated[str, Field(description="Its rows.", examples=["/v1/archive/2024-01/calls"])]


class ArchiveList(Listed[ArchivedTableAnswer]):
    """A page of tables that have gone."""


class ArchiveQuery(Body):
    """Which rows."""

    agency_id: AgencyId
    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]
    call_id: Annotated[UUID | None, Field(default=None, description="Only those of this call.", examples=[EXAMPLE_ID])]


def show(one: ArchivedTable) -> ArchivedTableAnswer:
    month = month_text(one.month)
    return ArchivedTableAnswer(
        month=month,
        table=one.table,
        part=one.part,
        rows=one.row_count,
        size_bytes=one.size_bytes,
        sha256=one.sha256.hex(),
        object_name=one.name,
        href=f"/v1/archive/{month}/{one.table}",
    )


@endpoint(blueprint, "GET", "/v1/archive", roles=AGENCY, query=ListQuery, answer=ArchiveList)
def list_archive(asked: Asked, query: ListQuery) -> Any:
    """List what has gone to the archive

    Months whose records the installation no longer keeps in its database, the oldest first. Their calls are in no list
    of calls any more.
    """

    def page(limit: int, after: tuple[Any, ...] | None) -> Page[ArchivedTable]:
        tables = asked.services.archive.list_tables(asked.agency_id)
        left = [one for one in tables if after is None or _place_of(one) > after]
        return Page(left[:limit], _place_of(left[limit - 1]) if len(left) > limit else None)

    return list_page(asked, query, page, each(show))


def _place_of(one: ArchivedTable) -> tuple[str, str, int]:
    return month_text(one.month), one.table, one.part


@endpoint(
    blueprint, "GET", "/v1/archive/<month>/<table>",
    roles=AGENCY, permission=("calls.read", "exports.read"), query=ArchiveQuery, media_types=("application/x-ndjson",),
)  # fmt: skip
def read_archive(asked: Asked, query: ArchiveQuery, month: str, table: str) -> Response:
    """Read a month that has gone

    A line of JSON a row, as the table held it: of calls, legs, and what else is kept by the month. The whole file is
    fetched from the store and checked before its first row comes.
    """
    rows = asked.services.archive.read(
        asked.agency_id, parse_month(month), table, client_id=query.client_id, call_id=query.call_id
    )
    # Whatever is wrong with the file is told as an answer, not in the middle of one.
    first = next(rows, None)
    entry = NewEntry(
        actor=actor_of(asked), action="archive.read", object_kind="archive", object_id=None, client_id=query.client_id,
        details={"month": month, "table": table},
    )  # fmt: skip
    asked.services.audit.record(asked.agency_id, entry)
    return Response(_lines(chain([first] if first is not None else [], rows)), content_type="application/x-ndjson")


def _lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    held: list[str] = []
    for row in rows:
        held.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
        if len(held) == _LINES:
            yield ("\n".join(held) + "\n").encode()
            held.clear()
    if held:
        yield ("\n".join(held) + "\n").encode()
