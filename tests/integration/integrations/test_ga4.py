"""Google Analytics against a stand-in: events of the visit it knows, never twice, never without consent."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.vendors.ga4 import SECRET, STREAM, Ga4Server
from tests.vendors.server import Fault

from .conftest import CALLER, HASTY, deliverer

IDS = {"ga": "1000000001.1787200000", "ga_sessions": {"ABC123DEF4": "1787209900"}}


@pytest.fixture
def analytics():
    made = Ga4Server()
    yield made
    made.stop()


@pytest.fixture
def ga4(platform, analytics):
    return integrate(platform, analytics)


def integrate(platform, analytics, **settings):
    return platform.integrate(
        "ga4", {"measurement_id": STREAM, "api_url": analytics.url, **settings}, {"api_secret": SECRET}
    )  # fmt: skip


def end_call(platform, **visit):
    call = platform.end_call()
    platform.attribute(call, **{"analytics_ids": IDS, **visit})
    return call


def test_given_a_call_of_a_visit_with_consent_then_the_event_is_of_that_visit_and_tells_no_number(
    platform, analytics, ga4
):
    call = end_call(platform)
    platform.work()
    (event,) = analytics.events
    assert (event["client_id"], event["name"]) == (IDS["ga"], "phone_call")
    assert event["consent"] == {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"}
    said = event["params"]
    assert (said["session_id"], said["call_id"], said["talk_seconds"]) == ("1787209900", str(call), 42)
    assert (said["call_status"], said["engagement_time_msec"]) == ("answered", 1)
    assert CALLER not in str(analytics.requests)
    assert abs(event["timestamp_micros"] / 1e6 - (datetime.now(UTC).timestamp() - 60)) < 30
    (entry,) = platform.ledger(ga4)
    told = platform.integrations.get_delivery(ga4.agency_id, None, ga4.id, entry.id)
    assert (entry.state, entry.reason) == ("done", None)
    assert [(one["what"], one["status"]) for one in told.attempts] == [("POST mp/collect", 204)]
    assert SECRET not in str(told.attempts)


@pytest.mark.parametrize(("consent", "said"), [("refused", "refused"), ("not_asked", "not_asked")])
def test_given_no_consent_on_the_record_then_nothing_leaves_and_the_ledger_says_why(
    platform, analytics, ga4, consent, said
):
    end_call(platform, consent=consent)
    platform.end_call()
    platform.work()
    assert analytics.requests == []
    ledger = platform.ledger(ga4)
    assert {(one.state, one.reason) for one in ledger} == {("given_up", "no_consent")}
    assert any(said in (one.detail or "") for one in ledger)


def test_given_a_visit_that_analytics_does_not_know_then_there_is_nothing_to_tell(platform, analytics, ga4):
    end_call(platform, analytics_ids={})
    platform.work()
    (entry,) = platform.ledger(ga4)
    assert (entry.state, entry.reason) == ("done", "no_client_id")
    assert analytics.requests == []


def test_given_a_long_talk_then_a_lead_is_told_too_with_its_value(platform, analytics):
    integrate(platform, analytics, lead_talk_s=40, value=50.0, currency="EUR", ad_personalization=True)
    end_call(platform)
    platform.work()
    assert [one["name"] for one in analytics.events] == ["phone_call", "generate_lead"]
    assert [(one["params"]["value"], one["params"]["currency"]) for one in analytics.events] == [(50.0, "EUR")] * 2
    assert analytics.events[0]["consent"]["ad_personalization"] == "GRANTED"
    assert len(analytics.requests) == 1


def test_given_only_missed_calls_are_wanted_then_others_are_not_told(platform, analytics):
    made = integrate(platform, analytics, calls="missed")
    end_call(platform)
    missed = platform.end_call(outcome="no_answer")
    platform.attribute(missed, analytics_ids=IDS)
    platform.work()
    assert [one["params"]["call_id"] for one in analytics.events] == [str(missed)]
    assert {(one.state, one.reason) for one in platform.ledger(made)} == {("done", "not_wanted"), ("done", None)}


@pytest.mark.parametrize(("repeats", "events", "state"), [(False, 1, "given_up"), (True, 2, "done")])
def test_given_an_answer_that_is_lost_then_the_event_is_not_counted_twice_unless_the_client_prefers_it(
    platform, analytics, repeats, events, state
):
    made = integrate(platform, analytics, repeat_in_doubt=repeats)
    analytics.misbehave(Fault("lose"))
    end_call(platform)
    platform.turn(deliverer(platform.database, HASTY))
    assert platform.ledger(made)[0].state == "sent"
    platform.work()
    (entry,) = platform.ledger(made)
    assert (entry.state, entry.reason) == (state, None if repeats else "in_doubt")
    assert len(analytics.events) == events


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_given_a_host_that_fails_then_the_event_is_sent_once_it_is_well(platform, analytics, ga4, status):
    analytics.misbehave(Fault("refuse", status, "out of order"))
    end_call(platform)
    platform.work()
    (entry,) = platform.ledger(ga4)
    assert (entry.state, entry.tries) == ("done", 2)
    assert len(analytics.events) == 1


def test_given_a_limit_then_it_waits_and_it_is_no_try(platform, analytics, ga4):
    analytics.misbehave(Fault("refuse", 429, "slow down", {"retry-after": "600"}))
    end_call(platform)
    platform.turn()
    (entry,) = platform.ledger(ga4)
    assert (entry.state, entry.reason, entry.tries) == ("due", "rate_limited", 0)
    assert analytics.events == []


def test_given_a_call_of_days_ago_then_it_is_not_told_as_one_of_today(platform, analytics, ga4):
    end_call(platform)
    platform.work(deliverer(platform.database, ahead=timedelta(hours=73)))
    (entry,) = platform.ledger(ga4)
    assert (entry.state, entry.reason) == ("given_up", "too_old")
    assert analytics.requests == []


def test_given_a_connection_test_then_the_validation_host_says_whether_our_events_are_valid(platform, analytics, ga4):
    (event,) = platform.integrations.test_connection(ga4.agency_id, None, ga4.id)
    assert event.is_well, event.detail
    assert [one.path for one in analytics.requests] == ["/debug/mp/collect"]
    assert analytics.events == []
    message = {"fieldPath": "events", "description": "too bad", "validationCode": "VALUE_INVALID"}
    analytics.misbehave(Fault("answer", 200, {"validationMessages": [message]}))
    (event,) = platform.integrations.test_connection(ga4.agency_id, None, ga4.id)
    assert (event.is_well, event.detail) == (False, "events: too bad (VALUE_INVALID)")
    analytics.misbehave(Fault("answer", 200, "<html>"))
    (event,) = platform.integrations.test_connection(ga4.agency_id, None, ga4.id)
    assert "look at api_url" in event.detail


def test_given_a_dry_run_then_it_shows_the_event_and_nothing_leaves(platform, analytics, ga4):
    call = end_call(platform)
    shown = platform.integrations.preview_call(ga4.agency_id, None, ga4.id, call, "call.ended")
    assert shown.outcome == "would_send"
    (request,) = shown.requests
    assert request.url == f"{analytics.url}/mp/collect?measurement_id={STREAM}&api_secret=•••"
    assert request.body["events"][0]["params"]["call_id"] == str(call)
    assert analytics.requests == []
