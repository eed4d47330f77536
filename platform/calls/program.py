"""A plan in the making: actions, what holds at this point of it, and how the call leaves it.

What the steps do stands in plan_steps.py. Recordings are segments: each start has a file of its own,
``<call>-<n>.wav``, for a second start on the same path would overwrite the first (call-setup.md). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .compiled import CompiledConsent, CompiledFlow, CompiledPrompt, CompiledTarget, CompiledWhisper, ToldText
from .model import Facts, Fuse, Route
from .plan_text import MOST_ACTIONS, MOST_BYTES, Plan
from .ringing import RINGBACK, Dialled, ids, ringing_sound, sound
from .whispers import told_name

#: What a fallback plan, made ahead, holds in place of the call's UUID, its day and the present second. Of a call that
#: is in the middle of its flow it does not know the segments either: ``@SEG1@`` is the number of the first one that the
#: plan begins, ``@RECORDINGS1@`` the list of all up to it; ``@TAGS@`` and ``@VARIABLES@`` are what was there before.
#: The switch's script replaces them.
CALL_MARK, DAY_MARK, NOW_MARK = "@CALL@", "@DAY@", "@NOW@"
#: In place of the digits that a caller was asked for.
DIGITS_MARK = "@DIGITS@"
#: In place of a whisper's name, with that of the sentence for callers of whom nothing is known: the script puts the
#: call's own one there (``dialtrace_said``), if the node has its sound.
SAID_MARK = "@SAID:{}@"
#: Its own extension turns the last attempt's outcome into 486, 603 or 480 (freeswitch/dialplan/inbound.xml).
FINISH = "finish XML flow"
RESUME = "resume XML flow"
#: As a result: the step is to begin. No key, word or answer can look like it.
BEGIN = "@begin"
#: More than a flow has a reason for; each has its name in the list of all.
MOST_SEGMENTS = 40
#: Whispers of one flow that are told to the plans that follow.
_MOST_SAID = 12
#: Of a message: what counts as silence, in the switch's own measure of loudness.
_SILENCE_BELOW = 200
#: Kept free for what every plan opens with and for leaving it.
_KEPT_ACTIONS, _KEPT_BYTES = 8, 2_900
_BYTES_OF_AN_ID = 38


class Program:
    """Collects what one plan does to one call, which ``enters`` its flow or comes back to it. ``answered`` None: it
    came back from a wait that does not say."""

    def __init__(
        self,
        route: Route,
        flow: CompiledFlow,
        *,
        facts: Facts,
        call_id: str,
        day: str,
        spool: str,
        decided: str,
        enters: bool,
    ) -> None:
        self.route = route
        self.flow = flow
        self.facts = facts
        self.variables = dict(facts.variables)
        self.consent = facts.consent
        self.recording = False if enters else facts.recording
        self.rung = facts.rung
        self.answered: bool | None = False
        self._enters = enters
        self._decided = decided
        self._tags = list(facts.tags)
        self._spool = spool
        self._segment = f"{spool}/recordings/{day}/{call_id}"
        self._call_id = call_id
        self._begun = 0
        self._armed = False
        self._ringback = RINGBACK
        self._actions: list[tuple[str, str]] = []
        self._bytes = 0
        self._targets: list[CompiledTarget] = []
        self._longest_s = 0
        self._opening: dict[str, str | None] = {}
        self._opening_variables: dict[str, str] = {}
        self._trail: list[str] = []
        self._said: dict[str, str] = {}

    def known(self) -> Facts:
        """What is known of the call at this point."""
        return replace(self.facts, variables=self.variables)

    def has_room(self, actions: int, size_bytes: int) -> bool:
        """Whether so much may be added and the plan still be left properly."""
        taken = self._bytes + size_bytes + _BYTES_OF_AN_ID * (len(self._targets) + actions)
        return len(self._actions) + actions <= MOST_ACTIONS - _KEPT_ACTIONS and taken <= MOST_BYTES - _KEPT_BYTES

    # --- what the steps are made of ---

    def pass_step(self, name: str, result: str | None = None) -> None:
        """The trail goes through this step; ``result`` is what it brought."""
        moment = NOW_MARK if self._decided == "fallback" else str(int(self.facts.now.timestamp()))
        self._trail.append(f"{name}@{moment}" if result is None else f"{name}={result}@{moment}")

    def act(self, application: str, data: str = "") -> None:
        """One action, after the trail has said which steps led to it."""
        self._write_trail()
        self._add(application, data)

    def set_variables(self, values: Iterable[tuple[str, str]]) -> None:
        """With the plan's opening, or where it has begun in an action of their own."""
        pairs = list(values)
        if not self._actions:
            self._opening_variables |= dict(pairs)
        else:
            self._add("multiset", "^^;" + ";".join(f"{name}={value}" for name, value in pairs))

    def tell(self, **facts: str | None) -> None:
        """``dialtrace_…`` variables, which the record plane reads."""
        known = {name: value for name, value in facts.items() if value is not None}
        if not self._actions:
            self._opening |= known
        else:
            self.set_variables((f"dialtrace_{name}", value) for name, value in known.items())

    def tag(self, tags: Iterable[str]) -> None:
        """Marks the call."""
        fresh = [one for one in dict.fromkeys(tags) if one not in self._tags]
        self._tags += fresh
        self._tell_more("tags", self._tags, fresh)

    def set_own(self, variables: Mapping[str, str]) -> None:
        """Sets the flow's own variables: each for the record, all of them together for the plans that follow."""
        self.variables |= variables
        self.tell(**{f"v_{name}": value for name, value in variables.items()})
        together = [f"{name}@{value}" for name, value in self.variables.items()]
        self._tell_more("variables", together, [f"{name}@{value}" for name, value in variables.items()])

    def _tell_more(self, name: str, everything: Sequence[str], fresh: Sequence[str]) -> None:
        """A plan that was made ahead does not know what others have said before it."""
        if self._enters or self._decided != "fallback":
            self.tell(**{name: ",".join(everything)})
        elif fresh:
            self.tell(**{name: f"@{name.upper()}@{','.join(fresh)}"})

    def hold_against(self, fuses: Iterable[Fuse]) -> None:
        """The switch's own counters end the call, with the mark that tells the record why, or let it go on without."""
        counted = list(fuses)
        for fuse in counted:
            self.set_variables([("dialtrace_refused", fuse.reason), ("dialtrace_over", fuse.reason)])
            self.act("limit", fuse.counter)
        if counted:
            self.set_variables([("dialtrace_refused", ""), ("dialtrace_over", "")])

    def answer(self) -> None:
        """Harmless to a call that is answered."""
        if self.answered:
            return
        self._write_trail()
        path = self._next_segment() if self._armed else None
        self.act("answer")
        self.answered, self._armed = True, False
        if path is not None:
            # Before the first sound, so that a notice is itself on the recording.
            self.act("record_session", path)

    def play(self, prompt: CompiledPrompt) -> None:
        """The caller hears it, answered."""
        self.answer()
        self.act("playback", self.sound(prompt))

    def sound(self, prompt: CompiledPrompt) -> str:
        """As the switch plays it."""
        return sound(prompt, self._spool)

    def ringing_sound(self, prompt: CompiledPrompt) -> str:
        """As the switch plays it in place of ringing."""
        return ringing_sound(prompt, self._spool)

    def whisper(self, prompt: CompiledWhisper) -> str:
        """As the switch plays it to a target; a text that tells where the caller comes from, for this caller."""
        if not isinstance(prompt, ToldText):
            return self.sound(prompt)
        return f"{self._spool}/prompts/{self._whispered(prompt)}.wav"

    def _whispered(self, text: ToldText) -> str:
        source, campaign = self.facts.source or self.flow.source, self.facts.campaign or self.flow.campaign
        own = told_name(text.text, text.language, text.voice, source=source, campaign=campaign)
        if own != text.name and len(self._said) < _MOST_SAID:
            self._said[text.name] = own
        return SAID_MARK.format(text.name) if self._decided == "fallback" else own

    def ring(
        self, targets: Sequence[CompiledTarget], dialled: Dialled, *, together: bool = False, tone: str = RINGBACK
    ) -> None:
        """Rings until one answers, which ends the flow. ``tone`` is what the caller hears meanwhile."""
        self.arm()
        if tone != self._ringback:
            self._ringback = tone
            self.set_variables([("ringback", tone), ("transfer_ringback", tone)])
        for application, data in _ring_actions(targets, dialled, together=together):
            self.act(application, data)
        self._targets += targets
        self._longest_s = max(self._longest_s, *(one.ring_timeout_s + dialled.extra_s for one in targets))
        self.rung = True

    # --- recordings ---

    def may_record(self) -> bool:
        """Where callers may refuse, only after they have not."""
        asks = any(isinstance(step, CompiledConsent) for step in self.flow.steps.values())
        return self.consent == "given" or (self.consent is None and not asks)

    def begin_recording(self) -> None:
        """From here on; before the answer, from the answer on: recording a call that rings would send 183 and record
        the ringing (freeswitch.md 5)."""
        if self.recording or not self.may_record():
            return
        unknown, self.recording = self.recording is None, True
        self.set_variables([("RECORD_STEREO", "true")])
        if unknown:
            self.act("stop_record_session", "all")
        if self.answered is False:
            self._armed = True
        elif (path := self._next_segment()) is not None:
            self.act("record_session", path)

    def end_recording(self) -> None:
        """Until it is begun again."""
        if self.recording is False:
            return
        if not self._armed:
            self.act("stop_record_session", "all")
            self.set_variables([("execute_on_answer", ""), ("dialtrace_record", "no")])
        self.recording, self._armed = False, False

    def record_message(self, max_s: int, silence_s: int) -> None:
        """The caller speaks, until nothing is said any more."""
        path = self._next_segment()
        if path is not None:
            self.act("record", f"{path} {max_s} {_SILENCE_BELOW} {silence_s}")

    def _next_segment(self) -> str | None:
        """The path of a recording that begins now; None: there are too many."""
        self._begun += 1
        before = self.facts.segments
        if before is None:
            number, named = f"@SEG{self._begun}@", f"@RECORDINGS{self._begun}@"
        elif before + self._begun > MOST_SEGMENTS:
            return None
        else:
            number = str(before + self._begun)
            named = ",".join(f"{self._call_id}-{n}.wav" for n in range(1, int(number) + 1))
        self.tell(record="yes", segments=number, recordings=named)
        return f"{self._segment}-{number}.wav"

    def arm(self) -> None:
        """A recording that waits for the answer begins with whoever answers."""
        path = self._next_segment() if self._armed else None
        if path is not None:
            self.set_variables([("execute_on_answer", f"record_session {path}")])
        self._armed = False

    # --- how it ends ---

    def wait_for(self, name: str, result: str, *, queue: bool = False) -> None:
        """Before an action that may bring a result: where the call then stands. An empty result is none. ``queue``: the
        record is to count the time at this step as one of a queue."""
        self._write_trail()
        self.arm()
        more = [(f"dialtrace_q_{name}", "yes")] if queue else []
        self.set_variables([("dialtrace_step", name), ("dialtrace_result", result), *more])

    def resume(self) -> None:
        """Asks a worker what follows."""
        self.act("transfer", RESUME)

    def finish(self) -> None:
        """All targets were rung in vain."""
        self.act("transfer", FINISH)

    def written(self) -> Plan:
        """The whole plan. Raises PlanRefused."""
        plan, route = Plan(), self.route
        plan.add_facts(
            [
                ("agency", str(route.agency_id)),
                ("client", str(route.client_id)),
                ("number", str(route.number_id)),
                ("flow", _text(route.flow_id)),
                ("flow_version", _text(route.flow_version)),
                ("decided", self._decided),
                *self._opening.items(),
                ("attempts", ",".join(str(one) for one in ids(self._targets)) or None),
                ("rung", "yes" if self._targets else None),
                ("said", ",".join(f"{general}:{own}" for general, own in self._said.items()) or None),
            ],
            (self._ring_variables() | self._opening_variables).items(),
        )
        for application, data in self._actions:
            plan.add(application, data)
        return plan

    def _ring_variables(self) -> dict[str, str]:
        if not self._targets:
            return {}
        return {
            "continue_on_fail": "true",
            "hangup_after_bridge": "true",
            "ignore_early_media": "true",
            "ringback": RINGBACK,
            "transfer_ringback": RINGBACK,
            "call_timeout": str(self._longest_s),
        }

    def _write_trail(self) -> None:
        if not self._trail:
            return
        passed, self._trail = ",".join(self._trail), []
        if self._enters and not self._actions and "trail" not in self._opening:
            self._opening["trail"] = passed
        else:
            # Added to what was said before, by earlier plans too, which this one does not know.
            self._add("push", f"dialtrace_trail={passed}")

    def _add(self, application: str, data: str) -> None:
        self._actions.append((application, data))
        self._bytes += len(application) + len(data) + data.count(" ") + 2


def _ring_actions(targets: Sequence[CompiledTarget], dialled: Dialled, *, together: bool) -> list[tuple[str, str]]:
    if together and (legs := dialled.legs(targets)):
        return [("bridge", ",".join(legs))]
    return [action for target in targets for action in dialled.attempts(target)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
