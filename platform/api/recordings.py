"""`/v1/calls/{id}/recording`: the sound, whole or by ranges (RFC 9110, 14); links to it, and what a player needs."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urljoin
from uuid import UUID

from apiflask import APIBlueprint
from flask import Request, Response, g, request
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ..audit.service import Actor, NewEntry
from ..recording.errors import RecordingUnknown
from ..recording.model import Recording
from ..recording.peaks import as_numbers
from ..recording.service import MEDIA_TYPES, Audio, Shape
from .archived import telling_the_archive
from .asking import asking_address
from .auditing import actor_of
from .auth import EVERYBODY, Asked, need_listening
from .endpoint import TenantQuery, endpoint, public, services
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .preconditions import is_known
from .recording_links import (
    LONGEST_S,
    SHORTEST_S,
    USUAL_S,
    Link,
    asked_by_link,
    end_of,
    read_link,
    write_link,
)

blueprint = APIBlueprint("recordings", __name__, tag="Calls")

SOUND_TYPES = tuple(MEDIA_TYPES.values())

_PROBLEMS = ("listening_not_allowed", "recording_absent", "recording_pending")
#: A link at the store itself cannot be taken back, and nobody notes who follows it.
LONGEST_DIRECT_S = 15 * 60
SegmentNumber = Annotated[
    int | None,
    Field(default=None, ge=1, le=9999, description="Of a call that was recorded in several parts. Default: the first."),
]


class RecordingQuery(TenantQuery):
    """Which part, and what for."""

    segment: SegmentNumber
    download: Annotated[
        bool, Field(default=False, description="true: to be kept as a file, and noted so in the audit log.")
    ]


@endpoint(
    blueprint,
    "GET",
    "/v1/calls/<uuid:call_id>/recording",
    roles=EVERYBODY,
    permission="calls.listen",
    query=RecordingQuery,
    media_types=SOUND_TYPES,
    ranges=True,
    problems=(*_PROBLEMS, "range_not_satisfiable"),
)
def get_recording(asked: Asked, call_id: UUID, query: RecordingQuery) -> Response:
    """Hear a call's recording

    Stereo: the caller is on the left, the target on the right. `Range` asks for a part (one range), `HEAD` for the
    headers alone; `ETag` is the SHA-256 of the whole file. Every answer with sound is noted in the audit log first.
    """
    return _sound(asked, actor_of(asked), call_id, query.segment, download=query.download)


def _sound(asked: Asked, actor: Actor, call_id: UUID, segment: int | None, *, download: bool) -> Response:
    need_listening(asked.principal)
    audio = _open(asked, call_id, segment)
    row = audio.recording
    assert row.sha256 is not None
    tag = f'"{row.sha256.hex()}"'
    if is_known(request.headers, tag):
        return _headed(Response(status=304), tag, row, download=download)
    span = asked_span(request, audio.size_bytes, tag)
    first, last = span or (0, audio.size_bytes - 1)
    # Opened here and now, so that a store that is away is an answer and not a broken body.
    stream = audio.stream(first=first, last=last) if request.method == "GET" and last >= first else None
    if stream is not None:
        try:
            note(asked, actor, row, "recording.downloaded" if download else "recording.listened", span=span)
        except BaseException:
            stream.close()
            raise
    response = Response(stream, status=206 if span else 200, mimetype=MEDIA_TYPES[row.format])
    if stream is not None:
        response.call_on_close(stream.close)
    response.content_length = last - first + 1
    if span:
        response.headers["Content-Range"] = f"bytes {first}-{last}/{audio.size_bytes}"
    return _headed(response, tag, row, download=download)


def note(
    asked: Asked, actor: Actor, row: Recording, action: str, *, span: tuple[int, int] | None = None, **more: str
) -> None:
    """Before any sound leaves: who cannot be noted hears nothing."""
    details: dict[str, object] = {"call_id": str(row.call_id), "segment": row.segment, **more}
    if span is not None:
        details["bytes"] = f"{span[0]}-{span[1]}"
    asked.services.audit.record(
        asked.agency_id,
        NewEntry(
            actor=actor, action=action, object_kind="recording", object_id=row.id, client_id=row.client_id,
            details=details,
        ),
    )  # fmt: skip


def _open(asked: Asked, call_id: UUID, segment: int | None) -> Audio:
    try:
        return asked.services.recordings.open_recording(asked.agency_id, asked.client_id, call_id, segment)
    except RecordingUnknown as error:
        with telling_the_archive(asked):
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


def _headed(response: Response, tag: str, row: Recording, *, download: bool) -> Response:
    response.headers["ETag"] = tag
    response.headers["Accept-Ranges"] = "bytes"
    how = "attachment" if download else "inline"
    response.headers["Content-Disposition"] = f'{how}; filename="{_file_name(row)}"'
    return response


def _file_name(row: Recording) -> str:
    return f"{row.call_id}-{row.segment}.{row.format}"


# --- Links. ---


class NewLink(Body):
    """A link to be made."""

    model_config = ConfigDict(json_schema_extra={"example": {"valid_s": 900}})

    agency_id: AgencyId
    segment: SegmentNumber
    valid_s: Annotated[
        StrictInt, Field(default=USUAL_S, ge=SHORTEST_S, le=LONGEST_S, description="For how many seconds it holds.")
    ]
    direct: Annotated[
        StrictBool,
        Field(
            default=False,
            description="Where the store itself can give the sound: a link to it, for 15 minutes at most. Who follows "
            "such a link is not noted, only that it was made.",
        ),
    ]


class LinkAnswer(Answer):
    """A link."""

    url: Annotated[str, Field(examples=["https://api.example/v1/recordings/heard/WyIwMT…"])]
    expires_at: Moment
    kind: Annotated[
        Literal["own", "store"],
        Field(description="own: over this API, noted in the audit log. store: at the object store itself."),
    ]


@endpoint(
    blueprint,
    "POST",
    "/v1/calls/<uuid:call_id>/recording/links",
    roles=EVERYBODY,
    permission="calls.listen",
    body=NewLink,
    answer=LinkAnswer,
    status=201,
    problems=_PROBLEMS,
    secrets=("url",),
)
def create_recording_link(asked: Asked, call_id: UUID, body: NewLink) -> tuple[LinkAnswer, int]:
    """Make a link to a recording

    Whoever has the link hears the recording without a key until it ends, or until the key that made it is revoked.
    """
    need_listening(asked.principal)
    audio, now = _open(asked, call_id, body.segment), asked.services.clock.now()
    row = audio.recording
    if body.direct:
        valid_s = min(body.valid_s, LONGEST_DIRECT_S)
        address = audio.signed_link(valid_s=valid_s, file_name=_file_name(row))
        if address is not None:
            until = end_of(now, valid_s)
            note(asked, actor_of(asked), row, "recording.link_made", kind="store", until=until.isoformat())
            return LinkAnswer(url=address, expires_at=until, kind="store"), 201
    until = end_of(now, body.valid_s)
    principal = asked.principal
    link = Link(asked.agency_id, principal.agency_id, principal.key_id, call_id, row.segment, until,
                by_user=principal.kind == "user")  # fmt: skip
    token = write_link(asked.services.secret_key, link)
    note(asked, actor_of(asked), row, "recording.link_made", kind="own", until=until.isoformat())
    url = urljoin(request.url_root, f"/v1/recordings/heard/{token}")
    return LinkAnswer(url=url, expires_at=until, kind="own"), 201


@public(
    blueprint,
    "/v1/recordings/heard/<token>",
    summary="Hear a recording by a link",
    answers={200: "The sound.", 206: "A part of it.", 404: "There is no such link, or it is over."},
    media_types=SOUND_TYPES,
)
def get_recording_by_link(token: str) -> Response:
    """Hear a recording by a link"""
    link = read_link(services().secret_key, token, services().clock.now())
    asked = asked_by_link(services(), link)
    actor = Actor(kind="link", id=link.key_id, address=asking_address(asked.services.proxies), request_id=g.request_id)
    return _sound(asked, actor, link.call_id, link.segment, download=False)


# --- A player. ---


class Waveform(Answer):
    """A sound's outline in the form of BBC's audiowaveform, which peaks.js and others read."""

    version: Annotated[int, Field(examples=[2])]
    channels: Annotated[int, Field(examples=[2])]
    sample_rate: Annotated[int, Field(examples=[8000])]
    samples_per_pixel: Annotated[int, Field(examples=[450])]
    bits: Annotated[int, Field(examples=[8])]
    length: Annotated[int, Field(description="How many pixels.", examples=[2])]
    data: Annotated[
        list[int],
        Field(
            description="For each pixel and channel least and greatest sample, -128 to 127.",
            examples=[[-3, 4, -1, 1, -90, 88, -2, 2]],
        ),
    ]


class PlayedSegment(Answer):
    """One part of a recording."""

    id: Id
    segment: Annotated[int, Field(examples=[1])]
    duration_ms: Annotated[int | None, Field(description="null: it is no sound that we can read.", examples=[90_000])]
    channels: Annotated[int | None, Field(description="The caller is the first.", examples=[2])]
    media_type: Annotated[str, Field(examples=["audio/wav"])]
    size_bytes: Annotated[int, Field(examples=[2_880_044])]
    sha256: Annotated[str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])]
    url: Annotated[str, Field(examples=[f"/v1/calls/{EXAMPLE_ID}/recording?segment=1"])]
    waveform: Waveform | None


class PlayerAnswer(Answer):
    """All that a player needs."""

    call_id: Id
    segments: list[PlayedSegment]


@endpoint(
    blueprint,
    "GET",
    "/v1/calls/<uuid:call_id>/recording/player",
    roles=EVERYBODY,
    permission="calls.listen",
    answer=PlayerAnswer,
    problems=_PROBLEMS,
)
def get_recording_player(asked: Asked, call_id: UUID) -> PlayerAnswer:
    """Read what a player needs

    The parts of the recording in order, each with its length, channels and outline. Holds no sound, so nothing is noted
    in the audit log.
    """
    need_listening(asked.principal)
    try:
        shapes = asked.services.recordings.shapes_of(asked.agency_id, asked.client_id, call_id)
    except RecordingUnknown:
        _open(asked, call_id, None)
        raise
    return PlayerAnswer(call_id=call_id, segments=[_played(call_id, shape) for shape in shapes])


def _played(call_id: UUID, shape: Shape) -> PlayedSegment:
    row = shape.recording
    assert row.sha256 is not None
    return PlayedSegment(
        id=row.id,
        segment=row.segment,
        duration_ms=row.duration_ms,
        channels=row.channels,
        media_type=MEDIA_TYPES[row.format],
        size_bytes=row.size_bytes or 0,
        sha256=row.sha256.hex(),
        url=f"/v1/calls/{call_id}/recording?segment={row.segment}",
        waveform=_waveform(shape),
    )


def _waveform(shape: Shape) -> Any:
    row = shape.recording
    if shape.frames_per_peak is None or not row.channels or not row.sample_rate:
        return None
    return Waveform(
        version=2,
        channels=row.channels,
        sample_rate=row.sample_rate,
        samples_per_pixel=shape.frames_per_peak,
        bits=8,
        length=len(shape.data) // (2 * row.channels),
        data=list(as_numbers(shape.data)),
    )
