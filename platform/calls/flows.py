"""The flow document: what happens to a call to a number, step by step; and the compiled form that plans are made of.

A document names targets by id; compiling puts each address in their place, so that a worker reads everything in
one row. Both are checked by the models here and nowhere else. A new kind of step is a new class in the unions below.
Pure: knows no database and no switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import Fault, FlowFaulty, RouteUnreadable
from .model import LEAST_RING_S, LONGEST_RING_S, Target, parse_address

MOST_STEPS = 20
#: In a whole flow, each place counted: a plan may hold 100 actions (call-setup.md, "Rules for plans").
MOST_TARGETS = 20
#: The causes that a flow may end with; plan.py gives each the switch's name for it.
Cause = Literal["busy", "no_answer", "rejected", "unavailable", "not_found", "normal"]

RingTimeout = Annotated[int, Field(strict=True, ge=LEAST_RING_S, le=LONGEST_RING_S)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TonePrompt(_Strict):
    """A tone."""

    kind: Literal["tone"]
    frequency_hz: Annotated[int, Field(strict=True, ge=50, le=3400)]
    duration_ms: Annotated[int, Field(strict=True, ge=10, le=60_000)]


class FilePrompt(_Strict):
    """An announcement that the operator has put into the nodes' spool, by its name."""

    kind: Literal["file"]
    name: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


Prompt = Annotated[TonePrompt | FilePrompt, Field(discriminator="kind")]


class AnnounceStep(_Strict):
    """Answers the call and plays a prompt."""

    type: Literal["announce"]
    prompt: Prompt


class RingStep(_Strict):
    """Rings targets one after another until one answers. ``ring_timeout_s`` None: each target's own."""

    type: Literal["ring"]
    targets: Annotated[list[UUID], Field(min_length=1, max_length=MOST_TARGETS)]
    ring_timeout_s: RingTimeout | None = None


class HangupStep(_Strict):
    """Ends the call."""

    type: Literal["hangup"]
    cause: Cause


Step = Annotated[AnnounceStep | RingStep | HangupStep, Field(discriminator="type")]


class FlowDocument(_Strict):
    """A flow as its owner writes it."""

    version: Literal[1]
    record: Annotated[bool, Field(strict=True)] = False
    steps: Annotated[list[Step], Field(min_length=1, max_length=MOST_STEPS)]


class ResolvedTarget(_Strict):
    """A target as a plan needs it."""

    id: UUID
    address: str
    ring_timeout_s: RingTimeout


class CompiledRing(_Strict):
    """A ring step with its targets resolved."""

    type: Literal["ring"]
    targets: Annotated[list[ResolvedTarget], Field(min_length=1, max_length=MOST_TARGETS)]


CompiledStep = Annotated[AnnounceStep | CompiledRing | HangupStep, Field(discriminator="type")]


class CompiledFlow(_Strict):
    """What workers and fallback plans are made from: the content of ``published_flows.compiled``."""

    version: Literal[1]
    record: bool
    steps: Annotated[list[CompiledStep], Field(min_length=1, max_length=MOST_STEPS)]


def parse_flow(document: object) -> FlowDocument:
    """The document as a value. Raises FlowFaulty with every fault found."""
    try:
        flow = FlowDocument.model_validate(document)
    except ValidationError as error:
        raise FlowFaulty([_fault(document, one) for one in error.errors(include_url=False)]) from error
    faults = [*_order_faults(flow), *_size_faults(flow)]
    if faults:
        raise FlowFaulty(faults)
    return flow


def target_ids(flow: FlowDocument) -> list[UUID]:
    """Every target that the flow names, each once, in order."""
    return list(dict.fromkeys(one for _, one in _places(flow)))


def compile_flow(document: object, targets: Iterable[Target]) -> dict[str, Any]:
    """The published form of a document; ``targets`` are those of its client. Raises FlowFaulty."""
    flow = parse_flow(document)
    known = {target.id: target for target in targets}
    faults = [
        Fault(pointer, "unknown_target", f"there is no target {target_id} of this client")
        for pointer, target_id in _places(flow)
        if target_id not in known
    ]
    if faults:
        raise FlowFaulty(faults)
    steps = [_compiled_step(step, known) for step in flow.steps]
    return CompiledFlow(version=1, record=flow.record, steps=steps).model_dump(mode="json")


def read_compiled(compiled: Mapping[str, Any]) -> CompiledFlow:
    """The compiled flow of a route. Raises RouteUnreadable."""
    try:
        flow = CompiledFlow.model_validate(compiled)
        for step in flow.steps:
            if isinstance(step, CompiledRing):
                for target in step.targets:
                    parse_address(target.address)
    except ValueError as error:
        where = type(error).__name__ if isinstance(error, ValidationError) else str(error)
        raise RouteUnreadable(f"{RouteUnreadable.__doc__} ({where})") from error
    return flow


def _compiled_step(step: Step, known: Mapping[UUID, Target]) -> CompiledStep:
    if not isinstance(step, RingStep):
        return step
    resolved = [
        ResolvedTarget(
            id=one, address=known[one].address, ring_timeout_s=step.ring_timeout_s or known[one].ring_timeout_s
        )
        for one in step.targets
    ]
    return CompiledRing(type="ring", targets=resolved)


def _places(flow: FlowDocument) -> list[tuple[str, UUID]]:
    return [
        (f"/steps/{index}/targets/{place}", target_id)
        for index, step in enumerate(flow.steps)
        if isinstance(step, RingStep)
        for place, target_id in enumerate(step.targets)
    ]


def _order_faults(flow: FlowDocument) -> list[Fault]:
    return [
        Fault(f"/steps/{index + 1}", "unreachable", "can never be reached: the step before it ends the call")
        for index, step in enumerate(flow.steps[:-1])
        if isinstance(step, HangupStep)
    ]


def _size_faults(flow: FlowDocument) -> list[Fault]:
    count = len(_places(flow))
    if count <= MOST_TARGETS:
        return []
    return [Fault("/steps", "too_many_targets", f"ring {count} targets in all; a flow may ring {MOST_TARGETS}")]


def _fault(document: object, error: Any) -> Fault:
    code = _CODES.get(error["type"], "invalid")
    message = _MESSAGES.get(code) or error["msg"][:1].lower() + error["msg"][1:]
    return Fault(_pointer(document, error["loc"]), code, message)


#: pydantic's names for what we say in words of our own.
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "union_tag_invalid": "unknown_kind",
    "union_tag_not_found": "required_kind",
    "literal_error": "not_allowed",
    "too_long": "too_many",
    "too_short": "too_few",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}
_MESSAGES = {"required": "is required", "unknown_field": "is not a field that is known here"}


def _pointer(document: object, location: tuple[int | str, ...]) -> str:
    """pydantic's location without the union tags it puts in between, which are no part of the document."""
    parts: list[str] = []
    here: Any = document
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif isinstance(here, dict) and (part in here or last):
            here = here.get(part)
        else:
            continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join("/" + part for part in parts)
