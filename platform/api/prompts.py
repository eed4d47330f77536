"""`/v1/prompts`: sounds of an agency's own for its flows, checked and made into what telephones play."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import ConfigDict, Field

from ..prompts.model import Prompt
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .errors import Fault
from .fields import AgencyId, Answer, Body, Id, Moment
from .paging import Listed, ListQuery, each, list_page
from .problems import validation_problem

blueprint = APIBlueprint("prompts", __name__, tag="Prompts")

#: The shortest thing that passes: a fortieth of a second of silence, 8 kHz, 16 bit.
_EXAMPLE_WAV = (
    b"RIFF" + (36 + 400).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    + (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (8000).to_bytes(4, "little")
    + (16000).to_bytes(4, "little") + (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    + b"data" + (400).to_bytes(4, "little") + bytes(400)
)  # fmt: skip
EXAMPLE_AUDIO = base64.b64encode(_EXAMPLE_WAV).decode()

Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S", examples=["Welcome, spring"])]


class NewPrompt(Body):
    """A sound to be kept."""

    model_config = ConfigDict(json_schema_extra={"example": {"label": "Silence", "audio": EXAMPLE_AUDIO}})

    agency_id: AgencyId
    label: Label
    audio: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1_000_000,
            description="A WAV file in base64: PCM of 8, 16, 24 or 32 bit, any rate, up to 8 channels. It becomes 8 "
            "kHz, one channel, 16 bit.",
        ),
    ]


class PromptAnswer(Answer):
    """A sound that flows may play: `{"kind": "file", "name": …}`."""

    agency_id: Id
    name: Annotated[
        str,
        Field(
            description="For flows; made from the sound, so that the same sound has the same name.",
            examples=["say-3f2504e04f8941d39a0c0305e82c3301"],
        ),
    ]
    label: Annotated[str, Field(examples=["Welcome, spring"])]
    duration_ms: Annotated[int, Field(examples=[4_200])]
    size_bytes: Annotated[int, Field(description="As telephones get it.", examples=[67_244])]
    sha256: Annotated[str, Field(description="In hexadecimal.", examples=["9f86d081884c7d65…"])]
    created_at: Moment


class PromptList(Listed[PromptAnswer]):
    """A page of sounds."""


def show(prompt: Prompt) -> PromptAnswer:
    return PromptAnswer(
        agency_id=prompt.agency_id,
        name=prompt.name,
        label=prompt.label or "",
        duration_ms=prompt.duration_ms,
        size_bytes=prompt.size_bytes,
        sha256=prompt.sha256.hex(),
        created_at=prompt.created_at,
    )


@endpoint(
    blueprint,
    "POST",
    "/v1/prompts",
    roles=AGENCY,
    deed="prompt.uploaded",
    body=NewPrompt,
    answer=PromptAnswer,
    status=201,
)
def upload_prompt(asked: Asked, body: NewPrompt) -> Any:
    """Upload a sound

    Checked, made into a telephone's form, and ready for flows within the same request. A body has 1 MiB, which is about
    45 seconds at 8 kHz; the operator brings longer ones by `dialtrace prompt import`.
    """
    try:
        audio = base64.b64decode(body.audio, validate=True)
    except ValueError as error:
        fault = Fault(code="wrong_form", detail="must be base64", pointer="#/audio")
        raise validation_problem([fault]) from error
    made = asked.services.prompts.upload(asked.agency_id, body.label, audio)
    return show(made), 201, {"Location": f"/v1/prompts/{made.name}"}


@endpoint(blueprint, "GET", "/v1/prompts", roles=AGENCY, query=ListQuery, answer=PromptList)
def list_prompts(asked: Asked, query: ListQuery) -> Any:
    """List sounds

    Those that were uploaded, by name. What flows say is rendered by itself and not listed.
    """
    prompts = asked.services.prompts
    return list_page(
        asked, query, lambda limit, after: prompts.list_uploaded(asked.agency_id, limit=limit, after=after), each(show)
    )


@endpoint(blueprint, "GET", "/v1/prompts/<name>", roles=AGENCY, answer=PromptAnswer)
def get_prompt(asked: Asked, name: str) -> PromptAnswer:
    """Read a sound's facts"""
    return show(asked.services.prompts.get_uploaded(asked.agency_id, name))


@endpoint(blueprint, "GET", "/v1/prompts/<name>/audio", roles=AGENCY, media_types=("audio/wav",))
def get_prompt_audio(asked: Asked, name: str) -> Response:
    """Listen to a sound

    As telephones get it.
    """
    return Response(asked.services.prompts.sound_of(asked.agency_id, name), mimetype="audio/wav")


@endpoint(
    blueprint, "DELETE", "/v1/prompts/<name>", roles=AGENCY, deed="prompt.deleted", status=204,
    problems=("prompt_in_use",),
)  # fmt: skip
def delete_prompt(asked: Asked, name: str) -> Response:
    """Delete a sound

    Refused while a flow plays it.
    """
    asked.services.prompts.delete_uploaded(asked.agency_id, name)
    return Response(status=204)
