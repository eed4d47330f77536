"""Nothing goes to an advertising system without consent on the record: whatever else is known of a call."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.integrations.delivering import may_be_told
from dialtrace.integrations.errors import GiveUp, NothingToDo
from dialtrace.integrations.facts import CallFacts, VisitFacts
from dialtrace.integrations.registry import SYSTEMS

ID = UUID("0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47")
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
VISITS = st.none() | st.builds(
    VisitFacts,
    id=st.just(ID),
    started_at=st.just(START),
    consent=st.sampled_from(["given", "refused", "not_asked"]),
    click_ids=st.dictionaries(st.sampled_from(["gclid", "yclid"]), st.text(min_size=1, max_size=20), max_size=2),
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
    outcome=st.sampled_from([None, "answered", "no_answer", "blocked"]),
    is_test=st.booleans(),
    visit=VISITS,
)


@given(CALLS)
def test_given_any_call_then_an_advertising_system_is_told_only_with_consent(call):
    system = replace(SYSTEMS["telegram"], is_advertising=True)
    consents = call.visit is not None and call.visit.consent == "given"
    if call.is_test:
        with pytest.raises(NothingToDo):
            may_be_told(system, call)
    elif consents:
        may_be_told(system, call)
    else:
        with pytest.raises(GiveUp, match="no_consent"):
            may_be_told(system, call)
