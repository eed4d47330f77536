"""Meta against a stand-in of the Conversions API: a bad event alone is refused, each counts once."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from dialtrace.integrations.model import Rate
from dialtrace.integrations.registry import SYSTEMS
from tests.vendors.meta import DATASET, TOKEN, MetaServer, problem
from tests.vendors.server import Fault

from .conftest import CALLER, HASTY, QUICK, deliverer
from .test_metrica import look_again, states


@pytest.fixture
def meta():
    made = MetaServer()
    yield made
    made.stop()


@pytest.fixture
def events(platform, meta):
    return integrate(platform, meta)


def integrate(platform, meta, **settings):
    values = {"dataset_id": DATASET, "api_url": f"{meta.url}/v25.0", **settings}
    return platform.integrate("meta", values, {"access_token": TOKEN})


def end_calls(platform, count, fbclid="IwAR0abc", **visit):
    calls = platform.end_calls([{}] * count)
    for call in calls:
        platform.attribute(call, **{"click_ids": {"fbclid": fbclid}, **visit})
    return calls


def telling(platform, schedule=QUICK, **more):
    kind = SYSTEMS["meta"]
    quick = replace(kind, rate=Rate(per_s=1000.0, burst=1000), together=replace(kind.together, gather_s=0.0))
    return deliverer(platform.database, schedule, systems={"meta": quick}, **more)


def test_given_calls_of_clicks_then_one_request_tells_them_and_no_number(platform, meta, events):
    calls = end_calls(platform, 3)
    platform.turn(telling(platform))
    assert {id_ for _, id_ in meta.events} == {str(one) for one in calls}
    event = meta.events["Contact", str(calls[0])]
    assert event["action_source"] == "phone_call"
    assert event["user_data"]["fbc"].endswith(".IwAR0abc")
    assert CALLER not in str(meta.requests)
    assert len(meta.requests) == 1
    assert states(platform, events) == [("done", None)]
    told = [
        platform.integrations.get_delivery(events.agency_id, None, events.id, one.id) for one in platform.ledger(events)
    ]
    assert TOKEN not in str([one.attempts for one in told])


def test_given_the_number_is_told_then_it_is_hashed_and_test_events_count_nowhere(platform, meta):
    integrate(platform, meta, tell_caller=True, test_event_code="TEST1", event_name="Lead", value=5.0, currency="EUR")
    end_calls(platform, 1)
    platform.turn(telling(platform))
    (event,) = meta.test_events
    assert event["user_data"]["ph"] == [hashlib.sha256(CALLER.removeprefix("+").encode()).hexdigest()]
    assert (event["event_name"], event["custom_data"]) == ("Lead", {"value": 5.0, "currency": "EUR"})
    assert meta.events == {}


def test_given_one_event_that_refuses_all_then_it_alone_is_given_up(platform, meta, events):
    good = end_calls(platform, 6)
    (bad,) = end_calls(platform, 1, fbclid="not a click")
    platform.turn(telling(platform))
    (refusal,) = platform.ledger(events, state="given_up")
    assert (refusal.call_id, refusal.reason) == (bad, "code_100")
    assert {id_ for _, id_ in meta.events} == {str(one) for one in good}


def test_given_an_answer_that_is_lost_then_it_is_sent_again_and_counts_once(platform, meta, events, owner_engine):
    meta.misbehave(Fault("lose"))
    end_calls(platform, 2)
    platform.turn(telling(platform, HASTY))
    assert states(platform, events) == [("sent", "timed_out")]
    look_again(owner_engine)
    platform.turn(telling(platform))
    assert states(platform, events) == [("done", None)]
    assert len(meta.events) == 2


def test_given_no_consent_no_click_or_a_call_of_last_week_then_nothing_leaves(platform, meta, events):
    end_calls(platform, 1, consent="not_asked")
    end_calls(platform, 1, click_ids={"gclid": "Cj0"})
    end_calls(platform, 1)
    platform.turn(telling(platform, ahead=timedelta(days=8)))
    assert meta.requests == []
    assert states(platform, events) == [("done", "no_click"), ("given_up", "no_consent"), ("given_up", "too_old")]


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        (problem(400, 190, "token"), "broken", "code_190"),
        (problem(400, 17, "much"), "due", "rate_limited"),
        (problem(400, 80004, "much"), "due", "rate_limited"),
        (problem(500, 2, "temporary"), "sent", "code_2"),
        (problem(400, 100, "no"), "given_up", "code_100"),
        (Fault("refuse", 503, "away"), "due", "status_503"),
    ],
)
def test_given_a_documented_error_then_it_means_what_it_says(platform, meta, events, said, state, reason):
    meta.misbehave(Fault("refuse", said.status, said.body))
    end_calls(platform, 1)
    platform.turn(telling(platform))
    (entry,) = platform.ledger(events)
    found = platform.now(events)
    if state == "broken":
        assert (found.state, found.reason, entry.state) == ("broken", reason, "due")
    else:
        assert (found.state, entry.state, entry.reason) == ("active", state, reason)
    assert meta.events == {}


def test_given_a_connection_test_then_it_names_the_data_set(platform, meta, events):
    (check,) = platform.integrations.test_connection(events.agency_id, None, events.id)
    assert (check.name, check.is_well, check.detail) == ("dataset", True, "Shop")
