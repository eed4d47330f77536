"""`/v1/agencies/{id}/recording-store` and `…/recording-keys`: an agency's own bucket, and keys of its own.

A secret that was sent is never shown again.
"""

from __future__ import annotations

import base64
from typing import Annotated, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field, StrictBool

from ..audit.service import NewEntry
from ..recording.errors import NoStoreOfItsOwn, StoreSettingsFaulty
from ..recording.place_store import StoreRow
from ..recording.stores import StoreValues, Wish
from .auditing import actor_of
from .auth import AGENCY, Asked
from .endpoint import TenantQuery, endpoint
from .fields import Answer, Body, Id, Moment

blueprint = APIBlueprint("recording_stores", __name__, tag="Recordings")

Bucket = Annotated[str, Field(max_length=63, examples=["bright-recordings"])]
Prefix = Annotated[str, Field(max_length=200, description="Before every object's name.", examples=["calls"])]
Region = Annotated[str, Field(max_length=40, examples=["eu-central-1"])]
Endpoint = Annotated[
    str | None,
    Field(
        max_length=300,
        description="Address of an S3 service other than Amazon's: HTTPS and public, unless the operator has named its "
        "network.",
        examples=["https://s3.example.net"],
    ),
]
AccessKeyId = Annotated[str, Field(max_length=128, examples=["AKIAIOSFODNN7EXAMPLE"])]
Encryption = Annotated[
    str,
    Field(
        max_length=300,
        description="What the store itself is asked to do, and must say that it did: none, s3, kms, kms:<key>.",
        examples=["s3"],
    ),
]


class StoreBody(Body):
    """A bucket of the agency's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "bucket": "bright-recordings", "region": "eu-central-1", "access_key_id": "AKIAIOSFODNN7EXAMPLE",
                "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "encryption": "s3",
            }
        }
    )  # fmt: skip

    bucket: Bucket
    prefix: Annotated[Prefix, Field(default="")]
    region: Region
    endpoint_url: Annotated[Endpoint, Field(default=None)]
    access_key_id: AccessKeyId
    secret_access_key: Annotated[
        str | None,
        Field(default=None, min_length=1, max_length=300, description="Left out or null: as it was before."),
    ]
    encryption: Annotated[Encryption, Field(default="none")]


class StoreAnswer(Answer):
    """Where an agency's recordings go."""

    kind: Annotated[
        Literal["platform", "own"], Field(description="platform: the operator's store; nothing else is said of it.")
    ]
    bucket: Bucket | None
    prefix: Prefix | None
    region: Region | None
    endpoint_url: Endpoint
    access_key_id: AccessKeyId | None
    encryption: Encryption | None
    updated_at: Moment | None


def show(row: StoreRow | None) -> StoreAnswer:
    if row is None:
        return StoreAnswer(
            kind="platform", bucket=None, prefix=None, region=None, endpoint_url=None, access_key_id=None,
            encryption=None, updated_at=None,
        )  # fmt: skip
    return StoreAnswer(
        kind="own", bucket=row.bucket, prefix=row.prefix, region=row.region, endpoint_url=row.endpoint_url,
        access_key_id=row.access_key_id, encryption=row.encryption, updated_at=row.updated_at,
    )  # fmt: skip


def _note(asked: Asked, action: str, object_kind: str, object_id: UUID | None) -> None:
    asked.services.audit.record(
        asked.agency_id,
        NewEntry(actor=actor_of(asked), action=action, object_kind=object_kind, object_id=object_id),
    )


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/recording-store", roles=AGENCY, answer=StoreAnswer)
def get_recording_store(asked: Asked, agency_id: UUID) -> StoreAnswer:
    """Read where an agency's recordings go"""
    try:
        return show(asked.services.recordings.stores.get_store(agency_id))
    except NoStoreOfItsOwn:
        return show(None)


@endpoint(
    blueprint, "PUT", "/v1/agencies/<uuid:agency_id>/recording-store", roles=AGENCY, body=StoreBody, answer=StoreAnswer
)  # fmt: skip
def set_recording_store(asked: Asked, agency_id: UUID, body: StoreBody) -> StoreAnswer:
    """Set an agency's own store

    Recordings that come go there from now on; those that are stored stay where they are, and readable. Test it
    afterwards: nothing is tried here.
    """
    values = StoreValues(
        bucket=body.bucket, prefix=body.prefix, region=body.region, endpoint_url=body.endpoint_url,
        access_key_id=body.access_key_id, secret=body.secret_access_key, encryption=body.encryption,
    )  # fmt: skip
    row = asked.services.recordings.stores.set_store(agency_id, values)
    _note(asked, "recording_store.changed", "recording_store", row.id)
    return show(row)


@endpoint(blueprint, "DELETE", "/v1/agencies/<uuid:agency_id>/recording-store", roles=AGENCY, status=204)
def drop_recording_store(asked: Asked, agency_id: UUID) -> Response:
    """Go back to the platform's store

    For recordings that come. What is in the agency's own store stays there, and readable with its credentials.
    """
    asked.services.recordings.stores.drop_store(agency_id)
    _note(asked, "recording_store.dropped", "agency", agency_id)
    return Response(status=204)


class TestStep(Answer):
    """One step of a test."""

    step: Annotated[Literal["reach", "write", "confirm", "read", "delete"], Field(examples=["reach"])]
    went_well: bool
    detail: Annotated[str, Field(description="What the store says is wrong.", examples=[""])]


class TestAnswer(Answer):
    """How a test went."""

    went_well: bool
    steps: Annotated[list[TestStep], Field(description="The last one is the one that failed, where one did.")]


@endpoint(
    blueprint, "POST", "/v1/agencies/<uuid:agency_id>/recording-store/test",
    roles=AGENCY, deed="recording_store.tested", answer=TestAnswer, whole=False,
)  # fmt: skip
def test_recording_store(asked: Asked, agency_id: UUID) -> TestAnswer:
    """Test an agency's own store

    Writes an object of a thousand bytes, asks for its checksum, reads a part of it and removes it.
    """
    steps = asked.services.recordings.stores.test_store(agency_id)
    shown = [TestStep(step=step.name, went_well=step.went_well, detail=step.detail) for step in steps]  # type: ignore[arg-type]
    return TestAnswer(went_well=all(step.went_well for step in steps), steps=shown)


# --- Keys. ---


class KeyBody(Body):
    """A key of recordings to be made."""

    model_config = ConfigDict(json_schema_extra={"example": {"key": None}})

    key: Annotated[
        str | None,
        Field(
            default=None,
            max_length=64,
            description="32 bytes in base64, where the agency makes its own; else one is made.",
        ),
    ]


class RecordingKeyAnswer(Answer):
    """A key, without what opens."""

    id: Id
    is_current: Annotated[bool, Field(description="It wraps the keys of recordings that come.")]
    recordings: Annotated[int, Field(description="How many are under it.", examples=[1_250])]
    made_at: Moment
    destroyed_at: Moment | None


class RecordingKeyList(Answer):
    """Every key of an agency."""

    data: list[RecordingKeyAnswer]


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/recording-keys", roles=AGENCY, answer=RecordingKeyList)
def list_recording_keys(asked: Asked, agency_id: UUID) -> RecordingKeyList:
    """List an agency's keys of recordings

    The newest first, destroyed ones too. Without a current one recordings are stored as they are.
    """
    found = asked.services.recordings.keys.list(agency_id)
    return RecordingKeyList(data=[RecordingKeyAnswer.model_validate(key) for key in found])


@endpoint(
    blueprint, "POST", "/v1/agencies/<uuid:agency_id>/recording-keys", roles=AGENCY, body=KeyBody,
    answer=RecordingKeyAnswer, status=201,
)  # fmt: skip
def create_recording_key(asked: Asked, agency_id: UUID, body: KeyBody) -> tuple[RecordingKeyAnswer, int]:
    """Make a new key of recordings

    From now on recordings are encrypted before they leave us, each under a key of its own that this one wraps.
    """
    keys = asked.services.recordings.keys
    key_id = keys.rotate(agency_id, _key_of(body.key))
    _note(asked, "recording_key.made", "recording_key", key_id)
    [made] = [key for key in keys.list(agency_id) if key.id == key_id]
    return RecordingKeyAnswer.model_validate(made), 201


def _key_of(text: str | None) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if text is not None else None
    except ValueError as error:
        raise StoreSettingsFaulty("key", "must be base64") from error


class Rewrapped(Answer):
    """How far it is."""

    rewrapped: Annotated[int, Field(examples=[500])]
    is_done: bool


@endpoint(
    blueprint, "POST", "/v1/agencies/<uuid:agency_id>/recording-keys/rewrap",
    roles=AGENCY, deed="recording_keys.rewrapped", answer=Rewrapped, whole=False,
)  # fmt: skip
def rewrap_recording_keys(asked: Asked, agency_id: UUID) -> Rewrapped:
    """Bring older recordings under the current key

    At most 5,000 at a time, without touching their objects; ask again until `is_done`. Then the older keys may go.
    """
    keys, done = asked.services.recordings.keys, 0
    for _ in range(10):
        some = keys.rewrap_some(agency_id, limit=500)
        done += some
        if some == 0:
            return Rewrapped(rewrapped=done, is_done=True)
    return Rewrapped(rewrapped=done, is_done=False)


class DestroyQuery(TenantQuery):
    """Whether recordings go with it."""

    with_recordings: Annotated[
        bool,
        Field(default=False, description="true: whatever is under the key is not to be heard by anybody any more."),
    ]


@endpoint(
    blueprint, "DELETE", "/v1/agencies/<uuid:agency_id>/recording-keys/<uuid:recording_key_id>", roles=AGENCY,
    query=DestroyQuery, status=204, problems=("recording_key_in_use",),
    read_at="/v1/agencies/<uuid:agency_id>/recording-keys",
)  # fmt: skip
def destroy_recording_key(asked: Asked, agency_id: UUID, recording_key_id: UUID, query: DestroyQuery) -> Response:
    """Destroy a key of recordings

    It cannot be brought back. Refused while it is the current one or recordings are under it, unless
    `with_recordings=true`.
    """
    entry = NewEntry(
        actor=actor_of(asked), action="recording_key.destroyed", object_kind="recording_key",
        object_id=recording_key_id, details={"with_recordings": query.with_recordings},
    )  # fmt: skip
    asked.services.recordings.keys.destroy(
        agency_id, recording_key_id, with_recordings=query.with_recordings, entry=entry
    )
    return Response(status=204)


# --- Forms. ---

FORM = Literal["wav", "opus", "mp3"]


class FormBody(Body):
    """In which form recordings that come are kept."""

    model_config = ConfigDict(json_schema_extra={"example": {"format": "opus", "keep_original": False}})

    format: Annotated[FORM, Field(description="wav: as the switch wrote it. The others are made afterwards.")]
    keep_original: Annotated[
        StrictBool, Field(default=False, description="Whether the WAV file stays beside another form.")
    ]


class FormAnswer(Answer):
    """In which form recordings are kept."""

    format: Annotated[FORM, Field(examples=["opus"])]
    keep_original: bool
    is_own: Annotated[bool, Field(description="false: it follows from the agency's, or nobody has said anything.")]


def show_form(wish: Wish) -> FormAnswer:
    return FormAnswer(format=wish.form, keep_original=wish.keep_original, is_own=wish.is_own)  # type: ignore[arg-type]


@endpoint(blueprint, "GET", "/v1/agencies/<uuid:agency_id>/recording-settings", roles=AGENCY, answer=FormAnswer)
def get_agency_recording_settings(asked: Asked, agency_id: UUID) -> FormAnswer:
    """Read in which form an agency's recordings are kept"""
    return show_form(asked.services.recordings.stores.get_wish(agency_id, None))


@endpoint(
    blueprint, "PUT", "/v1/agencies/<uuid:agency_id>/recording-settings", roles=AGENCY, body=FormBody,
    answer=FormAnswer,
)  # fmt: skip
def set_agency_recording_settings(asked: Asked, agency_id: UUID, body: FormBody) -> FormAnswer:
    """Set in which form an agency's recordings are kept

    For clients that have no wish of their own, and recordings that come.
    """
    stores = asked.services.recordings.stores
    wish = stores.set_wish(agency_id, None, form=body.format, keep_original=body.keep_original)
    _note(asked, "recording_settings.changed", "agency", agency_id)
    return show_form(wish)


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>/recording-settings", roles=AGENCY, answer=FormAnswer)
def get_client_recording_settings(asked: Asked, client_id: UUID) -> FormAnswer:
    """Read in which form a client's recordings are kept"""
    asked.services.tenancy.get_client(asked.agency_id, client_id)
    return show_form(asked.services.recordings.stores.get_wish(asked.agency_id, client_id))


@endpoint(
    blueprint, "PUT", "/v1/clients/<uuid:client_id>/recording-settings", roles=AGENCY, body=FormBody,
    answer=FormAnswer,
)  # fmt: skip
def set_client_recording_settings(asked: Asked, client_id: UUID, body: FormBody) -> FormAnswer:
    """Set in which form a client's recordings are kept

    A recording is stored as the switch wrote it and can be heard at once; the other form takes its place when it has
    been made, decoded again, measured, stored and confirmed. Both sides stay apart in every form.
    """
    asked.services.tenancy.get_client(asked.agency_id, client_id)
    stores = asked.services.recordings.stores
    wish = stores.set_wish(asked.agency_id, client_id, form=body.format, keep_original=body.keep_original)
    _note(asked, "recording_settings.changed", "client", client_id)
    return show_form(wish)
