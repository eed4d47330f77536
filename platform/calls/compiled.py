"""The compiled form of a flow, the content of ``published_flows.compiled``: all that plans are made of.

Steps are found by name and say by name what follows them; None is the end of the flow. Nothing is left to default:
targets are resolved, texts that are said are files already (``prompts`` lists the texts that they are to hold), hours
are minutes, the time zone is filled in, and flows that are gone to are merged in, their names prefixed ``f<n>.``.
A ring or a queue that reaches a target ends the flow, so only what follows in vain (``otherwise``) is named.

Pure: knows no document, no database and no switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import Field, NaiveDatetime, StrictBool, StrictInt, StrictStr, ValidationError

from .compiled_first import as_of_today
from .errors import RouteUnreadable
from .flow_values import (
    FILE_NAME,
    Cause,
    Day,
    Digit,
    Digits,
    Language,
    ProgressTimeout,
    RingTimeout,
    Strategy,
    Strict,
    TonePrompt,
    VariableName,
    Word,
)
from .model import parse_place

#: A step's name: those of flows that are gone to are prefixed.
Name = Annotated[str, Field(strict=True, pattern=r"^(f[0-9]{1,2}\.)?[a-z][a-z0-9-]{0,31}$")]
#: What follows; None: the end of the flow.
Following = Name | None
#: What must be read of a call besides its route.
Need = Literal["repeat", "sticky", "idle", "rotation", "spam", "visit"]

Minute = Annotated[int, Field(strict=True, ge=0, le=1440)]
#: Local time in minutes since midnight: from the first until just before the second.
Span = tuple[Minute, Minute]


class SoundFile(Strict):
    """A file on the nodes, ``<spool>/prompts/<name>.wav``: the operator's, or a text that is said."""

    kind: Literal["file"]
    name: Annotated[str, Field(strict=True, pattern=FILE_NAME)]


CompiledPrompt = Annotated[TonePrompt | SoundFile, Field(discriminator="kind")]


class ToldText(Strict):
    """A whisper's text that says something else to each source; ``name`` is the file of what it says where nobody
    knows. ``voice`` may be empty."""

    kind: Literal["told"]
    text: str
    language: Language
    voice: str
    name: Annotated[str, Field(strict=True, pattern=FILE_NAME)]


CompiledWhisper = Annotated[TonePrompt | SoundFile | ToldText, Field(discriminator="kind")]


class CompiledTarget(Strict):
    """A target as a plan needs it; ``weight`` counts only where the strategy is ``weighted``."""

    id: UUID
    address: str
    ring_timeout_s: RingTimeout
    weight: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1


class CompiledTrunk(Strict):
    """One way to a telephone number, as the database names it whenever the route is read (dialtrace_trunks_for)."""

    name: Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    host: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)] | None
    authentication: Literal["address", "digest"]
    dial_prefix: Annotated[str, Field(strict=True, pattern=r"^[0-9*]{0,16}$")]
    number_form: Literal["e164", "digits"]
    max_calls: Annotated[int, Field(strict=True, ge=0)] | None
    max_calls_per_s: Annotated[int, Field(strict=True, ge=1)] | None = None


class SaidPrompt(Strict):
    """A text whose sound the steps name as a file, to be rendered before calls need it. ``voice`` may be empty."""

    name: str
    language: Language
    voice: str
    text: str


class CompiledAnnounce(Strict):
    """Answers and plays."""

    type: Literal["announce"]
    prompt: CompiledPrompt
    next: Following


class CompiledConsent(Strict):
    """Asks whether the caller refuses to be recorded; ``otherwise`` follows a refusal."""

    type: Literal["consent"]
    prompt: CompiledPrompt
    refuse_digit: Digit
    timeout_s: int
    next: Following
    otherwise: Following


class CompiledMenu(Strict):
    """Waits for keys: ``retries`` more times after the first, then ``otherwise``."""

    type: Literal["menu"]
    prompt: CompiledPrompt
    choices: dict[Digits, Following]
    timeout_s: int
    retries: int
    invalid_prompt: CompiledPrompt | None
    otherwise: Following


class CompiledCode(Strict):
    """Waits for ``length`` digits and keeps them in ``variable``: ``retries`` more times, then ``otherwise``."""

    type: Literal["code"]
    prompt: CompiledPrompt
    length: int
    variable: VariableName
    timeout_s: int
    retries: int
    invalid_prompt: CompiledPrompt | None
    next: Following
    otherwise: Following


class CompiledOverride(Strict):
    """Open or closed from one local moment until just before another, whatever the week and the holidays say."""

    begins: NaiveDatetime
    ends: NaiveDatetime
    open: bool


class CompiledSchedule(Strict):
    """The first override that holds decides, else the date's holiday, else the week; a day without hours is closed."""

    type: Literal["schedule"]
    time_zone: str
    weekly: dict[Day, list[Span]]
    holidays: dict[date, list[Span]]
    overrides: list[CompiledOverride]
    open: Following
    closed: Following


class CompiledRing(Strict):
    """Rings targets. Each target's ``ring_timeout_s`` is the step's where the step says one."""

    type: Literal["ring"]
    targets: Annotated[list[CompiledTarget], Field(min_length=1)]
    strategy: Strategy
    sticky_days: int | None
    progress_timeout_s: ProgressTimeout | None
    whisper: CompiledWhisper | None
    accept_digit: Digit | None
    otherwise: Following


class CompiledQueue(Strict):
    """Holds the caller until a target is free. One of ``announcements`` is played every ``announce_every_s``
    seconds: ``announcements[n]`` to the caller in place n (1 is the next), the first, which tells no place, where there
    is none for it. ``announce_every_s`` None: there are none."""

    type: Literal["queue"]
    targets: Annotated[list[CompiledTarget], Field(min_length=1)]
    music: CompiledPrompt
    max_wait_s: int
    max_length: int
    announce_every_s: int | None
    announce_position: bool
    announcements: list[CompiledPrompt]
    whisper: CompiledWhisper | None
    accept_digit: Digit | None
    otherwise: Following


class CompiledVoicemail(Strict):
    """Records a message: at most ``max_s``, ended by ``silence_s`` of silence."""

    type: Literal["voicemail"]
    prompt: CompiledPrompt
    max_s: int
    silence_s: int
    next: Following


class CompiledGeo(Strict):
    """The longest of ``prefixes`` (with their ``+``) that begins the caller's number, else its country, else
    ``otherwise``."""

    type: Literal["geo"]
    prefixes: dict[str, Following]
    countries: dict[str, Following]
    otherwise: Following


class CompiledTest(Strict):
    """One fact held against a value: a list for ``in``. ``fact`` may be ``variable:<name>``."""

    fact: str
    test: Literal["is", "in", "at_least", "at_most"]
    value: StrictBool | StrictInt | StrictStr | list[StrictInt | StrictStr]


class CompiledCondition(Strict):
    """``then`` if every test holds; a fact that is not known holds in none."""

    type: Literal["condition"]
    when: Annotated[list[CompiledTest], Field(min_length=1)]
    then: Following
    otherwise: Following


class CompiledTag(Strict):
    """Marks the call."""

    type: Literal["tag"]
    tags: Annotated[list[Word], Field(min_length=1)]
    next: Following


class CompiledSet(Strict):
    """Sets the flow's own variables."""

    type: Literal["set"]
    variables: dict[VariableName, Word]
    next: Following


class CompiledWebhook(Strict):
    """Asks a system of the client's; ``otherwise`` when it fails, is late, or answers what nobody expects."""

    type: Literal["webhook"]
    url: str
    timeout_s: int
    choices: dict[Word, Following]
    otherwise: Following


class CompiledGoto(Strict):
    """Where another flow begins; kept as a step so that a call's trail tells of it."""

    type: Literal["goto"]
    flow: UUID
    next: Following


class CompiledRecord(Strict):
    """Turns recording on or off from here on."""

    type: Literal["record"]
    on: bool
    next: Following


class CompiledHangup(Strict):
    """Ends the call."""

    type: Literal["hangup"]
    cause: Cause


CompiledStep = Annotated[
    CompiledAnnounce
    | CompiledConsent
    | CompiledMenu
    | CompiledCode
    | CompiledSchedule
    | CompiledRing
    | CompiledQueue
    | CompiledVoicemail
    | CompiledGeo
    | CompiledCondition
    | CompiledTag
    | CompiledSet
    | CompiledWebhook
    | CompiledGoto
    | CompiledRecord
    | CompiledHangup,
    Field(discriminator="type"),
]


#: How long a caller may go about in a flow that says nothing of it, in seconds.
LONGEST_IN_FLOW_S = 3_600


class CompiledFlow(Strict):
    """What workers and fallback plans are made from. ``record`` holds from the start of the call; ``apology`` is played
    to a caller who is answered already when all targets, ``backup`` among them, were rung in vain."""

    version: Literal[2]
    record: bool
    language: Language
    time_zone: str
    entry: Name
    steps: Annotated[dict[Name, CompiledStep], Field(min_length=1)]
    backup: CompiledTarget | None
    apology: CompiledPrompt | None
    needs: list[Need]
    prompts: list[SaidPrompt]
    longest_s: Annotated[int, Field(strict=True, ge=1)] = LONGEST_IN_FLOW_S
    #: The trunks of each telephone number among the targets, in the order in which they are tried. Never published.
    trunks: dict[str, list[CompiledTrunk]] = Field(default_factory=dict, exclude=True)
    #: What a static number stands for, where a whisper tells it. Never published either.
    source: str | None = Field(default=None, exclude=True)
    campaign: str | None = Field(default=None, exclude=True)


def _has(*names: str) -> dict[type, tuple[str, ...]]:
    """Which of these fields each kind of step has: asking a model for a field that it lacks takes long."""
    kinds: tuple[type[Strict], ...] = get_args(get_args(CompiledStep)[0])
    return {kind: tuple(name for name in names if name in kind.model_fields) for kind in kinds}


_ONE_AFTER = _has("next", "open", "closed", "then", "otherwise")
_SOME_AFTER = _has("choices", "prefixes", "countries")


def following(step: CompiledStep) -> Iterator[str]:
    """The names of all steps that may come after this one."""
    for field in _ONE_AFTER[type(step)]:
        if (name := getattr(step, field)) is not None:
            yield name
    for field in _SOME_AFTER[type(step)]:
        yield from (name for name in getattr(step, field).values() if name is not None)


def read_compiled(compiled: Mapping[str, Any]) -> CompiledFlow:
    """The compiled flow of a route, whichever release wrote it. Raises RouteUnreadable."""
    try:
        flow = CompiledFlow.model_validate(as_of_today(compiled) if compiled.get("version") == 1 else compiled)
        _check(flow)
    except ValueError as error:
        where = type(error).__name__ if isinstance(error, ValidationError) else str(error)
        raise RouteUnreadable(f"{RouteUnreadable.__doc__} ({where})") from error
    return flow


def _check(flow: CompiledFlow) -> None:
    """Raises ValueError."""
    for name in [flow.entry, *(one for step in flow.steps.values() for one in following(step))]:
        if name not in flow.steps:
            raise ValueError(f"there is no step {name}")
    for step in flow.steps.values():
        if isinstance(step, CompiledRing | CompiledQueue):
            for target in step.targets:
                parse_place(target.address)
    if flow.backup is not None:
        parse_place(flow.backup.address)
