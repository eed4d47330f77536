"""Google Ads against a stand-in of the Data Manager API: a bad conversion alone is refused, each counts once."""

import hashlib
from dataclasses import replace

import pytest

from dialtrace.integrations.model import Rate
from dialtrace.integrations.registry import SYSTEMS
from tests.vendors.google_ads import ACTION, CUSTOMER, SECRETS, GoogleAdsServer, invalid, problem
from tests.vendors.server import Fault

from .conftest import CALLER, HASTY, QUICK, deliverer
from .test_metrica import look_again, states


@pytest.fixture
def google():
    made = GoogleAdsServer()
    yield made
    made.stop()


@pytest.fixture
def ads(platform, google):
    return integrate(platform, google)


def integrate(platform, google, **settings):
    values = {"customer_id": CUSTOMER, "conversion_action_id": ACTION, "api_url": google.url, **settings}
    return platform.integrate("google_ads", {"token_url": f"{google.url}/token", **values}, SECRETS)


def end_calls(platform, count, gclid="Cj0KCQ", **visit):
    calls = platform.end_calls([{}] * count)
    for call in calls:
        platform.attribute(call, **{"click_ids": {"gclid": gclid}, **visit})
    return calls


def telling(platform, schedule=QUICK):
    kind = SYSTEMS["google_ads"]
    quick = replace(kind, rate=Rate(per_s=1000.0, burst=1000), together=replace(kind.together, gather_s=0.0))
    return deliverer(platform.database, schedule, systems={"google_ads": quick})


def follow(platform, owner_engine, times=1):
    for _ in range(times):
        look_again(owner_engine)
        platform.turn(telling(platform))


def test_given_calls_of_clicks_then_each_is_a_conversion_of_its_click_and_tells_no_number(
    platform, google, ads, owner_engine
):
    google.slowness = 1
    calls = end_calls(platform, 3)
    platform.turn(telling(platform))
    assert states(platform, ads) == [("due", "processing")]
    follow(platform, owner_engine, 2)
    assert states(platform, ads) == [("done", None)]
    assert set(google.conversions) == {str(one) for one in calls}
    event = google.conversions[str(calls[0])]
    assert event["adIdentifiers"] == {"gclid": "Cj0KCQ"}
    assert event["consent"] == {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED"}
    assert "userData" not in event
    assert CALLER not in str(google.requests)
    assert [one.path for one in google.requests].count("/v1/events:ingest") == 1


def test_given_enhanced_conversions_then_the_number_is_told_hashed(platform, google):
    integrate(platform, google, tell_caller=True, value=50.0, currency="EUR", login_customer_id="0000000001")
    end_calls(platform, 1)
    platform.turn(telling(platform))
    (event,) = google.requests_taken["request-1"]
    assert event["userData"]["userIdentifiers"] == [{"phoneNumber": hashlib.sha256(CALLER.encode()).hexdigest()}]
    assert (event["conversionValue"], event["currency"]) == (50.0, "EUR")
    assert CALLER not in str(google.requests)


def test_given_one_event_that_refuses_the_whole_request_then_it_is_found_and_all_others_are_told(
    platform, google, ads, owner_engine
):
    good = end_calls(platform, 6)
    (bad,) = end_calls(platform, 1, gclid="x" * 101)
    platform.turn(telling(platform))
    (refusal,) = platform.ledger(ads, state="given_up")
    assert (refusal.call_id, refusal.reason) == (bad, "invalid_format")
    follow(platform, owner_engine)
    assert set(google.conversions) == {str(one) for one in good}
    assert len(platform.ledger(ads, state="done")) == 6


def test_given_one_that_fails_when_it_is_worked_off_then_halves_tell_which_and_nothing_counts_twice(
    platform, google, ads, owner_engine
):
    good = end_calls(platform, 5)
    (bad,) = end_calls(platform, 1, gclid="unknown")
    google.unknown = {"unknown"}
    platform.turn(telling(platform))
    follow(platform, owner_engine, 5)
    assert states(platform, ads) == [("done", None), ("given_up", "invalid_gclid")]
    (refusal,) = platform.ledger(ads, state="given_up")
    assert refusal.call_id == bad
    assert set(google.conversions) == {str(one) for one in good}


def test_given_an_answer_that_is_lost_then_it_is_sent_again_and_counts_once(platform, google, ads, owner_engine):
    google.misbehave(Fault("lose", wanted=lambda asked: asked.path == "/v1/events:ingest"))
    calls = end_calls(platform, 2)
    platform.turn(telling(platform, HASTY))
    assert states(platform, ads) == [("sent", "timed_out")]
    follow(platform, owner_engine, 2)
    assert states(platform, ads) == [("done", None)]
    assert set(google.conversions) == {str(one) for one in calls}


def test_given_no_consent_or_no_click_of_googles_then_nothing_leaves(platform, google, ads):
    end_calls(platform, 1, consent="refused")
    end_calls(platform, 1, click_ids={"yclid": "17872"})
    missed = platform.end_call(outcome="no_answer")
    platform.attribute(missed, click_ids={"gclid": "Cj0KCQ"})
    platform.turn(telling(platform))
    assert google.requests == []
    assert states(platform, ads) == [("done", "no_click"), ("done", "not_wanted"), ("given_up", "no_consent")]


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        (invalid("destinations[0]", "INVALID_CONVERSION_ACTION_TYPE"), "broken", "invalid_conversion_action_type"),
        (problem(403, "PERMISSION_DENIED", "no"), "broken", "permission_denied"),
        (invalid("events.events[0].currency", "INVALID_CURRENCY_CODE"), "given_up", "invalid_currency_code"),
        (problem(429, "RESOURCE_EXHAUSTED", "much"), "due", "rate_limited"),
        (problem(500, "INTERNAL", "no"), "sent", "status_500"),
        (problem(503, "UNAVAILABLE", "no"), "due", "status_503"),
    ],
)
def test_given_a_documented_error_then_it_means_what_it_says(platform, google, ads, said, state, reason):
    google.misbehave(Fault("refuse", said.status, said.body, wanted=lambda asked: asked.path == "/v1/events:ingest"))
    end_calls(platform, 1)
    platform.turn(telling(platform))
    (entry,) = platform.ledger(ads)
    found = platform.now(ads)
    if state == "broken":
        assert (found.state, found.reason, entry.state) == ("broken", reason, "due")
        assert found.detail
    else:
        assert (found.state, entry.state, entry.reason) == ("active", state, reason)
    assert google.requests_taken == {}


def test_given_a_token_that_runs_out_then_it_is_renewed_and_one_that_was_revoked_stops_the_integration(
    platform, google, ads, owner_engine
):
    end_calls(platform, 1)
    platform.turn(telling(platform))
    google.expire()
    follow(platform, owner_engine)
    assert states(platform, ads) == [("done", None)]
    assert google.renewals == 2
    google.expire()
    google.misbehave(
        Fault("refuse", 400, {"error": "invalid_grant"}, wanted=lambda asked: asked.path == "/token")
    )  # fmt: skip
    end_calls(platform, 1)
    platform.turn(telling(platform))
    assert (platform.now(ads).state, platform.now(ads).reason) == ("broken", "invalid_grant")


def test_given_a_connection_test_then_google_looks_at_a_conversion_and_keeps_none(platform, google, ads):
    test = platform.integrations.test_connection
    (check,) = test(ads.agency_id, None, ads.id)
    assert check.is_well
    assert google.requests_taken == {}
    other = integrate(platform, google, conversion_action_id="999")
    (check,) = test(other.agency_id, None, other.id)
    assert not check.is_well
    assert "look at conversion_action_id" in check.detail
