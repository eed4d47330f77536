"""How refusals of the rooms below look as problems: something is not there, a member cannot be taken, a version is old.
Which error is of which kind: `translation`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..advice.errors import AdviceRefused
from ..attribution.errors import CodeUnknown
from ..calls.errors import AnswerUnfit, FlowFaulty, ScheduleFaulty, TargetFaulty
from ..errors import DialtraceError
from ..numbers.errors import FlowUnknown
from ..pool.errors import FlowUnknown as PoolFlowUnknown
from ..recording.errors import RecordingAbsent, RecordingPending
from ..reports.errors import QuestionRefused, SpendRefused
from ..sites.errors import SiteFaulty
from .errors import Fault, Problem
from .preconditions import tag_of

UNSTORED_RETRY_S = 5


class ValueFault(Protocol):
    """A room's refusal of one member of the body."""

    field: str
    reason: str


class Outdated(Protocol):
    """A room's word that somebody else was quicker, and the version that is there now."""

    current: Any


def not_there(what: str) -> Callable[[Any], Problem]:
    return lambda _: Problem("not_found", f"There is no such {what}.")


def faulty(prefix: str) -> Callable[[FlowFaulty | TargetFaulty | ScheduleFaulty | SiteFaulty], Problem]:
    """Faults with JSON pointers, below the member ``prefix`` of the body."""

    def problem(error: FlowFaulty | TargetFaulty | ScheduleFaulty | SiteFaulty) -> Problem:
        faults = [Fault(code=one.code, detail=one.message, pointer=f"#{prefix}{one.pointer}") for one in error.faults]
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        return Problem("validation_failed", f"The request has {count}; see errors.", faults=faults)

    return problem


def unfit(error: AnswerUnfit) -> Problem:
    told = "is none of " + ", ".join(f"`{one}`" for one in error.offers)
    fault = Fault(code="not_a_choice", detail=told, pointer=f"#/answers/{error.place}")
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def flow_unknown(_: FlowUnknown | PoolFlowUnknown) -> Problem:
    fault = Fault(code="unknown_flow", detail="the client has no such flow", pointer="#/flow_id")
    return Problem("not_found", "The client has no such flow.", faults=[fault])


def refused(error: ValueFault) -> Problem:
    fault = Fault(code="invalid", detail=error.reason, pointer=f"#/{error.field}")
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def question(error: QuestionRefused | AdviceRefused) -> Problem:
    fault = Fault(code="invalid", detail=error.reason, parameter=error.field)
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def spend(error: SpendRefused) -> Problem:
    fault = Fault(code="invalid", detail=error.reason, pointer=f"#/rows/{error.place}/{error.field}".rstrip("/"))
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def mismatch(error: Outdated) -> Problem:
    return Problem("version_mismatch", f"Meanwhile {error}.", headers={"ETag": tag_of(error.current)})


def absent(error: RecordingAbsent) -> Problem:
    detail = "A recording was expected, and there is none; `reason` says why."
    return Problem("recording_absent", detail, members={"reason": error.reason})


def pending(_: RecordingPending) -> Problem:
    detail = "The recording is on its way from the node. Ask again later."
    return Problem("recording_pending", detail, headers={"Retry-After": str(UNSTORED_RETRY_S)})


def store_away(_: DialtraceError) -> Problem:
    detail = "The store of recordings does not answer. The same request may succeed after a moment."
    return Problem("temporarily_unavailable", detail, headers={"Retry-After": str(UNSTORED_RETRY_S)})


def code_unknown(_: CodeUnknown) -> Problem:
    fault = Fault(code="unknown_code", detail=" ".join((CodeUnknown.__doc__ or "").split()), pointer="#/code")
    return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])


def prompt(member: str) -> Callable[[DialtraceError], Problem]:
    """A sound or its label that cannot be kept."""

    def told(error: DialtraceError) -> Problem:
        fault = Fault(
            code="invalid", detail=str(error) or " ".join((type(error).__doc__ or "").split()), pointer=member
        )
        return Problem("validation_failed", "The request has 1 fault; see errors.", faults=[fault])

    return told
