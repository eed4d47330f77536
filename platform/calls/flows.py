"""The flow document: what happens to a call to a number, step by step, as its owner writes it.

Its kinds of step are in flow_steps.py, what holds for several of them in flow_checks.py; compiling.py makes of it what
plans are made of. Documents of version 1 stay valid: a list of steps one after another, which is read as one of today.
Pure: knows no database and no switch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, TypeAdapter, ValidationError

from .compiled import LONGEST_IN_FLOW_S
from .errors import Fault, FlowFaulty
from .flow_checks import flow_faults, schedule_places, target_places
from .flow_faults import faults_of
from .flow_hours import OpenHours
from .flow_steps import GotoStep, Step
from .flow_values import Cause, FilePrompt, Language, RingTimeout, Strict, TonePrompt

MOST_OLD_STEPS, MOST_OLD_TARGETS = 20, 20
MOST_STEPS = 50

OldPrompt = Annotated[TonePrompt | FilePrompt, Field(discriminator="kind")]


class OldAnnounceStep(Strict):
    """Answers the call and plays a prompt."""

    type: Literal["announce"]
    prompt: OldPrompt


class OldRingStep(Strict):
    """Rings targets one after another until one answers. `ring_timeout_s`: else each target's own."""

    type: Literal["ring"]
    targets: Annotated[list[UUID], Field(min_length=1, max_length=MOST_OLD_TARGETS)]
    ring_timeout_s: RingTimeout | None = None


class OldHangupStep(Strict):
    """Ends the call."""

    type: Literal["hangup"]
    cause: Cause


OldStep = Annotated[OldAnnounceStep | OldRingStep | OldHangupStep, Field(discriminator="type")]


class OldFlowDocument(Strict):
    """A flow of version 1: its steps follow one another."""

    version: Literal[1]
    record: StrictBool = False
    steps: Annotated[list[OldStep], Field(min_length=1, max_length=MOST_OLD_STEPS)]


class FlowDocument(Strict):
    """A flow of version 2: the first step is run first, and each says what follows it. `record` begins to record with
    the call's answer; a `consent` step puts it off until the caller has had the choice."""

    version: Literal[2]
    record: StrictBool = False
    language: Language = Field(default="en", description="Of texts that are said, unless they name their own.")
    longest_s: Annotated[StrictInt, Field(ge=60, le=86_400)] = Field(
        default=LONGEST_IN_FLOW_S,
        description="A caller who still goes about in the flow so many seconds after the call began is led to its end: "
        "backup, apology. Talking does not count, and queues bound their own waits.",
    )
    steps: Annotated[list[Step], Field(min_length=1, max_length=MOST_STEPS)]


AnyDocument = OldFlowDocument | FlowDocument
_VERSIONS: dict[int, type[OldFlowDocument] | type[FlowDocument]] = {1: OldFlowDocument, 2: FlowDocument}
_OLD_STEPS: TypeAdapter[Step] = TypeAdapter(Step)
_DOCUMENTS: TypeAdapter[AnyDocument] = TypeAdapter(AnyDocument)


def flow_schema(ref_template: str) -> dict[str, Any]:
    """The JSON schema of a document of either version."""
    return _DOCUMENTS.json_schema(ref_template=ref_template)


def hours_schema(ref_template: str) -> dict[str, Any]:
    """The JSON schema of a schedule's hours; what it refers to is among the parts of :func:`flow_schema`."""
    schema = OpenHours.model_json_schema(ref_template=ref_template)
    schema.pop("$defs")
    return schema


def parse_flow(document: object) -> AnyDocument:
    """The document as a value. Raises FlowFaulty with every fault found."""
    if not isinstance(document, dict):
        raise FlowFaulty([Fault("", "invalid", "must be an object")])
    if "version" not in document:
        raise FlowFaulty([Fault("/version", "required", "is required: 2, or 1 for a plain list of steps")])
    version = document["version"]
    if isinstance(version, bool) or not isinstance(version, int) or version not in _VERSIONS:
        raise FlowFaulty([Fault("/version", "not_allowed", "must be 1 or 2")])
    try:
        flow = _VERSIONS[version].model_validate(document)
    except ValidationError as error:
        raise FlowFaulty(faults_of(document, error)) from error
    faults = flow_faults(steps_of(flow))
    if faults:
        raise FlowFaulty(faults)
    return flow


def steps_of(flow: AnyDocument) -> list[Step]:
    """The steps of a document of either version, as those of today."""
    if isinstance(flow, FlowDocument):
        return flow.steps
    return [_OLD_STEPS.validate_python(step.model_dump()) for step in flow.steps]


def language_of(flow: AnyDocument) -> Language:
    """The language of what the flow says."""
    return flow.language if isinstance(flow, FlowDocument) else "en"


def stored_form(flow: AnyDocument) -> dict[str, Any]:
    """The document as it is kept: as it was understood, ids in one spelling, so that they can be searched for."""
    return flow.model_dump(mode="json", by_alias=True, exclude_none=True)


def target_ids(flow: AnyDocument) -> list[UUID]:
    """Every target that the flow names, each once, in order."""
    return list(dict.fromkeys(one for _, one in target_places(steps_of(flow))))


def schedule_ids(flow: AnyDocument) -> list[UUID]:
    """Every schedule that the flow keeps to, each once, in order."""
    return list(dict.fromkeys(one for _, one in schedule_places(steps_of(flow))))


def gone_to(flow: AnyDocument) -> list[UUID]:
    """Every flow that the flow goes to itself, each once, in order."""
    return list(dict.fromkeys(step.flow for step in steps_of(flow) if isinstance(step, GotoStep)))
