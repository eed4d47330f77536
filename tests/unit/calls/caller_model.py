"""What a caller must experience: walked from the flow itself, and read back out of a plan. They know nothing of each
other: the walk knows no plan, the reading no flow.

An experience is a list: (``play``, sound, recorded), (``ring``, ids, recorded), (``message``,), and at the end what
becomes of the call: (``ask``, step), (``wait``, step), (``back``, step), (``hangup``, cause) or (``finish``,).
"""

from __future__ import annotations

from typing import Any

from dialtrace.calls.compiled import CompiledFlow
from dialtrace.calls.model import Facts

BEGIN = "@begin"
CAUSES = {
    "busy": "USER_BUSY", "no_answer": "NO_ANSWER", "rejected": "CALL_REJECTED", "unavailable": "SUBSCRIBER_ABSENT",
    "not_found": "UNALLOCATED_NUMBER", "normal": "NORMAL_CLEARING",
}  # fmt: skip
#: Sounds that are the platform's own and tell nothing of the flow.
BEEP = "tone_stream://%(400,0,1000)"
FOREIGN = {BEEP, "tone_stream://%(1000,4000,425);loops=20"}


class Walk:
    """One call's way through a flow, from one point to where its plan must end."""

    def __init__(self, flow: CompiledFlow, facts: Facts, *, recording: bool) -> None:
        self.flow, self.facts = flow, facts
        self.asks_consent = any(step.type == "consent" for step in flow.steps.values())
        self.consent = facts.consent
        self.recording = recording
        self.rung = facts.rung
        self.answered = False
        self.variables = dict(facts.variables)
        self.seen: list[tuple[Any, ...]] = []

    def enters(self) -> list[tuple[Any, ...]]:
        if self.flow.record:
            self.record()
        return self.go(self.flow.entry)

    def comes_back(self, name: str, result: str | None) -> list[tuple[Any, ...]]:
        step: Any = self.flow.steps.get(name)
        if result == BEGIN and step is not None:
            return self.go(name, begun=True)
        if step is None or step.type not in ("code", "consent", "menu", "queue", "webhook"):
            return self.rings_all()
        self.answered = step.type != "webhook"
        if step.type == "consent":
            return self.after_consent(step, result)
        if step.type == "queue":
            return self.after_queue(name, step, result)
        if step.type == "code":
            # Of a plan made ahead the digits are not known yet, only how many there are.
            ahead = result == f"@digits{step.length}"
            pressed = ahead or (result is not None and len(result) == step.length and result.isdigit())
            if pressed:
                self.variables = {**self.variables, step.variable: result}
            return self.go(step.next if pressed else step.otherwise)
        return self.go(step.choices.get(result or "", step.otherwise))

    def after_consent(self, step: Any, result: str | None) -> list[tuple[Any, ...]]:
        if result == step.refuse_digit:
            self.consent, self.recording = "refused", False
            return self.go(step.otherwise)
        self.consent = self.consent or "given"
        if self.flow.record:
            self.record()
        return self.go(step.next)

    def after_queue(self, name: str, step: Any, result: str | None) -> list[tuple[Any, ...]]:
        if result == "timeout":
            self.rung = True
            return self.go(step.otherwise)
        return self.go(name, begun=True)

    def record(self) -> None:
        if self.consent == "given" or (self.consent is None and not self.asks_consent):
            self.recording = True

    def go(self, name: str | None, *, begun: bool = False) -> list[tuple[Any, ...]]:
        passed: list[str] = []
        while name is not None:
            step: Any = self.flow.steps[name]
            waits_for_others = step.type in ("queue", "webhook") and self.facts.asks
            if name in passed or (waits_for_others and (passed or not begun)):
                return [*self.seen, ("back", name)]
            passed.append(name)
            follows = getattr(self, f"_{step.type}")(name, step)
            if follows == "":
                return self.seen
            name = follows
        return self.ends()

    def ends(self) -> list[tuple[Any, ...]]:
        if not self.rung:
            return [*self.seen, ("hangup", "NORMAL_CLEARING")]
        if self.flow.backup is not None:
            self.ring([self.flow.backup.id])
        if self.answered and self.flow.apology is not None:
            self.play(self.flow.apology)
        return [*self.seen, ("finish",)]

    def rings_all(self) -> list[tuple[Any, ...]]:
        steps: list[Any] = list(self.flow.steps.values())
        for one in dict.fromkeys(one.id for step in steps if step.type in ("ring", "queue") for one in step.targets):
            self.ring([one])
        return self.ends()

    def play(self, prompt: Any) -> None:
        self.answered = True
        self.seen.append(("play", heard(prompt), self.recording))

    def ring(self, targets: list[Any]) -> None:
        self.rung = True
        self.seen.append(("ring", tuple(str(one) for one in targets), self.recording))

    def _announce(self, name: str, step: Any) -> str | None:
        self.play(step.prompt)
        return step.next

    def _consent(self, name: str, step: Any) -> str:
        self.seen.append(("ask", name))
        return ""

    _menu = _consent

    _code = _consent

    def _schedule(self, name: str, step: Any) -> str | None:
        return step.open if step.weekly else step.closed

    def _ring(self, name: str, step: Any) -> str | None:
        ids = list(dict.fromkeys(target.id for target in step.targets))
        if step.strategy == "longest_idle" and self.facts.idle_order:
            idle = self.facts.idle_order
            ids = [*(one for one in idle if one in ids), *(one for one in ids if one not in idle)]
        if step.strategy == "round_robin":
            turn = (self.facts.rotation or 0) % len(ids)
            ids = ids[turn:] + ids[:turn]
        if step.sticky_days and self.facts.sticky_target in ids:
            ids = [self.facts.sticky_target, *(one for one in ids if one != self.facts.sticky_target)]
        for group in [ids] if step.strategy == "together" else [[one] for one in ids]:
            self.ring(group)
        return step.otherwise

    def _queue(self, name: str, step: Any) -> str | None:
        place = self.facts.queue
        if not self.facts.asks or place is None:
            for one in dict.fromkeys(target.id for target in step.targets):
                self.ring([one])
            return step.otherwise
        if place.full or place.waited_s >= step.max_wait_s:
            self.rung = True
            return step.otherwise
        self.answered = True
        self.seen.append(("wait", name))
        return ""

    def _voicemail(self, name: str, step: Any) -> str | None:
        if self.consent != "refused":
            self.play(step.prompt)
            self.seen.append(("message",))
        return step.next

    def _geo(self, name: str, step: Any) -> str | None:
        fitting = sorted((one for one in step.prefixes if (self.facts.caller or "").startswith(one)), key=len)
        return step.prefixes[fitting[-1]] if fitting else step.otherwise

    def _condition(self, name: str, step: Any) -> str | None:
        known = {"repeat": self.facts.repeat, "variable:team": self.variables.get("team")}
        return step.then if all(known[test.fact] == test.value for test in step.when) else step.otherwise

    def _tag(self, name: str, step: Any) -> str | None:
        return step.next

    _goto = _tag

    def _set(self, name: str, step: Any) -> str | None:
        self.variables |= step.variables
        return step.next

    def _webhook(self, name: str, step: Any) -> str | None:
        if not self.facts.asks:
            return step.otherwise
        self.seen.append(("wait", name))
        return ""

    def _record(self, name: str, step: Any) -> str | None:
        if step.on:
            self.record()
        else:
            self.recording = False
        return step.next

    def _hangup(self, name: str, step: Any) -> str:
        self.seen.append(("hangup", CAUSES[step.cause]))
        return ""


def heard(prompt: Any) -> str:
    if prompt.kind == "tone":
        return f"tone_stream://%({prompt.duration_ms},0,{prompt.frequency_hz})"
    return f"/s/prompts/{prompt.name}.wav"


class Reading:
    """A plan's actions, one after another, as a switch would carry them out when no target ever answers."""

    def __init__(self, *, recording: bool) -> None:
        self.recording, self.armed = recording, False
        self.variables: dict[str, str] = {}
        self.seen: list[tuple[Any, ...]] = []
        self.over = False
        self.recorded_paths: list[str] = []

    def read(self, plan: str) -> list[tuple[Any, ...]]:
        for action in plan.removeprefix("m:~:").split("~"):
            assert not self.over, "nothing may follow the end"
            application, _, data = action.partition(":")
            getattr(self, f"_{application}")(data.replace(r"\s", " "))
        assert self.over, "a plan ends on purpose"
        return self.seen

    def _multiset(self, data: str) -> None:
        for pair in data.removeprefix("^^;").split(";"):
            name, _, value = pair.partition("=")
            self.variables[name] = value
            if name == "execute_on_answer":
                self.armed = bool(value)
                self.recorded_paths += [value.removeprefix("record_session ")] if value else []

    def _push(self, data: str) -> None:
        assert data.startswith("dialtrace_trail=")

    def _answer(self, data: str) -> None:
        self.recording = self.recording or self.armed

    def _record_session(self, data: str) -> None:
        assert not self.recording, "two recordings at a time"
        self.recorded_paths.append(data)
        self.recording = True

    def _stop_record_session(self, data: str) -> None:
        self.recording = False

    def _playback(self, data: str) -> None:
        if data not in FOREIGN and not data.startswith("silence_stream"):
            self.seen.append(("play", data, self.recording))

    def _bridge(self, data: str) -> None:
        ids = tuple(part[:36] for part in data.split("dialtrace_target=")[1:])
        self.seen.append(("ring", ids, self.recording or self.armed))

    def _record(self, data: str) -> None:
        self.recorded_paths.append(data.split(" ")[0])
        self.seen.append(("message",))

    def _play_and_get_digits(self, data: str) -> None:
        self.seen.append(("ask", self.variables["dialtrace_step"]))

    def _sched_cancel(self, data: str) -> None:
        assert not self.seen, "what bounded a wait is ended first of all"

    def _sched_transfer(self, data: str) -> None:
        assert data.endswith(" resume XML flow")
        self.seen.append(("wait", self.variables["dialtrace_step"]))

    def _endless_playback(self, data: str) -> None:
        assert self.seen[-1][0] in ("wait", "play")

    def _hangup(self, data: str) -> None:
        self.seen.append(("hangup", data))
        self.over = True

    def _transfer(self, data: str) -> None:
        self.over = True
        if data == "finish XML flow":
            self.seen.append(("finish",))
        elif not self.seen or self.seen[-1][0] not in ("ask", "wait"):
            assert data == "resume XML flow"
            assert self.variables["dialtrace_result"] in (BEGIN, "missed")
            self.seen.append(("back", self.variables["dialtrace_step"]))
