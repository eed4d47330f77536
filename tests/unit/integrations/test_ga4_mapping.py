"""A call as Google Analytics' events, and settings that it would not take."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dialtrace.integrations.facts import CallFacts, VisitFacts
from dialtrace.integrations.ga4.mapping import client_id, payload, sample, session_id
from dialtrace.integrations.ga4.settings import Ga4Settings
from tests.vendors.ga4 import faults_of

ID = UUID("0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47")
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
IDS = {"ga": "1000000001.1787200000", "ga_sessions": {"ABC123DEF4": "1787209900"}}
CALL = CallFacts(
    id=ID, agency_id=ID, client_id=ID, number="+74950000001", caller="+79990000001", started_at=START,
    outcome="answered", talk_ms=42_400, visit=VisitFacts(id=ID, started_at=START, consent="given", analytics_ids=IDS),
)  # fmt: skip
SETTINGS = Ga4Settings(measurement_id="G-ABC123DEF4")


def test_given_a_call_then_the_payload_is_as_the_contract_has_it():
    assert payload(CALL, SETTINGS) == {
        "client_id": "1000000001.1787200000",
        "timestamp_micros": 1772357400000000,
        "consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"},
        "events": [
            {
                "name": "phone_call",
                "params": {
                    "engagement_time_msec": 1, "call_id": str(ID), "call_status": "answered", "talk_seconds": 42,
                    "session_id": "1787209900",
                },
            }
        ],
    }  # fmt: skip


def test_given_a_session_of_another_stream_then_none_is_guessed():
    other = Ga4Settings(measurement_id="G-OTHER00001")
    assert session_id(CALL, other) is None
    assert "session_id" not in payload(CALL, other)["events"][0]["params"]
    assert client_id(replace(CALL, visit=None)) is None


@given(st.integers(0, 10**9), st.sampled_from(["answered", "no_answer", "busy", "blocked", "node_lost"]))
def test_given_any_call_then_google_finds_nothing_wrong_with_its_events(talk_ms, outcome):
    call = replace(CALL, talk_ms=talk_ms, outcome=outcome)
    settings = Ga4Settings(measurement_id="G-ABC123DEF4", lead_talk_s=1, value=1e9, currency="RUB")
    assert faults_of(payload(call, settings)) == []
    assert faults_of(payload(sample(call, settings, START), settings)) == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"measurement_id": "UA-1"}, "measurement_id"), ({"event_name": "ga_call"}, "event_name"),
        ({"event_name": "phone call"}, "event_name"), ({"value": 3}, "value and currency"),
        ({"currency": "EUR"}, "value and currency"), ({"api_url": "https://u:p@google.example"}, "api_url"),
    ],
)  # fmt: skip
def test_given_settings_that_google_would_not_take_then_the_fault_is_named(values, named):
    with pytest.raises(ValidationError, match=named):
        Ga4Settings.model_validate({"measurement_id": "G-ABC123DEF4", **values})
