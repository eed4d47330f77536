"""The steps of a flow document as its owner writes them: one class for each kind, with its bounds and examples.

A new kind is a new class here, one in compiled.py and one function in compiling.py. What concerns more than one step
(names, loops, sizes) is checked in flow_checks.py. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Discriminator, Field, StrictBool, Tag
from pydantic.config import JsonDict

from .flow_facts import FactTest
from .flow_hours import OpenHours, Override, Weekly, WorkingHours, ZoneName
from .flow_prompts import Prompt, Whisper
from .flow_values import (
    Cause,
    Digit,
    Digits,
    MatchKey,
    ProgressTimeout,
    RingTimeout,
    StepName,
    Strategy,
    Strict,
    Url,
    VariableName,
    Word,
)

MOST_TARGETS = 20
_ID = "018f3a6c-2f4e-7c11-9d0a-5b7e6f8a9b0c"
_HELLO: JsonDict = {"kind": "say", "text": "Thank you for calling Bright Dental."}


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class WeightedTarget(Strict):
    """A target with its share of the calls where the strategy is `weighted`."""

    target: UUID
    weight: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1


def _kind_of_target(value: object) -> str:
    return "weighted" if isinstance(value, dict | WeightedTarget) else "id"


RungTarget = Annotated[
    Annotated[UUID, Tag("id")] | Annotated[WeightedTarget, Tag("weighted")], Discriminator(_kind_of_target)
]
Targets = Annotated[list[RungTarget], Field(min_length=1, max_length=MOST_TARGETS)]


class _Step(Strict):
    #: Whether ``next`` follows this step itself, not only in place of what it leaves out.
    goes_on: ClassVar[bool] = True

    name: StepName | None = Field(default=None, description="What other steps call it; else `step-<n>`.")


class _Following(_Step):
    next: StepName | None = Field(default=None, description="What follows; else the step after it.")


class _Refusable(_Following):
    otherwise: StepName | None = Field(default=None, description="What follows where it fails; else as `next`.")


class AnnounceStep(_Following):
    """Answers the call and plays a prompt."""

    model_config = _example(type="announce", prompt=_HELLO)

    type: Literal["announce"]
    prompt: Prompt


class ConsentStep(_Refusable):
    """Says that the call is recorded and lets the caller refuse by a key. Recording begins after it, and never if it
    was refused; the answer is kept with the call. `otherwise` follows a refusal."""

    model_config = _example(
        type="consent",
        prompt={"kind": "say", "text": "This call is recorded. Press 9 if you do not want that."},
        refuse_digit="9",
    )

    type: Literal["consent"]
    prompt: Prompt
    refuse_digit: Digit = "9"
    timeout_s: Annotated[int, Field(strict=True, ge=1, le=30)] = 3


class MenuStep(_Refusable):
    """Lets the caller choose by keys. `otherwise` follows when nothing that fits was pressed after all `retries`."""

    model_config = _example(
        type="menu",
        name="main-menu",
        prompt={"kind": "say", "text": "For appointments press 1, for anything else press 2."},
        choices={"1": "appointments", "2": "reception"},
        otherwise="reception",
    )
    goes_on: ClassVar[bool] = False

    type: Literal["menu"]
    prompt: Prompt
    choices: Annotated[dict[Digits, StepName], Field(min_length=1, max_length=30)]
    timeout_s: Annotated[int, Field(strict=True, ge=1, le=60)] = 5
    retries: Annotated[int, Field(strict=True, ge=0, le=9)] = 2
    invalid_prompt: Prompt | None = None


class CodeStep(_Refusable):
    """Asks for a number of so many digits and keeps it in a variable: a promo code, unless you say otherwise. `next`
    follows once it was pressed, whether it is a good one or not; `otherwise` when it was not after all `retries`."""

    model_config = _example(
        type="code",
        prompt={"kind": "say", "text": "If our page shows you a code, press it now. If not, please hold the line."},
        retries=0,
        next="reception",
    )

    type: Literal["code"]
    prompt: Prompt
    length: Annotated[int, Field(strict=True, ge=1, le=12)] = 6
    variable: VariableName = "promo_code"
    timeout_s: Annotated[int, Field(strict=True, ge=1, le=60)] = 5
    retries: Annotated[int, Field(strict=True, ge=0, le=9)] = 1
    invalid_prompt: Prompt | None = None


class ScheduleStep(_Following):
    """Goes to `open` (else as `next`) within the hours, to `closed` outside. The first override that holds decides,
    else a holiday, else the week. A day that is left out is closed. `schedule`: the hours of one of the client's
    schedules, instead of any of its own."""

    model_config = _example(
        type="schedule",
        weekly={"mon": [["09:00", "18:00"]], "tue": [["09:00", "13:00"], ["14:00", "18:00"]]},
        holidays=[{"date": "2026-12-24", "hours": [["09:00", "12:00"]]}, {"date": "2026-12-25", "hours": []}],
        overrides=[{"from": "2026-07-01T00:00", "until": "2026-07-15T00:00", "open": False}],
        open="reception",
        closed="after-hours",
    )
    goes_on: ClassVar[bool] = False

    type: Literal["schedule"]
    schedule: UUID | None = None
    time_zone: ZoneName | None = Field(default=None, description="IANA name; else the client's.")
    weekly: Weekly | None = None
    holidays: list[WorkingHours] = Field(default_factory=list, max_length=200)
    overrides: list[Override] = Field(default_factory=list, max_length=100)
    open: StepName | None = None
    closed: StepName

    @property
    def hours(self) -> OpenHours | None:
        """The hours of its own; None: those of its schedule."""
        if self.weekly is None:
            return None
        return OpenHours(time_zone=self.time_zone, weekly=self.weekly, holidays=self.holidays, overrides=self.overrides)


class RingStep(_Refusable):
    """Rings targets until one answers; the call ends with the conversation. `otherwise` follows when nobody answers.
    `ring_timeout_s`: else each target's own."""

    model_config = _example(
        type="ring",
        name="reception",
        targets=[_ID],
        strategy="in_turn",
        ring_timeout_s=20,
        progress_timeout_s=4,
        sticky_days=30,
        whisper={"kind": "say", "text": "A call from {source|our website}. Press 1 to take it."},
        accept_digit="1",
        otherwise="after-hours",
    )
    goes_on: ClassVar[bool] = False

    type: Literal["ring"]
    targets: Targets
    strategy: Strategy = "in_turn"
    sticky_days: Annotated[int, Field(strict=True, ge=1, le=365)] | None = None
    ring_timeout_s: RingTimeout | None = None
    progress_timeout_s: ProgressTimeout | None = None
    whisper: Whisper | None = None
    accept_digit: Digit | None = None


class QueueStep(_Refusable):
    """Keeps the caller on the line with music until a target is free. `otherwise` follows when the queue is full or the
    caller has waited `max_wait_s`."""

    model_config = _example(
        type="queue",
        targets=[_ID],
        music={"kind": "file", "name": "waiting-music"},
        max_wait_s=300,
        max_length=10,
        announce_every_s=30,
        announce_position=True,
        otherwise="after-hours",
    )
    goes_on: ClassVar[bool] = False

    type: Literal["queue"]
    targets: Targets
    music: Prompt
    max_wait_s: Annotated[int, Field(strict=True, ge=1, le=7200)] = 300
    max_length: Annotated[int, Field(strict=True, ge=1, le=1000)] = 20
    announce_every_s: Annotated[int, Field(strict=True, ge=10, le=600)] | None = None
    announce_position: StrictBool = False
    ring_timeout_s: RingTimeout | None = None
    whisper: Whisper | None = None
    accept_digit: Digit | None = None


class VoicemailStep(_Following):
    """Plays a prompt and records a message, which is kept as a recording of the call."""

    model_config = _example(
        type="voicemail",
        name="after-hours",
        prompt={"kind": "say", "text": "We are closed. Please leave a message after the tone."},
        max_s=120,
        silence_s=5,
    )

    type: Literal["voicemail"]
    prompt: Prompt
    max_s: Annotated[int, Field(strict=True, ge=5, le=600)] = 120
    silence_s: Annotated[int, Field(strict=True, ge=1, le=30)] = 5


class GeoStep(_Refusable):
    """Goes by where the caller's number is from: the longest dialling prefix that fits, else the country (ISO, two
    letters). `otherwise` follows where neither fits, or the number is withheld."""

    model_config = _example(type="geo", match={"+7495": "moscow-office", "GB": "london-office"}, otherwise="reception")
    goes_on: ClassVar[bool] = False

    type: Literal["geo"]
    match: Annotated[dict[MatchKey, StepName], Field(min_length=1, max_length=200)]


class ConditionStep(_Refusable):
    """Goes to `then` where everything in `when` holds."""

    model_config = _example(
        type="condition",
        when=[{"fact": "repeat", "is": True}, {"fact": "spam", "at_most": 60}],
        then="reception",
        otherwise="main-menu",
    )
    goes_on: ClassVar[bool] = False

    type: Literal["condition"]
    when: Annotated[list[FactTest], Field(min_length=1, max_length=20)]
    then: StepName


class TagStep(_Following):
    """Marks the call with tags, by which it can be found and reported."""

    model_config = _example(type="tag", tags=["sales", "after-hours"])

    type: Literal["tag"]
    tags: Annotated[list[Word], Field(min_length=1, max_length=20)]


class SetStep(_Following):
    """Sets variables of the flow's own, for conditions further on and for the call's record."""

    model_config = _example(type="set", variables={"department": "sales"})

    type: Literal["set"]
    variables: Annotated[dict[VariableName, Word], Field(min_length=1, max_length=20)]


class WebhookStep(_Refusable):
    """Asks a system of yours what to do while the caller hears ringing. It answers one word out of `choices`;
    `otherwise` follows when it is late, fails or answers anything else."""

    model_config = _example(
        type="webhook",
        url="https://crm.example.com/route-call",
        timeout_s=3,
        choices={"vip": "reception", "debtor": "accounts"},
        otherwise="main-menu",
    )
    goes_on: ClassVar[bool] = False

    type: Literal["webhook"]
    url: Url
    timeout_s: Annotated[int, Field(strict=True, ge=1, le=20)] = 5
    choices: Annotated[dict[Word, StepName], Field(min_length=1, max_length=50)]


class GotoStep(_Step):
    """Goes to another flow of the same client; that flow's end is the call's."""

    model_config = _example(type="goto", flow=_ID)
    goes_on: ClassVar[bool] = False

    type: Literal["goto"]
    flow: UUID


class RecordStep(_Following):
    """Turns recording on or off from here on. A caller who refused is never recorded."""

    model_config = _example(type="record", on=False)

    type: Literal["record"]
    on: StrictBool


class HangupStep(_Step):
    """Ends the call."""

    model_config = _example(type="hangup", cause="busy")
    goes_on: ClassVar[bool] = False

    type: Literal["hangup"]
    cause: Cause


Step = Annotated[
    AnnounceStep
    | ConsentStep
    | MenuStep
    | CodeStep
    | ScheduleStep
    | RingStep
    | QueueStep
    | VoicemailStep
    | GeoStep
    | ConditionStep
    | TagStep
    | SetStep
    | WebhookStep
    | GotoStep
    | RecordStep
    | HangupStep,
    Field(discriminator="type"),
]


def links(step: Step) -> Iterator[tuple[str, str]]:
    """Every name that the step mentions, with its place in the step (a JSON pointer)."""
    for field in ("next", "open", "closed", "then", "otherwise"):
        name = getattr(step, field, None)
        if name is not None:
            yield f"/{field}", name
    for field in ("choices", "match"):
        for key, name in getattr(step, field, {}).items():
            yield f"/{field}/{key}", name


def needs_next(step: Step) -> bool:
    """Whether ``next``, or the step after this one, can follow it."""
    left_out = any(getattr(step, field, "") is None for field in ("open", "otherwise"))
    return step.goes_on or left_out


def followers(step: Step, after: str | None) -> Iterator[str]:
    """The names of all steps that may come next; ``after`` is what ``next`` says or the step after it."""
    yield from (name for place, name in links(step) if place != "/next")
    if after is not None and needs_next(step):
        yield after


def step_targets(step: Step) -> list[tuple[str, WeightedTarget]]:
    """The targets of a step and their places in it."""
    found: list[tuple[str, WeightedTarget]] = []
    for place, one in enumerate(step.targets if isinstance(step, RingStep | QueueStep) else []):
        if isinstance(one, WeightedTarget):
            found.append((f"/targets/{place}/target", one))
        else:
            found.append((f"/targets/{place}", WeightedTarget(target=one)))
    return found
