"""`/v1/calls/{id}/recording`: the audio, whole or by ranges (RFC 9110, 14)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from apiflask import APIBlueprint
from flask import Request, Response, request
from pydantic import Field

from ..audit.service import NewEntry
from ..recording.errors import RecordingUnknown
from ..recording.model import Recording
from ..recording.service import Audio
from .auditing import actor_of
from .auth import EVERYBODY, Asked, need_listening
from .endpoint import TenantQuery, endpoint
from .errors import Problem
from .preconditions import is_known

blueprint = APIBlueprint("recordings", __name__, tag="Calls")


class RecordingQuery(TenantQuery):
    """Which part."""

    segment: Annotated[
        int | None,
        Field(
            default=None, ge=1, le=9999, description="Of a call that was recorded in several parts. Default: the first."
        ),
    ]
    download: Annotated[
        bool, Field(default=False, description="true: to be kept as a file, and noted so in the audit log.")
    ]


@endpoint(
    blueprint,
    "GET",
    "/v1/calls/<uuid:call_id>/recording",
    roles=EVERYBODY,
    query=RecordingQuery,
    media_type="audio/wav",
    problems=("listening_not_allowed", "recording_absent", "recording_pending", "range_not_satisfiable"),
)
def get_recording(asked: Asked, call_id: UUID, query: RecordingQuery) -> Response:
    """Hear a call's recording

    Stereo WAV: the caller is on the left, the target on the right. `Range` asks for a part (one range), `HEAD` for the
    headers alone; `ETag` is the SHA-256 of the whole file. Every answer with sound is noted in the audit log first.
    """
    need_listening(asked.principal)
    audio = _open(asked, call_id, query.segment)
    row = audio.recording
    assert row.sha256 is not None
    tag = f'"{row.sha256.hex()}"'
    if is_known(request.headers, tag):
        return _headed(Response(status=304), tag, row, query)
    span = asked_span(request, audio.size_bytes, tag)
    first, last = span or (0, audio.size_bytes - 1)
    # Opened here and now, so that a store that is away is an answer and not a broken body.
    stream = audio.stream(first=first, last=last) if request.method == "GET" and last >= first else None
    if stream is not None:
        try:
            note_listening(
                asked, row, action="recording.downloaded" if query.download else "recording.listened", span=span
            )
        except BaseException:
            stream.close()
            raise
    response = Response(stream, status=206 if span else 200, mimetype="audio/wav")
    if stream is not None:
        response.call_on_close(stream.close)
    response.content_length = last - first + 1
    if span:
        response.headers["Content-Range"] = f"bytes {first}-{last}/{audio.size_bytes}"
    return _headed(response, tag, row, query)


def note_listening(asked: Asked, row: Recording, *, action: str, span: tuple[int, int] | None = None) -> None:
    """Before any sound leaves: who cannot be noted hears nothing."""
    details: dict[str, object] = {"call_id": str(row.call_id), "segment": row.segment}
    if span is not None:
        details["bytes"] = f"{span[0]}-{span[1]}"
    asked.services.audit.record(
        asked.agency_id,
        NewEntry(
            actor=actor_of(asked), action=action, object_kind="recording", object_id=row.id, client_id=row.client_id,
            details=details,
        ),
    )  # fmt: skip


def _open(asked: Asked, call_id: UUID, segment: int | None) -> Audio:
    try:
        return asked.services.recordings.open_recording(asked.agency_id, asked.client_id, call_id, segment)
    except RecordingUnknown as error:
        asked.services.cdr.get_call(asked.agency_id, asked.client_id, call_id)
        reason = "not_recorded" if segment is None else "no_such_segment"
        detail = "This call was not recorded." if segment is None else f"This call has no segment {segment}."
        raise Problem("recording_absent", detail, members={"reason": reason}) from error


def asked_span(request: Request, size_bytes: int, tag: str) -> tuple[int, int] | None:
    """First and last byte that are asked for; None: all. Raises Problem (416).

    Several ranges, other units, and a range under an `If-Range` that does not match are answered with the whole, as
    RFC 9110 allows.
    """
    wanted = request.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return None
    if "If-Range" in request.headers and request.headers["If-Range"].strip() != tag:
        return None
    found = wanted.range_for_length(size_bytes)
    if found is None:
        headers = {"Content-Range": f"bytes */{size_bytes}", "Accept-Ranges": "bytes"}
        raise Problem("range_not_satisfiable", f"The file has {size_bytes} bytes.", headers=headers)
    return found[0], found[1] - 1


def _headed(response: Response, tag: str, row: Recording, query: RecordingQuery) -> Response:
    response.headers["ETag"] = tag
    response.headers["Accept-Ranges"] = "bytes"
    how = "attachment" if query.download else "inline"
    response.headers["Content-Disposition"] = f'{how}; filename="{row.call_id}-{row.segment}.wav"'
    return response
