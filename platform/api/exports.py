"""`/v1/exports`, `/v1/calls/export` and the columns of a client: records as files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ..audit.service import NewEntry
from ..cdr.model import Outcome
from ..clock import moment_text
from ..exports.columns import COLUMNS
from ..exports.formats import MEDIA_TYPES
from ..exports.model import Export, ExportFile, NewExport
from ..exports.service import MOST_STREAMED_SPAN
from .archived import HEADER, ArchivedUntil, archived_until
from .auditing import actor_of
from .auth import AGENCY, EVERYBODY, Asked, need_permissions
from .calls import CallFilterQuery
from .endpoint import endpoint
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, MomentIn
from .owners import OwnedQuery
from .paging import Listed, each, list_page
from .preconditions import is_known
from .recordings import asked_span

#: What whoever makes an export must be allowed to read anyway.
_TO_EXPORT = {"calls": ("calls.read",), "events": ("events.read",), "audit": ("audit.read",)}

blueprint = APIBlueprint("exports", __name__, tag="Exports")

FILE_TYPES = tuple(one.partition(";")[0] for one in MEDIA_TYPES.values())

Content = Annotated[Literal["calls", "events", "audit"], Field(description="Whose rows it holds.", examples=["calls"])]
Format = Annotated[
    Literal["csv", "ndjson", "parquet"], Field(description="csv: RFC 4180, UTF-8.", examples=["parquet"])
]
Bom = Annotated[StrictBool, Field(description="Begin a CSV with a byte order mark, as Excel wants it.")]
ColumnNames = Annotated[
    list[str] | None,
    Field(
        max_length=200, description="In this order; null: all columns, new ones too.", examples=[["id", "started_at"]]
    ),
]


class CallExportQuery(CallFilterQuery):
    """Which calls, and how."""

    agency_id: AgencyId
    client_id: Annotated[UUID | None, Field(default=None, description="Only this client's.", examples=[EXAMPLE_ID])]
    format: Annotated[Format, Field(default="csv")]
    bom: Annotated[bool, Field(default=False, description="Begin a CSV with a byte order mark, as Excel wants it.")]


class ExportFilters(Body):
    """Of calls; all that are given must hold. A caller is no filter of an export that is kept."""

    number: Annotated[str | None, Field(default=None, max_length=40, examples=["+442079460123"])]
    outcome: Annotated[Outcome | None, Field(default=None)]
    node: Annotated[str | None, Field(default=None, max_length=100)]
    answered_only: Annotated[StrictBool, Field(default=False)]
    min_talk_ms: Annotated[StrictInt | None, Field(default=None, ge=0, le=2**53)]


class NewExportBody(Body):
    """An export to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID, "content": "calls", "format": "parquet", "from": "2026-10-01T00:00:00Z",
                "until": "2026-11-01T00:00:00Z",
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    client_id: Annotated[
        UUID | None,
        Field(default=None, description="null: a file for each client of the agency.", examples=[EXAMPLE_ID]),
    ]
    content: Content
    format: Format
    from_: Annotated[MomentIn, Field(alias="from", description="Calls that began at this moment or later.")]
    until: Annotated[MomentIn, Field(description="And before this one; at most 400 days later.")]
    filters: Annotated[ExportFilters | None, Field(default=None)]
    columns: Annotated[ColumnNames, Field(default=None)]
    bom: Annotated[Bom, Field(default=False)]


class ExportFileAnswer(Answer):
    """One file of an export."""

    name: Annotated[str, Field(examples=[f"{EXAMPLE_ID}.parquet"])]
    client_id: UUID | None
    rows: Annotated[int, Field(examples=[48_213])]
    size_bytes: Annotated[int, Field(examples=[3_190_442])]
    sha256: Annotated[str, Field(description="In hexadecimal; also the `ETag`.", examples=["9f86d081884c7d65…"])]
    href: Annotated[str, Field(examples=[f"/v1/exports/{EXAMPLE_ID}/files/{EXAMPLE_ID}.parquet"])]


class ExportAnswer(Answer):
    """An export: complete once its state is done."""

    id: Id
    agency_id: Id
    client_id: Annotated[UUID | None, Field(description="null: a file for each client.", examples=[EXAMPLE_ID])]
    schedule_id: Annotated[UUID | None, Field(description="The schedule that made it.", examples=[None])]
    content: Content
    format: Format
    from_: Annotated[Moment, Field(alias="from")]
    until: Moment
    late_since: Annotated[
        Moment | None,
        Field(description="Calls of earlier spans that were revised since then are in it too.", examples=[None]),
    ]
    state: Annotated[Literal["waiting", "running", "done", "failed"], Field(examples=["done"])]
    error: Annotated[str | None, Field(description="With the state failed: why.", examples=[None])]
    row_count: Annotated[int | None, Field(examples=[48_213])]
    created_at: Moment
    finished_at: Moment | None
    expires_at: Annotated[Moment, Field(description="Until then its files can be fetched.")]

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class ExportDetailAnswer(ExportAnswer):
    """An export with its files."""

    archived_until: ArchivedUntil
    files: list[ExportFileAnswer]


class ExportList(Listed[ExportAnswer]):
    """A page of exports."""


class ExportColumnsAnswer(Answer):
    """The columns of a client's exports, in their order."""

    calls: Annotated[list[str], Field(examples=[["id", "started_at", "caller", "outcome"]])]
    events: list[str]
    audit: list[str]


class ExportColumnsBody(Body):
    """The columns of a client's exports; null: all, also those that come later."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"calls": ["id", "started_at", "caller", "outcome"], "events": None, "audit": None}
        }
    )

    calls: ColumnNames
    events: ColumnNames
    audit: ColumnNames


def members_of(export: Export) -> dict[str, Any]:
    names = ExportAnswer.model_fields.keys() - {"from_", "until"}
    return {name: getattr(export, name) for name in names} | {"from_": export.from_at, "until": export.until_at}


def show(export: Export) -> ExportAnswer:
    return ExportAnswer(**members_of(export))


def show_detail(export: Export, files: list[ExportFile], gone: datetime | None) -> ExportDetailAnswer:
    return ExportDetailAnswer(
        **members_of(export),
        archived_until=gone,
        files=[
            ExportFileAnswer(
                name=file.name, client_id=file.client_id, rows=file.row_count, size_bytes=file.size_bytes,
                sha256=file.sha256.hex(), href=f"/v1/exports/{export.id}/files/{file.name}",
            )
            for file in files
        ],
    )  # fmt: skip


def note(asked: Asked, action: str, export_id: UUID | None, client_id: UUID | None, **details: Any) -> None:
    """Who takes records out is noted before he has them."""
    entry = NewEntry(
        actor=actor_of(asked), action=action, object_kind="export", object_id=export_id, client_id=client_id,
        details=details,
    )  # fmt: skip
    asked.services.audit.record(asked.agency_id, entry)


@endpoint(
    blueprint, "GET", "/v1/calls/export",
    roles=EVERYBODY, permission=("calls.read", "exports.read"), query=CallExportQuery, media_types=FILE_TYPES,
    problems=("export_too_large",),
)  # fmt: skip
def stream_calls(asked: Asked, query: CallExportQuery) -> Response:
    """Fetch calls as a file, at once

    At most 31 days and 100,000 calls; for more, `POST /v1/exports`. With a client, its time zone and its columns are
    used; without, UTC and all columns. `started_from` is 31 days before the end unless it is given. Where calls of the
    span may have gone to the archive, the header `Dialtrace-Archived-Until` says that they are those that began before.
    """
    filters = query.to_filters()
    chunks = asked.services.exports.stream_calls(asked.agency_id, asked.client_id, filters, query.format, bom=query.bom)
    ends = filters.started_until or asked.services.clock.now()
    gone = archived_until(asked, filters.started_from or ends - MOST_STREAMED_SPAN, ends)
    note(asked, "export.streamed", None, asked.client_id, content="calls", format=query.format)
    response = Response(chunks, mimetype=None, content_type=MEDIA_TYPES[query.format])
    response.headers["Content-Disposition"] = f'attachment; filename="calls.{query.format}"'
    if gone is not None:
        response.headers[HEADER] = moment_text(gone)
    return response


@endpoint(blueprint, "POST", "/v1/exports", roles=EVERYBODY, body=NewExportBody, answer=ExportAnswer, status=202)
def create_export(asked: Asked, body: NewExportBody) -> tuple[ExportAnswer, int, dict[str, str]]:
    """Make an export

    A job makes its files. Read it until its state is `done`; its files can then be fetched for seven days.
    """
    need_permissions(asked.principal, _TO_EXPORT[body.content])
    filters = {} if body.filters is None else body.filters.model_dump(exclude_defaults=True)
    wanted = NewExport(
        client_id=asked.client_id, content=body.content, format=body.format, from_at=body.from_, until_at=body.until,
        filters=filters, bom=body.bom, columns=tuple(body.columns) if body.columns is not None else None,
    )  # fmt: skip
    made = asked.services.exports.create_export(asked.agency_id, wanted)
    note(asked, "export.made", made.id, made.client_id, content=made.content, format=made.format)
    return show(made), 202, {"Location": f"/v1/exports/{made.id}"}


@endpoint(blueprint, "GET", "/v1/exports", roles=EVERYBODY, query=OwnedQuery, answer=ExportList)
def list_exports(asked: Asked, query: OwnedQuery) -> Any:
    """List exports

    The latest first.
    """
    exports = asked.services.exports

    def page(limit: int, after: tuple[datetime, UUID] | None) -> Any:
        return exports.list_exports(asked.agency_id, asked.client_id, limit=limit, after=after)

    return list_page(asked, query, page, each(show))


@endpoint(blueprint, "GET", "/v1/exports/<uuid:export_id>", roles=EVERYBODY, answer=ExportDetailAnswer)
def get_export(asked: Asked, export_id: UUID) -> ExportDetailAnswer:
    """Read an export with its files

    Calls of months that had gone to the archive when it was made are not in it; `archived_until` says so, here and in
    its `manifest.json`.
    """
    export, files = asked.services.exports.get_export(asked.agency_id, asked.client_id, export_id)
    gone = None
    if export.content == "calls":
        gone = archived_until(asked, export.from_at, export.until_at, by=export.finished_at)
    return show_detail(export, files, gone)


@endpoint(
    blueprint, "GET", "/v1/exports/<uuid:export_id>/files/<name>", roles=EVERYBODY,
    media_types=FILE_TYPES, ranges=True, problems=("range_not_satisfiable",),
)  # fmt: skip
def get_export_file(asked: Asked, export_id: UUID, name: str) -> Response:
    """Fetch a file of an export

    `Range` asks for a part (one range), so that a broken download goes on where it was; `ETag` is the SHA-256 of the
    whole file.
    """
    export, _ = asked.services.exports.get_export(asked.agency_id, asked.client_id, export_id)
    need_permissions(asked.principal, _TO_EXPORT[export.content])
    file, read = asked.services.exports.open_file(asked.agency_id, asked.client_id, export_id, name)
    tag = f'"{file.sha256.hex()}"'
    if is_known(request.headers, tag):
        return Response(status=304, headers={"ETag": tag})
    span = asked_span(request, file.size_bytes, tag)
    first, last = span or (0, file.size_bytes - 1)
    stream = read(first, last) if request.method == "GET" and last >= first else None
    if stream is not None:
        try:
            note(asked, "export.downloaded", export_id, file.client_id, file=name)
        except BaseException:
            stream.close()
            raise
    kind = MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    response = Response(stream, status=206 if span else 200, content_type=kind)
    if stream is not None:
        response.call_on_close(stream.close)
    response.content_length = last - first + 1
    if span:
        response.headers["Content-Range"] = f"bytes {first}-{last}/{file.size_bytes}"
    response.headers["ETag"] = tag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _own_client(asked: Asked, client_id: UUID) -> UUID:
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    return asked.services.tenancy.get_client(asked.agency_id, client_id).id


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>/export-columns", roles=EVERYBODY, answer=ExportColumnsAnswer)
def get_export_columns(asked: Asked, client_id: UUID) -> ExportColumnsAnswer:
    """Read the columns of a client's exports"""
    found = asked.services.exports.get_columns(asked.agency_id, _own_client(asked, client_id))
    return ExportColumnsAnswer(**found)


@endpoint(
    blueprint, "PUT", "/v1/clients/<uuid:client_id>/export-columns", roles=AGENCY, body=ExportColumnsBody,
    answer=ExportColumnsAnswer,
)  # fmt: skip
def put_export_columns(asked: Asked, client_id: UUID, body: ExportColumnsBody) -> ExportColumnsAnswer:
    """Choose the columns of a client's exports

    Names are stable; a name that is not known is refused with the list of those that are.
    """
    own = _own_client(asked, client_id)
    asked.services.exports.put_columns(asked.agency_id, own, {name: getattr(body, name) for name in COLUMNS})
    return ExportColumnsAnswer(**asked.services.exports.get_columns(asked.agency_id, own))
