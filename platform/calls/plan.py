r"""Makes the plan of a call: a pure function from a number's route to a program in the switch's inline dialplan.

The same function makes what a worker hands over and what waits on a node's disk for the time without workers. What a
plan may hold: plan_text.py; what each step does: plan_steps.py and waits.py. Knows no socket, no database and no clock.
"""

from __future__ import annotations

import re

from ..db.tables import OPERATOR_AGENCY, OPERATOR_CLIENT
from .carried import carried
from .compiled import CompiledQueue, CompiledRing, read_compiled
from .model import NOTHING_KNOWN, Facts, Route
from .plan_steps import CAUSES, ring_all, walk
from .plan_text import MOST_ACTIONS, MOST_BYTES, SEPARATOR, Plan, handed_over, must_match
from .program import BEGIN, CALL_MARK, DAY_MARK, FINISH, NOW_MARK, Program
from .refusals import REFUSALS_BY_FACTS, refusal_by_facts
from .waits import ANY_DIGITS, come_back, end_in_vain, is_queues

__all__ = [
    "ANY_DIGITS",
    "BEGIN",
    "CALL_MARK",
    "CAUSES",
    "DAY_MARK",
    "FINISH",
    "MOST_ACTIONS",
    "MOST_BYTES",
    "NOW_MARK",
    "REFUSALS",
    "RING_ONLY",
    "SEPARATOR",
    "START",
    "Plan",
    "handed_over",
    "make_plan",
    "point_of",
    "refusal",
]

#: Where a plan begins that is no step: a call that enters, and one that only rings.
START, RING_ONLY = "start", "ring"

#: Why a call is refused → the cause. Suspension can be lifted, so its callers hear "temporarily unavailable" (480).
REFUSALS = {
    "unknown": "UNALLOCATED_NUMBER",
    "released": "UNALLOCATED_NUMBER",
    "suspended": "SUBSCRIBER_ABSENT",
    "no_flow": "SUBSCRIBER_ABSENT",
    **REFUSALS_BY_FACTS,
}

_CALL_ID = re.compile(rf"[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|{CALL_MARK}")
_DAY = re.compile(rf"[0-9]{{8}}|{DAY_MARK}")
_SPOOL = re.compile(r"/[A-Za-z0-9._/-]{1,255}")


def make_plan(
    route: Route | None,
    *,
    call_id: str,
    day: str,
    spool: str,
    decided: str,
    point: str = START,
    facts: Facts = NOTHING_KNOWN,
) -> str:
    """The plan for a call to the number of ``route``; None: nobody has the number.

    ``call_id`` is the A leg's UUID and ``day`` the UTC day of its start (YYYYMMDD), or their marks; ``spool`` is the
    node's folder; ``decided`` is ``worker`` or ``fallback``. ``point`` is where the plan begins: ``start``, ``ring``, a
    step's name, or ``<name>=<result>``. Raises PlanRefused and RouteUnreadable.
    """
    return make_part(route, call_id=call_id, day=day, spool=spool, decided=decided, point=point, facts=facts)[0]


def make_part(
    route: Route | None, *, call_id: str, day: str, spool: str, decided: str, point: str, facts: Facts
) -> tuple[str, str | None]:
    """As :func:`make_plan`, and the point at which the call comes back because the plan had no more room."""
    must_match(_CALL_ID, call_id, "a call's UUID")
    must_match(_DAY, day, "a day")
    must_match(_SPOOL, spool, "a spool folder")
    enters = point == START
    refused = refusal(route, facts if enters else NOTHING_KNOWN)
    if refused is not None or route is None or route.compiled is None:
        return str(_refuse(route, refused or "no_flow", decided, facts)), None
    program = Program(
        route,
        read_compiled(route.compiled),
        facts=facts,
        call_id=call_id,
        day=day,
        spool=spool,
        decided=decided,
        enters=enters,
    )
    left_for = _go(program, point)
    return str(program.written()), None if left_for is None else f"{left_for}={BEGIN}"


def point_of(step: str | None, result: str | None) -> str:
    """The point for a call whose ``dialtrace_step`` and ``dialtrace_result`` these are."""
    if not step:
        return START
    return f"{step}={result}" if result else step


def refusal(route: Route | None, facts: Facts = NOTHING_KNOWN) -> str | None:
    """Why a call to this route is refused on purpose; None if it is not."""
    if route is None:
        return "unknown"
    if route.status in ("released", "suspended"):
        return route.status
    if route.compiled is None or route.status != "active":
        return "no_flow"
    return refusal_by_facts(over=facts.over, blocked=facts.blocked)


def _go(program: Program, point: str) -> str | None:
    if point == RING_ONLY:
        ring_all(program)
        return None
    if point == START:
        return _enter(program)
    name, _, result = point.partition("=")
    if _goes_round(program, result):
        end_in_vain(program)
        return None
    return come_back(program, name, result or None)


def _goes_round(program: Program, result: str) -> bool:
    """Whether a caller who comes back has been about for too long: a menu that leads to itself has no other end but
    the caller's. A queue looks after its waits itself."""
    spent_s = program.facts.in_flow_s
    return spent_s is not None and spent_s > program.flow.longest_s and not is_queues(result)


def _enter(program: Program) -> str | None:
    facts = program.facts
    spam = None if facts.spam_score is None else str(facts.spam_score)
    program.tell(record="no", spam=spam, spam_rules=facts.spam_rules)
    program.hold_against(facts.fuses)
    # For the events of the call while it lives; the record's attribution is found out anew.
    visit = None if facts.visit is None else str(facts.visit)
    program.tell(source=carried(facts.source), campaign=carried(facts.campaign), visit=visit)
    for step in program.flow.steps.values():
        if isinstance(step, CompiledQueue | CompiledRing) and step.whisper is not None:
            # Plans made ahead do not know where a caller comes from; they are told it for the rest of the call.
            program.whisper(step.whisper)
    if program.flow.record:
        program.begin_recording()
    return walk(program, program.flow.entry)


def _refuse(route: Route | None, reason: str, decided: str, facts: Facts) -> Plan:
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
    by_facts = [("over", facts.over), ("blocked", facts.blocked)] if reason in REFUSALS_BY_FACTS else []
    plan.add_facts([*owner, ("decided", decided), ("refused", reason), ("record", "no"), *by_facts])
    plan.add("hangup", REFUSALS[reason])
    return plan
