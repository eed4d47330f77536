r"""Makes the plan of a call: a pure function from a number's route to a program in the switch's inline dialplan.

The same function makes what a worker hands over and what waits on a node's disk for the time without workers. A plan is
``m:~:app:data~app:data…``; the rules that keep it from being anything else are those found on a real switch
(call-setup.md, "Rules for plans") and stand in :class:`Plan`. Knows no socket, no database and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from ..db.tables import OPERATOR_AGENCY, OPERATOR_CLIENT
from .errors import PlanRefused
from .flows import AnnounceStep, Cause, CompiledFlow, CompiledRing, CompiledStep, HangupStep, Prompt, read_compiled
from .flows import ResolvedTarget as RungTarget
from .model import Route, parse_address

#: What a fallback plan, made ahead, holds in place of the call's UUID and its day; the switch's script replaces them.
CALL_MARK, DAY_MARK = "@CALL@", "@DAY@"
#: ``step`` of a plan that only rings: for a call that was inside a flow when the workers were lost.
RING_ONLY = "ring"

SEPARATOR = "~"
#: 135 actions lost their tail silently, 113 worked (call-setup.md, "Rules for plans").
MOST_ACTIONS = 100
MOST_BYTES = 14_000

#: The switch's names, chosen so that a carrier never takes a refusal for a dead node (call-setup.md, "The form", 5).
CAUSES: dict[Cause, str] = {
    "busy": "USER_BUSY",  # 486
    "no_answer": "NO_ANSWER",  # 480
    "rejected": "CALL_REJECTED",  # 603
    "unavailable": "SUBSCRIBER_ABSENT",  # 480
    "not_found": "UNALLOCATED_NUMBER",  # 404
    "normal": "NORMAL_CLEARING",  # a BYE to a call that is answered, 480 to one that is not
}
#: Why a call is refused → the cause. Suspension can be lifted, so its callers hear "temporarily unavailable" (480).
REFUSALS = {
    "unknown": "UNALLOCATED_NUMBER",
    "released": "UNALLOCATED_NUMBER",
    "suspended": "SUBSCRIBER_ABSENT",
    "no_flow": "SUBSCRIBER_ABSENT",
}
#: Its own extension turns the last attempt's outcome into 486, 603 or 480 (freeswitch/dialplan/inbound.xml).
FINISH = "finish XML flow"

#: What the caller hears while targets ring; needed because their early media is ignored (freeswitch.md 4.3).
RINGBACK = "%(1000,4000,425)"
#: The switch gives a whole attempt 60 s unless told otherwise, whatever the leg's own limit (freeswitch.md 4.2).
ATTEMPT_MARGIN_S = 10

_SIP_PROFILE = "sofia/external/"
_APPLICATION = re.compile(r"[a-z_]{1,40}")
_VARIABLE = re.compile(r"[a-z_]{1,60}", re.IGNORECASE)
_FACT = re.compile(r"[A-Za-z0-9_.,@-]{1,2000}")
# Printable ASCII without quotes, dollar, backslash and the separator: nothing to expand, quote, unescape or split on.
_DATA = re.compile(r"[ !#%&(-\[\]-}]*")
_CALL_ID = re.compile(rf"[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|{CALL_MARK}")
_DAY = re.compile(rf"[0-9]{{8}}|{DAY_MARK}")
_SPOOL = re.compile(r"/[A-Za-z0-9._/-]{1,255}")


class Plan:
    """Collects actions and refuses what the switch could take for anything but an argument. Raises PlanRefused."""

    def __init__(self) -> None:
        self._actions: list[str] = []

    def add(self, application: str, data: str = "") -> None:
        """One action. A space in ``data`` is written so that it survives the transfer into the plan."""
        _must_match(_APPLICATION, application, "an application")
        _must_match(_DATA, data, "an argument")
        if len(self._actions) == MOST_ACTIONS:
            raise PlanRefused(f"a plan may hold {MOST_ACTIONS} actions")
        encoded = data.replace(" ", r"\s")
        self._actions.append(f"{application}:{encoded}" if encoded else application)

    def add_variables(self, values: Iterable[tuple[str, str]]) -> None:
        """Sets variables in one action; ``;`` stands between them."""
        pairs = list(values)
        for name, value in pairs:
            _must_match(_VARIABLE, name, "a variable's name")
            if ";" in value:
                raise PlanRefused(f"the value of {name} holds a semicolon")
        if pairs:
            self.add("multiset", "^^;" + ";".join(f"{name}={value}" for name, value in pairs))

    def add_facts(self, facts: Iterable[tuple[str, str | None]]) -> None:
        """Sets ``dialtrace_…`` variables from ids, words and numbers only; a fact that is None is left out."""
        known = [(f"dialtrace_{name}", value) for name, value in facts if value is not None]
        for name, value in known:
            _must_match(_FACT, value, f"a value of {name}")
        self.add_variables(known)

    def __str__(self) -> str:
        text = f"m:{SEPARATOR}:" + SEPARATOR.join(self._actions)
        if not self._actions or len(text) > MOST_BYTES:
            raise PlanRefused(
                f"a plan has at least one action and at most {MOST_BYTES} bytes; this has {len(text)} bytes"
            )
        return text


def make_plan(route: Route | None, *, call_id: str, day: str, spool: str, decided: str, step: str | None = None) -> str:
    """The plan for a call to the number of ``route``; None: nobody has the number.

    ``call_id`` is the A leg's UUID and ``day`` the UTC day of its start (YYYYMMDD), or their marks; ``spool`` is the
    node's folder; ``decided`` is ``worker`` or ``fallback``. ``step`` None begins the flow; a number resumes it at that
    step; anything else rings its targets and announces nothing. Raises PlanRefused and RouteUnreadable.
    """
    _must_match(_CALL_ID, call_id, "a call's UUID")
    _must_match(_DAY, day, "a day")
    _must_match(_SPOOL, spool, "a spool folder")
    refused = refusal(route)
    if refused is not None or route is None or route.compiled is None:
        return str(_refuse(route, refused or "no_flow", decided))
    program = _Program(route, read_compiled(route.compiled), call_id=call_id, day=day, spool=spool, decided=decided)
    return str(program.start() if step is None else program.resume(step))


def refusal(route: Route | None) -> str | None:
    """Why a call to this route is refused on purpose; None if it is not."""
    if route is None:
        return "unknown"
    if route.status in ("released", "suspended"):
        return route.status
    return None if route.compiled is not None and route.status == "active" else "no_flow"


def _refuse(route: Route | None, reason: str, decided: str) -> Plan:
    """Says whose call it was and ends it. A released number is nobody's: what still rings it is the operator's matter,
    not its last holder's."""
    plan = Plan()
    if route is None or reason in ("unknown", "released"):
        owner = [("agency", OPERATOR_AGENCY), ("client", OPERATOR_CLIENT)]
    else:
        owner = [
            ("agency", str(route.agency_id)),
            ("client", str(route.client_id)),
            ("number", str(route.number_id)),
        ]
    plan.add_facts([*owner, ("decided", decided), ("refused", reason), ("record", "no")])
    plan.add("hangup", REFUSALS[reason])
    return plan


class _Program:
    """Turns the steps of one flow into actions."""

    def __init__(self, route: Route, flow: CompiledFlow, *, call_id: str, day: str, spool: str, decided: str) -> None:
        self._route = route
        self._flow = flow
        self._spool = spool
        self._decided = decided
        self._file = f"{call_id}-1.wav"
        self._recording = f"{spool}/recordings/{day}/{self._file}"
        self._plan = Plan()
        self._answered = False

    def start(self) -> Plan:
        """The whole flow, for a call that enters it."""
        steps = self._flow.steps
        announces_first = isinstance(steps[0], AnnounceStep)
        record = self._flow.record
        recorded = [("record", "yes" if record else "no"), ("recordings", self._file if record else None)]
        self._open(steps, recorded)
        if record:
            # Not record_session here: before the answer it would send 183 and record the ringing (freeswitch.md 5).
            later = [] if announces_first else [("execute_on_answer", f"record_session {self._recording}")]
            self._plan.add_variables([("RECORD_STEREO", "true"), *later])
        for step in steps:
            self._add(step, record_now=record and announces_first)
        return self._end(steps)

    def resume(self, step: str) -> Plan:
        """What is left of the flow. Recording and its facts were set when the call entered and still stand."""
        if step.isascii() and step.isdigit() and int(step) < len(self._flow.steps):
            steps = self._flow.steps[int(step) :]
        else:
            steps = [one for one in self._flow.steps if not isinstance(one, AnnounceStep)]
        self._open(steps, [])
        for one in steps:
            self._add(one, record_now=False)
        return self._end(steps)

    def _open(self, steps: Sequence[CompiledStep], recorded: list[tuple[str, str | None]]) -> None:
        targets = _rung(steps)
        route = self._route
        self._plan.add_facts(
            [
                ("agency", str(route.agency_id)),
                ("client", str(route.client_id)),
                ("number", str(route.number_id)),
                ("flow", _text(route.flow_id)),
                ("flow_version", _text(route.flow_version)),
                ("decided", self._decided),
                *recorded,
                ("attempts", ",".join(str(target.id) for target in targets) or None),
            ]
        )
        if targets:
            longest_s = max(target.ring_timeout_s for target in targets)
            self._plan.add_variables(
                [
                    ("continue_on_fail", "true"),
                    ("hangup_after_bridge", "true"),
                    ("ignore_early_media", "true"),
                    ("ringback", RINGBACK),
                    ("transfer_ringback", RINGBACK),
                    ("call_timeout", str(longest_s + ATTEMPT_MARGIN_S)),
                ]
            )

    def _add(self, step: CompiledStep, *, record_now: bool) -> None:
        if isinstance(step, AnnounceStep):
            self._answer(record_now=record_now)
            self._plan.add("playback", self._prompt(step.prompt))
        elif isinstance(step, CompiledRing):
            for target in step.targets:
                self._plan.add("bridge", self._leg(target))
        else:
            self._plan.add("hangup", CAUSES[step.cause])

    def _answer(self, *, record_now: bool) -> None:
        if self._answered:
            return
        self._answered = True
        self._plan.add("answer")
        if record_now:
            # Before the first sound, so that the notice itself is on the recording.
            self._plan.add("record_session", self._recording)

    def _prompt(self, prompt: Prompt) -> str:
        if prompt.kind == "tone":
            return f"tone_stream://%({prompt.duration_ms},0,{prompt.frequency_hz})"
        return f"{self._spool}/prompts/{prompt.name}.wav"

    def _leg(self, target: RungTarget) -> str:
        facts = {
            "leg_timeout": str(target.ring_timeout_s),
            "dialtrace_target": str(target.id),
            "dialtrace_agency": str(self._route.agency_id),
            "dialtrace_client": str(self._route.client_id),
        }
        written = ",".join(f"{name}={value}" for name, value in facts.items())
        return f"[{written}]{_SIP_PROFILE}{parse_address(target.address).destination}"

    def _end(self, steps: Sequence[CompiledStep]) -> Plan:
        """Every plan ends on purpose: left to itself the switch would pass a target's 503 on to the carrier."""
        if not (steps and isinstance(steps[-1], HangupStep)):
            if _rung(steps):
                self._plan.add("transfer", FINISH)
            else:
                self._plan.add("hangup", CAUSES["normal"])
        return self._plan


def _rung(steps: Iterable[CompiledStep]) -> list[RungTarget]:
    return [target for step in steps if isinstance(step, CompiledRing) for target in step.targets]


def _text(value: UUID | int | None) -> str | None:
    return None if value is None else str(value)


def _must_match(pattern: re.Pattern[str], value: str, what: str) -> None:
    if pattern.fullmatch(value) is None:
        raise PlanRefused(f"not {what}: {value[:60]!r}")


# --- The fallback plan file of one number (docs/architecture.md, "A plan"), read by the script on the switch. ---

FILE_HEADER = "dialtrace-plans 1"
#: 2100-01-01, UTC. A flow of this release does not depend on the hour, so its one span has no end: a node that nobody
#: reaches for weeks still connects its calls. Flows with schedules will give a line for each span of the days ahead.
NEVER_S = 4_102_444_800


def plan_file(route: Route, *, spool: str) -> str | None:
    """The file's text; None for a released number, which has none. Raises PlanRefused and RouteUnreadable."""
    if route.status == "released":
        return None
    lines = [FILE_HEADER]
    for kind, step in (("start", None), ("ring", RING_ONLY)):
        plan = make_plan(route, call_id=CALL_MARK, day=DAY_MARK, spool=spool, decided="fallback", step=step)
        lines.append(f"0 {NEVER_S} {kind} {plan}")
    return "\n".join(lines) + "\n"


def plan_path(e164: str) -> str:
    """Where the file lies below ``<spool>/plans``: spread over folders by the last three digits."""
    digits = e164.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15):
        raise ValueError(f"not a telephone number: {e164[:20]!r}")
    return f"{digits[-3:]}/{digits}.plan"
