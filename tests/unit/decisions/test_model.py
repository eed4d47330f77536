"""What is asked, and what an answer decides."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.decisions.model import Question, Verdict, message_of, read_verdict

CHOICES = ["sales", "support"]


def question(**given):
    values = {
        "agency_id": UUID(int=1), "id": UUID(int=2), "client_id": UUID(int=3), "call_id": UUID(int=4), "step": "ask",
        "url": "https://crm.example/", "choices": CHOICES, "body": {"caller": "+442079460123"},
        "asked_at": datetime(2026, 8, 20, 7, 15, 42, 123456, UTC), "waited_ms": 20, "left_ms": 2900, "keys": [],
    }  # fmt: skip
    return Question(**(values | given))


def verdict(body, *, status=200, is_whole=True):
    return read_verdict(status, body, is_whole=is_whole, choices=CHOICES)


def test_given_a_question_then_its_message_names_the_call_and_what_may_be_answered():
    message = json.loads(message_of(question()))
    assert message == {
        "type": "call.decision",
        "timestamp": "2026-08-20T07:15:42.123Z",
        "data": {
            "caller": "+442079460123", "call_id": str(UUID(int=4)), "client_id": str(UUID(int=3)), "step": "ask",
            "choices": CHOICES, "timeout_ms": 2900,
        },
    }  # fmt: skip


def test_given_a_body_that_contradicts_the_row_then_the_row_is_right():
    message = json.loads(message_of(question(body={"call_id": "another", "client_id": "another", "name": "Вера"})))
    assert (message["data"]["call_id"], message["data"]["client_id"]) == (str(UUID(int=4)), str(UUID(int=3)))
    assert message["data"]["name"] == "Вера"


@pytest.mark.parametrize("status", [200, 201, 299])
def test_given_a_choice_that_the_step_has_then_it_is_the_answer(status):
    assert verdict(b'{"choice": "sales", "note": 1}', status=status) == Verdict(answer="sales")


@pytest.mark.parametrize("status", [100, 199, 300, 302, 404, 410, 500, 503])
def test_given_a_status_other_than_2xx_then_its_body_decides_nothing(status):
    assert verdict(b'{"choice": "sales"}', status=status) == Verdict(fault="status")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "not_json"), (b"sales", "not_json"), (b'{"choice": "sales"', "not_json"), (b"\xff\xfe", "not_json"),
        (b"[" * 60_000, "not_json"), (b'"sales"', "no_choice"), (b"null", "no_choice"), (b"[]", "no_choice"),
        (b"{}", "no_choice"), (b'{"choice": null}', "no_choice"), (b'{"choice": ["sales"]}', "no_choice"),
        (b'{"choice": 1}', "no_choice"), (b'{"choice": "billing"}', "unexpected"),
        (b'{"choice": "Sales"}', "unexpected"), (b'{"choice": "sales\\r\\nhangup"}', "unexpected"),
        (b'{"choice": ""}', "unexpected"),
    ],
)  # fmt: skip
def test_given_an_answer_that_is_none_then_why(body, fault):
    assert verdict(body) == Verdict(fault=fault)


def test_given_a_body_that_goes_on_then_what_came_of_it_decides_nothing():
    assert verdict(b'{"choice": "sales"}', is_whole=False) == Verdict(fault="too_long")


@given(st.binary(max_size=200), st.integers(100, 599))
def test_given_any_answer_then_a_choice_of_the_step_or_a_fault(body, status):
    found = verdict(body, status=status)
    assert (found.answer in CHOICES) != (found.fault is not None)
