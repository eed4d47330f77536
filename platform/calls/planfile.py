"""The fallback plan file of one number: made by the same function as a worker's plans, read by the script on the switch
(docs/architecture.md, "A plan"). Pure.

A flow of this release does not depend on the hour, so its one span has no end: a node that nobody reaches for weeks
still connects its calls. Flows with schedules will give a line for each span of the days ahead.
"""

from __future__ import annotations

from .model import Route
from .plan import CALL_MARK, DAY_MARK, RING_ONLY, make_plan

HEADER = "dialtrace-plans 1"
#: 2100-01-01, UTC: the end of a span that has none.
NEVER_S = 4_102_444_800


def plan_file(route: Route, *, spool: str) -> str | None:
    """The file's text; None for a released number, which has none. Raises PlanRefused and RouteUnreadable."""
    if route.status == "released":
        return None
    lines = [HEADER]
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
