"""Whom a step rings and in which order, and how the switch is told: orders, legs, dial strings. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from uuid import UUID

from .compiled import CompiledPrompt, CompiledRing, CompiledTarget, CompiledTrunk
from .errors import PlanRefused
from .model import Address, Facts, Route, Telephone, parse_place
from .trunk_legs import SILENT_AFTER_S, Action, attempts, destination

#: What the caller hears while targets ring; needed because their early media is ignored (freeswitch.md 4.3).
RINGBACK = "%(1000,4000,425)"
#: The switch gives a whole attempt 60 s unless told otherwise, whatever the leg's own limit (freeswitch.md 4.2).
ATTEMPT_MARGIN_S = 10
#: For hearing a whisper out: the leg's own clock is stopped meanwhile.
WHISPER_S = 40
#: From a target's answer to its key; a voicemail does not press any (freeswitch.md 4.4).
ACCEPT_S = 15
#: Asks for the key where the flow says nothing.
_BEEPS = "tone_stream://%(200,300,800);loops=2"

SIP_PROFILE = "sofia/external/"


def in_order(step: CompiledRing, facts: Facts) -> list[CompiledTarget]:
    """The step's targets in the order in which they are to ring, each once."""
    targets = list({target.id: target for target in step.targets}.values())
    if step.strategy == "round_robin":
        first = (facts.rotation if facts.rotation is not None else facts.seed or 0) % len(targets)
        targets = targets[first:] + targets[:first]
    elif step.strategy == "weighted":
        targets = _weighted(targets, facts.seed)
    elif step.strategy == "longest_idle" and facts.idle_order is not None:
        place = {target: index for index, target in enumerate(facts.idle_order)}
        targets.sort(key=lambda target: place.get(target.id, len(place)))
    if step.sticky_days is not None and facts.sticky_target is not None:
        targets.sort(key=lambda target: target.id != facts.sticky_target)
    return targets


def _weighted(targets: list[CompiledTarget], seed: int | None) -> list[CompiledTarget]:
    """Drawn by weight, one after another, so that those drawn later stand by for those before; without a seed the
    heaviest first."""
    if seed is None:
        return sorted(targets, key=lambda target: -target.weight)
    draw = random.Random(seed)  # noqa: S311 (shares calls out; nobody gains by guessing)
    return sorted(targets, key=lambda target: -(draw.random() ** (1 / target.weight)))


class Dialled:
    """One way to ring targets: whisper, key and waits are alike for all of them."""

    def __init__(
        self,
        route: Route,
        *,
        trunks: Mapping[str, Sequence[CompiledTrunk]],
        progress_timeout_s: int | None = None,
        whisper: str | None = None,
        accept_digit: str | None = None,
    ) -> None:
        self._route = route
        self._trunks = trunks
        self._progress_timeout_s = progress_timeout_s
        self._whisper = whisper
        self._accept_digit = accept_digit

    @property
    def extra_s(self) -> int:
        """What an attempt may take beyond its ring time."""
        if self._accept_digit is not None:
            return ACCEPT_S + ATTEMPT_MARGIN_S
        return ATTEMPT_MARGIN_S if self._whisper is None else WHISPER_S + ATTEMPT_MARGIN_S

    def legs(self, targets: Sequence[CompiledTarget]) -> list[str]:
        """Each target once in a dial string, for all of them to ring together; a number by the first of its trunks.
        Raises PlanRefused."""
        found = []
        for target in targets:
            place = _place(target)
            if not isinstance(place, Telephone):
                found.append(self._leg(target, SIP_PROFILE + place.destination))
            elif self._trunks.get(place.e164):
                found.append(self._trunk_leg(target, place, self._trunks[place.e164][0]))
        return found

    def attempts(self, target: CompiledTarget) -> list[Action]:
        """The actions that ring one target. Raises PlanRefused."""
        place = _place(target)
        if not isinstance(place, Telephone):
            return [("bridge", self._leg(target, SIP_PROFILE + place.destination))]
        trunks = self._trunks.get(place.e164, ())
        return attempts([(trunk, self._trunk_leg(target, place, trunk)) for trunk in trunks])

    def size(self, target: CompiledTarget) -> tuple[int, int]:
        """How many actions and bytes a target takes in a plan."""
        actions = self.attempts(target)
        return len(actions), sum(len(application) + len(data) + 2 for application, data in actions)

    def _trunk_leg(self, target: CompiledTarget, place: Telephone, trunk: CompiledTrunk) -> str:
        own = {
            "dialtrace_trunk": trunk.name,
            "leg_progress_timeout": str(SILENT_AFTER_S),
            # Else the `+` travels as %2B, which is the same to RFC 3261 and not to every carrier (mod_sofia.c,
            # protect_dest_uri).
            "sofia_suppress_url_encoding": "true",
        }
        return self._leg(target, destination(trunk, place.e164), own)

    def _leg(self, target: CompiledTarget, dialled: str, own: Mapping[str, str] | None = None) -> str:
        facts = {
            "leg_timeout": str(target.ring_timeout_s),
            "dialtrace_target": str(target.id),
            "dialtrace_agency": str(self._route.agency_id),
            "dialtrace_client": str(self._route.client_id),
            **(own or {}),
        }
        if self._progress_timeout_s is not None:
            facts["leg_progress_timeout"] = str(self._progress_timeout_s)
        return f"[{_written(facts | self._confirmation())}]{dialled}"

    def _confirmation(self) -> dict[str, str]:
        if self._accept_digit is not None:
            return {
                "group_confirm_key": self._accept_digit,
                "group_confirm_file": self._whisper or _BEEPS,
                "group_confirm_timeout": str(ACCEPT_S),
            }
        if self._whisper is not None:
            return {
                "group_confirm_key": "exec",
                "group_confirm_file": f"playback {self._whisper}",
                "group_confirm_timeout": "0",  # a leg's own word for "no limit" (switch_ivr_originate.c)
            }
        return {}


def _place(target: CompiledTarget) -> Address | Telephone:
    try:
        return parse_place(target.address)
    except ValueError as error:
        raise PlanRefused(f"the target {target.id} {error}") from error


def _written(facts: dict[str, str]) -> str:
    """Commas between, or where a value has commas of its own another sign."""
    sign = "," if not any("," in value for value in facts.values()) else "!"
    if any(sign in value or "]" in value for value in facts.values()):
        raise PlanRefused("a leg's value cannot be written into a dial string")
    return ("" if sign == "," else f"^^{sign}") + sign.join(f"{name}={value}" for name, value in facts.items())


def sound(prompt: CompiledPrompt, spool: str) -> str:
    """A prompt as the switch plays it."""
    if prompt.kind == "tone":
        return f"tone_stream://%({prompt.duration_ms},0,{prompt.frequency_hz})"
    return f"{spool}/prompts/{prompt.name}.wav"


def ringing_sound(prompt: CompiledPrompt, spool: str) -> str:
    """A prompt as ``ringback``, which repeats it."""
    if prompt.kind == "tone":
        return f"%({prompt.duration_ms},0,{prompt.frequency_hz})"
    return f"{spool}/prompts/{prompt.name}.wav"


def ids(targets: Sequence[CompiledTarget]) -> list[UUID]:
    """Their ids, each once, in order."""
    return list(dict.fromkeys(target.id for target in targets))
