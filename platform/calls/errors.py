"""What can go wrong in flows, targets and plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DialtraceError


class CallsError(DialtraceError):
    """A flow, a target or a plan cannot be had."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: where (a JSON pointer), a stable code, and what is wrong in words."""

    pointer: str
    code: str
    message: str


class FlowFaulty(CallsError):
    """A flow document is not usable; every fault is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("the flow is not usable: " + "; ".join(f"{f.pointer or '/'}: {f.message}" for f in faults))
        self.faults = list(faults)


class AnswerUnfit(CallsError):
    """A step is told what it does not ask for. ``place``: which answer."""

    def __init__(self, place: int, offers: Sequence[str]) -> None:
        super().__init__(f"answer {place + 1} does not fit: " + ", ".join(repr(one) for one in offers))
        self.place = place
        self.offers = list(offers)


class TargetFaulty(CallsError):
    """A target is not usable; every fault is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("the target is not usable: " + "; ".join(f"{f.pointer}: {f.message}" for f in faults))
        self.faults = list(faults)


class ScheduleFaulty(CallsError):
    """A schedule is not usable; every fault is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("the schedule is not usable: " + "; ".join(f"{f.pointer}: {f.message}" for f in faults))
        self.faults = list(faults)


class ScheduleNotFound(CallsError):
    """There is no such schedule."""


class ScheduleInUse(CallsError):
    """A flow keeps to it."""


class TargetNotFound(CallsError):
    """There is no such target."""


class FlowNotFound(CallsError):
    """There is no such flow."""


class ClientNotFound(CallsError):
    """There is no such client."""


class NodeUnknown(CallsError):
    """There is no such node."""


class VersionConflict(CallsError):
    """Somebody else changed it in the meantime: read it again and repeat the change."""

    def __init__(self, *, expected: int, current: int) -> None:
        super().__init__(f"it is at version {current}, not {expected}: read it again and repeat the change")
        self.expected = expected
        self.current = current


class RouteUnreadable(CallsError):
    """A route holds something that this release cannot read; was it published by a newer one?"""


class PlanRefused(CallsError):
    """A plan would hold something that the switch could take for an instruction, or more than it can run."""
