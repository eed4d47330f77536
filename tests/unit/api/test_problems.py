"""Errors as problem documents."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from dialtrace.api.catalogue import CATALOGUE
from dialtrace.api.errors import Fault, Problem
from dialtrace.api.problems import document_of, faults_of, pointer, problem_for
from dialtrace.api.translation import TABLE
from dialtrace.calls.errors import Fault as FlowFault
from dialtrace.calls.errors import FlowFaulty
from dialtrace.db.errors import NoFreeConnection
from dialtrace.errors import DialtraceError
from dialtrace.recording.errors import RecordingAbsent
from dialtrace.tenancy.errors import TenancyError

#: Errors of the rooms that no request of the API can cause, or that are our own fault if one does.
OURS = {
    "CallsError", "RouteUnreadable", "PlanRefused", "CdrError", "CdrUnreadable", "CdrRefused", "RecordsAway",
    "NumberError", "TenancyError", "InvalidKey", "AddressRefused", "RecordingError", "NotWav",
    "UploadFailed", "RecordingDiffers",
    "ObjectStoreError", "StoreAddressFaulty", "ObjectNameFaulty", "ObjectMissing", "RangeNotSatisfiable",
    "NotConfirmed", "SealedObjectBroken", "NotConverted",
}  # fmt: skip


def errors_of_rooms() -> Iterator[type[DialtraceError]]:
    for room in ("calls", "cdr", "numbers", "tenancy", "recording", "objectstore"):
        module = importlib.import_module(f"dialtrace.{room}.errors")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, DialtraceError) and kind.__module__ == module.__name__:
                yield kind


def test_given_every_error_of_the_rooms_when_listed_then_each_is_translated_or_ours_on_purpose() -> None:
    unsaid = {kind.__name__ for kind in errors_of_rooms() if kind not in TABLE} - OURS
    assert unsaid == set()
    assert {kind.__name__ for kind in TABLE} & OURS == set()


def test_given_a_problem_when_written_then_it_has_every_member() -> None:
    fault = Fault(code="required", detail="Field required", pointer="#/name")
    document = document_of(Problem("recording_absent", "None.", faults=[fault], members={"reason": "rule_off"}), "id-1")
    assert document == {
        "type": "/v1/reference#problem-recording_absent",
        "title": "There is no recording",
        "status": 404,
        "code": "recording_absent",
        "detail": "None.",
        "instance": "/v1/requests/id-1",
        "request_id": "id-1",
        "reason": "rule_off",
        "errors": [{"pointer": "#/name", "code": "required", "detail": "Field required"}],
    }


def test_given_a_flow_with_faults_when_translated_then_their_places_lie_in_the_body() -> None:
    problem = problem_for(FlowFaulty([FlowFault("/steps/0", "unknown_kind", "no such step"), FlowFault("", "x", "y")]))
    assert problem is not None
    assert problem.code == "validation_failed"
    assert [fault.pointer for fault in problem.faults] == ["#/document/steps/0", "#/document"]


def test_given_a_reason_for_no_recording_when_translated_then_it_is_told() -> None:
    problem = problem_for(RecordingAbsent("call … has no recording", "node_lost"))
    assert problem is not None
    assert problem.members == {"reason": "node_lost"}


def test_given_a_database_that_is_away_when_translated_then_503_and_when_to_come_again() -> None:
    problem = problem_for(NoFreeConnection())
    assert problem is not None
    assert CATALOGUE[problem.code].status == 503
    assert "Retry-After" in problem.headers


@pytest.mark.parametrize("error", [RuntimeError("x"), TenancyError("x"), DialtraceError("x")])
def test_given_an_error_that_nobody_foresaw_when_translated_then_it_is_not_blamed_on_the_caller(
    error: Exception,
) -> None:
    assert problem_for(error) is None


@pytest.mark.parametrize(
    ("location", "text"),
    [((), "#"), (("a",), "#/a"), (("a", 0, "b"), "#/a/0/b"), (("a/b", "c~d"), "#/a~1b/c~0d")],
)
def test_given_a_place_when_written_as_pointer_then_it_is_escaped(location: tuple[int | str, ...], text: str) -> None:
    assert pointer(location) == text


def test_given_a_faulty_value_when_told_then_it_is_not_repeated() -> None:
    class Model(BaseModel):
        secret: int

    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"secret": "hunter2"})
    faults = faults_of(caught.value, "json")
    assert [fault.pointer for fault in faults] == ["#/secret"]
    assert "hunter2" not in repr(faults)


def test_given_the_catalogue_when_read_then_every_code_is_a_word_with_an_error_status() -> None:
    for code, kind in CATALOGUE.items():
        assert code.replace("_", "").isalpha()
        assert code.islower()
        assert 400 <= kind.status <= 599
        assert kind.title
        assert kind.meaning


def test_given_very_many_faults_when_written_then_only_the_first_are_listed() -> None:
    faults = [Fault(code="unknown_member", detail="x", pointer=f"#/{number}") for number in range(101)]
    assert document_of(Problem("validation_failed", faults=faults), "id-1")["errors"] == [
        fault.as_document() for fault in faults[:100]
    ]
