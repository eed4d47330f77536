"""Nothing goes to an advertising system without consent on the record: whatever else is known of a call."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.integrations.delivering import judge
from dialtrace.integrations.facts import CallFacts, VisitFacts
from dialtrace.integrations.registry import SYSTEMS
from dialtrace.integrations.trying import DryJournal, DryLine
from dialtrace.integrations.work import Work

ID = UUID("0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47")
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
#: Settings and secrets with which every advertising system has something to send.
SET_UP: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "google_ads": (
        {"customer_id": "1234567890", "conversion_action_id": "111222333"},
        {"client_id": "id", "client_secret": "secret", "refresh_token": "refresh"},
    ),
    "meta": ({"dataset_id": "123456789012345"}, {"access_token": "EAAB-access-token-of-a-system-user"}),
    "metrica": ({"counter_id": 90000001}, {"token": "y0_AgAAAAAExampleExampleExample"}),
    "ga4": ({"measurement_id": "G-ABC123DEF4"}, {"api_secret": "hXy3kZ1qT0-ab_CdEfGh12"}),
}
IDS = {"ga": "1000000001.1787200000", "ym": "1787200000123456789"}
VISITS = st.none() | st.builds(
    VisitFacts,
    id=st.just(ID),
    started_at=st.just(START),
    consent=st.sampled_from(["given", "refused", "not_asked"]),
    click_ids=st.just({}) | st.just({"gclid": "Cj0KCQ", "yclid": "17872", "fbclid": "abc"}),
    analytics_ids=st.just({}) | st.just(IDS),
    landing_page=st.text(max_size=20),
)
CALLS = st.builds(
    CallFacts,
    id=st.just(ID),
    agency_id=st.just(ID),
    client_id=st.just(ID),
    number=st.just("+442079460123"),
    started_at=st.just(START),
    caller=st.none() | st.just("+442079460999"),
    outcome=st.sampled_from(["answered", "no_answer", "blocked"]),
    is_test=st.booleans(),
    visit=VISITS,
)
ADVERTISING = [one.name for one in SYSTEMS.values() if one.is_advertising]


def told(name: str, call: CallFacts) -> tuple[str | None, list[Any]]:
    """What becomes of the call, by the code that delivers; and what would leave."""
    system, (settings, secrets) = SYSTEMS[name], SET_UP[name]
    line = DryLine(system, ())
    work = Work(
        type="call.ended", call=call, settings=system.settings.model_validate(settings),
        secrets=system.secrets.model_validate(secrets), line=line, journal=DryJournal(), now=START + timedelta(hours=1),
    )  # fmt: skip
    (outcome,) = judge(system, [work])
    return outcome.word if outcome is not None else None, line.planned


def test_given_the_systems_then_those_for_advertising_are_known_to_be():
    assert set(ADVERTISING) == set(SET_UP)


@pytest.mark.parametrize("name", ADVERTISING)
@given(CALLS)
def test_given_any_call_then_nothing_leaves_for_advertising_without_consent_on_the_record(name, call):
    word, planned = told(name, call)
    consents = call.visit is not None and call.visit.consent == "given"
    if call.is_test:
        assert (word, planned) == ("test_call", [])
    elif not consents:
        assert (word, planned) == ("no_consent", [])
    elif call.outcome == "answered" and call.visit.analytics_ids and call.visit.click_ids:
        assert planned, f"with consent there is something to send, or the test above says nothing ({word})"
