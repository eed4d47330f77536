"""Each kind of step of a flow document in its compiled form. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ..prompts.model import MOST_POSITIONS, Say, position, waiting
from .compiled import (
    CompiledAnnounce,
    CompiledCode,
    CompiledCondition,
    CompiledConsent,
    CompiledGeo,
    CompiledHangup,
    CompiledMenu,
    CompiledOverride,
    CompiledPrompt,
    CompiledQueue,
    CompiledRecord,
    CompiledRing,
    CompiledSchedule,
    CompiledSet,
    CompiledStep,
    CompiledTag,
    CompiledTarget,
    CompiledTest,
    CompiledVoicemail,
    CompiledWebhook,
    CompiledWhisper,
    Following,
    SaidPrompt,
    SoundFile,
    ToldText,
)
from .flow_hours import OpenHours, minutes_of
from .flow_prompts import Prompt, WhisperedPrompt
from .flow_steps import (
    AnnounceStep,
    CodeStep,
    ConditionStep,
    ConsentStep,
    GeoStep,
    GotoStep,
    HangupStep,
    MenuStep,
    QueueStep,
    RecordStep,
    RingStep,
    ScheduleStep,
    SetStep,
    Step,
    TagStep,
    VoicemailStep,
    WebhookStep,
    step_targets,
)
from .flow_values import FilePrompt, Language, TonePrompt
from .model import Target
from .whispers import has_places, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a step stands: what follows it (``after``), and what its document is compiled with. Texts that it says are
    added to ``said`` by the names of their files."""

    prefix: str
    after: str | None
    time_zone: str
    language: Language
    targets: Mapping[UUID, Target]
    schedules: Mapping[UUID, OpenHours]
    said: dict[str, SaidPrompt]

    def following(self, name: str | None) -> Following:
        """The step of this name, or what follows anyway."""
        wanted = name or self.after
        return None if wanted is None else self.prefix + wanted

    def each(self, names: Mapping[str, str]) -> dict[str, Following]:
        return {key: self.following(name) for key, name in names.items()}

    def prompt(self, prompt: Prompt) -> CompiledPrompt:
        if isinstance(prompt, TonePrompt):
            return prompt
        if isinstance(prompt, FilePrompt):
            return SoundFile(kind="file", name=prompt.name)
        return self._said(prompt.text, prompt.language or self.language, prompt.voice or "")

    def prompt_if(self, prompt: Prompt | None) -> CompiledPrompt | None:
        return None if prompt is None else self.prompt(prompt)

    def whisper(self, prompt: TonePrompt | FilePrompt | WhisperedPrompt | None) -> CompiledWhisper | None:
        """A text that tells where callers come from stays a text, beside the sound of what it says where nobody
        knows."""
        if prompt is None or isinstance(prompt, TonePrompt):
            return prompt
        if isinstance(prompt, FilePrompt):
            return SoundFile(kind="file", name=prompt.name)
        language, voice = prompt.language or self.language, prompt.voice or ""
        name = self._said(told(prompt.text, language), language, voice).name
        if not has_places(prompt.text):
            return SoundFile(kind="file", name=name)
        return ToldText(kind="told", text=prompt.text, language=language, voice=voice, name=name)

    def _said(self, text: str, language: Language, voice: str) -> SoundFile:
        name = Say(text, language, voice).name
        self.said[name] = SaidPrompt(name=name, language=language, voice=voice, text=text)
        return SoundFile(kind="file", name=name)

    def rung(self, step: RingStep | QueueStep) -> list[CompiledTarget]:
        return [
            rung_target(self.targets[one.target], ring_timeout_s=step.ring_timeout_s, weight=one.weight)
            for _, one in step_targets(step)
        ]


def rung_target(target: Target, *, ring_timeout_s: int | None = None, weight: int = 1) -> CompiledTarget:
    """A target as a plan needs it; ``ring_timeout_s`` None: its own."""
    return CompiledTarget(
        id=target.id, address=target.address, ring_timeout_s=ring_timeout_s or target.ring_timeout_s, weight=weight
    )


def compiled_step(step: Step, place: Place) -> CompiledStep:
    """The step with everything it names put in its place; not for ``goto``, which takes other flows."""
    assert not isinstance(step, GotoStep), "a goto is resolved by whoever knows the other flows"
    compiled: CompiledStep = _KINDS[type(step)](step, place)
    return compiled


def _announce(step: AnnounceStep, place: Place) -> CompiledAnnounce:
    return CompiledAnnounce(type="announce", prompt=place.prompt(step.prompt), next=place.following(step.next))


def _consent(step: ConsentStep, place: Place) -> CompiledConsent:
    return CompiledConsent(
        type="consent",
        prompt=place.prompt(step.prompt),
        refuse_digit=step.refuse_digit,
        timeout_s=step.timeout_s,
        next=place.following(step.next),
        otherwise=place.following(step.otherwise),
    )


def _menu(step: MenuStep, place: Place) -> CompiledMenu:
    return CompiledMenu(
        type="menu",
        prompt=place.prompt(step.prompt),
        choices=place.each(step.choices),
        timeout_s=step.timeout_s,
        retries=step.retries,
        invalid_prompt=place.prompt_if(step.invalid_prompt),
        otherwise=place.following(step.otherwise),
    )


def _code(step: CodeStep, place: Place) -> CompiledCode:
    return CompiledCode(
        type="code",
        prompt=place.prompt(step.prompt),
        length=step.length,
        variable=step.variable,
        timeout_s=step.timeout_s,
        retries=step.retries,
        invalid_prompt=place.prompt_if(step.invalid_prompt),
        next=place.following(step.next),
        otherwise=place.following(step.otherwise or step.next),
    )


def _schedule(step: ScheduleStep, place: Place) -> CompiledSchedule:
    own = step.hours
    if own is None:
        assert step.schedule is not None, "flow_checks asks for one of the two"
        own = place.schedules[step.schedule]
    return CompiledSchedule(
        type="schedule",
        time_zone=own.time_zone or place.time_zone,
        weekly={day: minutes_of(hours) for day, hours in own.weekly.items()},
        holidays={date.fromisoformat(one.date): minutes_of(one.hours) for one in own.holidays},
        overrides=[
            CompiledOverride(
                begins=datetime.fromisoformat(one.from_), ends=datetime.fromisoformat(one.until), open=one.open
            )
            for one in own.overrides
        ],
        open=place.following(step.open),
        closed=place.following(step.closed),
    )


def _ring(step: RingStep, place: Place) -> CompiledRing:
    return CompiledRing(
        type="ring",
        targets=place.rung(step),
        strategy=step.strategy,
        sticky_days=step.sticky_days,
        progress_timeout_s=step.progress_timeout_s,
        whisper=place.whisper(step.whisper),
        accept_digit=step.accept_digit,
        otherwise=place.following(step.otherwise),
    )


def _queue(step: QueueStep, place: Place) -> CompiledQueue:
    says = [] if step.announce_every_s is None else [waiting(place.language)]
    if says and step.announce_position:
        says += [position(number, place.language) for number in range(1, MOST_POSITIONS + 1)]
    return CompiledQueue(
        type="queue",
        targets=place.rung(step),
        music=place.prompt(step.music),
        max_wait_s=step.max_wait_s,
        max_length=step.max_length,
        announce_every_s=step.announce_every_s,
        announce_position=step.announce_position,
        announcements=[SoundFile(kind="file", name=say.name) for say in says],
        whisper=place.whisper(step.whisper),
        accept_digit=step.accept_digit,
        otherwise=place.following(step.otherwise),
    )


def _voicemail(step: VoicemailStep, place: Place) -> CompiledVoicemail:
    return CompiledVoicemail(
        type="voicemail",
        prompt=place.prompt(step.prompt),
        max_s=step.max_s,
        silence_s=step.silence_s,
        next=place.following(step.next),
    )


def _geo(step: GeoStep, place: Place) -> CompiledGeo:
    found = place.each(step.match)
    return CompiledGeo(
        type="geo",
        prefixes={key: name for key, name in found.items() if key.startswith("+")},
        countries={key: name for key, name in found.items() if not key.startswith("+")},
        otherwise=place.following(step.otherwise),
    )


def _condition(step: ConditionStep, place: Place) -> CompiledCondition:
    return CompiledCondition(
        type="condition",
        when=[CompiledTest(fact=one.fact, test=test, value=value) for one in step.when for test, value in one.tests()],
        then=place.following(step.then),
        otherwise=place.following(step.otherwise),
    )


def _tag(step: TagStep, place: Place) -> CompiledTag:
    return CompiledTag(type="tag", tags=step.tags, next=place.following(step.next))


def _set(step: SetStep, place: Place) -> CompiledSet:
    return CompiledSet(type="set", variables=step.variables, next=place.following(step.next))


def _webhook(step: WebhookStep, place: Place) -> CompiledWebhook:
    return CompiledWebhook(
        type="webhook",
        url=step.url,
        timeout_s=step.timeout_s,
        choices=place.each(step.choices),
        otherwise=place.following(step.otherwise),
    )


def _record(step: RecordStep, place: Place) -> CompiledRecord:
    return CompiledRecord(type="record", on=step.on, next=place.following(step.next))


def _hangup(step: HangupStep, _: Place) -> CompiledHangup:
    return CompiledHangup(type="hangup", cause=step.cause)


_KINDS: dict[type, Callable[[Any, Place], CompiledStep]] = {
    AnnounceStep: _announce,
    ConsentStep: _consent,
    MenuStep: _menu,
    CodeStep: _code,
    ScheduleStep: _schedule,
    RingStep: _ring,
    QueueStep: _queue,
    VoicemailStep: _voicemail,
    GeoStep: _geo,
    ConditionStep: _condition,
    TagStep: _tag,
    SetStep: _set,
    WebhookStep: _webhook,
    RecordStep: _record,
    HangupStep: _hangup,
}
