"""Makes of a flow document the form that plans are made of: what it names is put in its place.

Flows that it goes to are merged in, each once, under prefixed names; a way back to the flow itself leads to its own
steps. Faults are told by their place in the document that is compiled. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from ..prompts.model import apology
from .compile_steps import Place, compiled_step, rung_target
from .compiled import (
    LONGEST_IN_FLOW_S,
    CompiledFlow,
    CompiledGoto,
    CompiledQueue,
    CompiledRing,
    CompiledStep,
    Need,
    SaidPrompt,
    SoundFile,
    ToldText,
    following,
)
from .errors import Fault, FlowFaulty
from .flow_checks import Node, Outline, graph_faults, outline_of, schedule_places, target_places
from .flow_hours import OpenHours
from .flow_steps import GotoStep, Step, links
from .flow_values import Language
from .flows import AnyDocument, FlowDocument, language_of, parse_flow, steps_of
from .model import Target

#: Flows that one may go to, directly or by way of others.
MOST_MERGED = 20
MOST_COMPILED_STEPS = 200


def compile_flow(
    document: object,
    targets: Iterable[Target],
    *,
    time_zone: str = "UTC",
    backup: Target | None = None,
    flows: Mapping[UUID, object] | None = None,
    schedules: Mapping[UUID, OpenHours] | None = None,
    flow_id: UUID | None = None,
) -> dict[str, Any]:
    """The published form of a document. ``targets``, ``flows`` (documents by id) and ``schedules`` are those of its
    client, as far as they are needed; ``flow_id`` is its own. Raises FlowFaulty."""
    compiler = _Compiler(targets, time_zone=time_zone, flows=flows or {}, schedules=schedules or {})
    flow = parse_flow(document)
    entry = compiler.merge(flow_id, flow)
    faults = compiler.faults or _whole_faults(compiler, entry)
    if faults:
        raise FlowFaulty(faults)
    compiled = CompiledFlow(
        version=2,
        record=flow.record,
        language=language_of(flow),
        time_zone=time_zone,
        entry=entry,
        steps=compiler.steps,
        backup=None if backup is None else rung_target(backup),
        apology=_apology(flow, compiler.steps.values()),
        needs=needs_of(compiler.steps.values()),
        prompts=list(compiler.said.values()),
        longest_s=flow.longest_s if isinstance(flow, FlowDocument) else LONGEST_IN_FLOW_S,
    )
    return compiled.model_dump(mode="json")


def _apology(flow: AnyDocument, steps: Iterable[CompiledStep]) -> SoundFile | None:
    """Flows of version 1 end as they always have: with the refusal that the last target gave."""
    if isinstance(flow, FlowDocument) and any(step.type in ("ring", "queue") for step in steps):
        return SoundFile(kind="file", name=apology(flow.language).name)
    return None


def needs_of(steps: Iterable[CompiledStep]) -> list[Need]:
    """What must be read of a call for these steps, in alphabetical order."""
    found: set[Need] = set()
    for step in steps:
        if step.type == "ring":
            found |= {"sticky"} if step.sticky_days is not None else set()
            found |= {"rotation"} if step.strategy == "round_robin" else set()
            found |= {"idle"} if step.strategy == "longest_idle" else set()
        if isinstance(step, CompiledRing | CompiledQueue) and isinstance(step.whisper, ToldText):
            found |= {"visit"}
        if step.type == "condition":
            found |= {_OF_FACTS[test.fact] for test in step.when if test.fact in _OF_FACTS}
    return sorted(found)


_OF_FACTS: dict[str, Need] = {"repeat": "repeat", "spam": "spam", "source": "visit", "campaign": "visit"}


class _Compiler:
    """Collects the steps of a flow and of those it goes to."""

    def __init__(
        self,
        targets: Iterable[Target],
        *,
        time_zone: str,
        flows: Mapping[UUID, object],
        schedules: Mapping[UUID, OpenHours],
    ) -> None:
        self._targets = {target.id: target for target in targets}
        self._time_zone = time_zone
        self._flows = flows
        self._schedules = schedules
        self._entries: dict[UUID | None, str] = {}
        self.steps: dict[str, CompiledStep] = {}
        self.said: dict[str, SaidPrompt] = {}
        self.faults: list[Fault] = []
        #: Where the document itself says that one step follows another.
        self.places: dict[tuple[str, str], str] = {}

    def merge(self, flow_id: UUID | None, flow: AnyDocument, *, by: str | None = None) -> str:
        """Adds a flow's steps; the name of its first. ``by``: the place of the step that goes to it, if one does."""
        prefix = "" if by is None else f"f{len(self._entries)}."
        outline = outline_of(steps_of(flow))
        self._entries[flow_id] = prefix + outline.names[0]
        for where, target_id in target_places(outline.steps):
            if target_id not in self._targets:
                fault = Fault(by or where, "unknown_target", f"there is no target {target_id} of this client")
                self.faults.append(fault)
        for where, schedule_id in schedule_places(outline.steps):
            if schedule_id not in self._schedules:
                words = f"there is no schedule {schedule_id} of this client"
                self.faults.append(Fault(by or where, "unknown_schedule", words))
        if not self.faults:
            for index, step in enumerate(outline.steps):
                self._add(outline, index, prefix=prefix, language=language_of(flow), by=by, step=step)
        return self._entries[flow_id]

    def _add(
        self, outline: Outline, index: int, *, prefix: str, language: Language, by: str | None, step: Step
    ) -> None:
        name, where = prefix + outline.names[index], by or f"/steps/{index}"
        for pointer, linked in links(step):
            self.places[name, prefix + linked] = by or where + pointer
        if isinstance(step, GotoStep):
            entry = self._enter(step.flow, by or f"{where}/flow")
            if entry is None:
                return
            self.places[name, entry] = by or f"{where}/flow"
            self.steps[name] = CompiledGoto(type="goto", flow=step.flow, next=entry)
            return
        place = Place(
            prefix=prefix,
            after=outline.after[index],
            time_zone=self._time_zone,
            language=language,
            targets=self._targets,
            schedules=self._schedules,
            said=self.said,
        )
        self.steps[name] = compiled_step(step, place)

    def _enter(self, flow_id: UUID, where: str) -> str | None:
        """The name of a flow's first step; it is merged in at its first mention (``where``). None: it cannot be had,
        which is a fault."""
        if flow_id in self._entries:
            return self._entries[flow_id]
        if len(self._entries) > MOST_MERGED:
            self._fail(where, "too_many_flows", f"goes to more flows than the {MOST_MERGED} that one may go to")
        elif flow_id not in self._flows:
            self._fail(where, "unknown_flow", f"there is no flow {flow_id} of this client")
        else:
            try:
                return self.merge(flow_id, parse_flow(self._flows[flow_id]), by=where)
            except FlowFaulty as error:
                self._fail(where, "unusable_flow", f"flow {flow_id}, to which it goes, is not usable: {error}")
        return None

    def _fail(self, where: str, code: str, words: str) -> None:
        self.faults.append(Fault(where, code, words))


def _whole_faults(compiler: _Compiler, entry: str) -> list[Fault]:
    if len(compiler.steps) > MOST_COMPILED_STEPS:
        words = f"has {len(compiler.steps)} steps with those of the flows it goes to; {MOST_COMPILED_STEPS} may be"
        return [Fault("/steps", "too_many", words)]
    graph = {
        name: Node(step.type, list(following(step)), len(step.targets) if step.type == "ring" else 0)
        for name, step in compiler.steps.items()
    }
    return graph_faults(graph, entry, compiler.places)
