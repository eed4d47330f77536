"""Yandex.Metrica against a stand-in: many calls in one file, each once, a wrong one alone, and what became of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialtrace.integrations.model import Rate
from dialtrace.integrations.registry import SYSTEMS
from tests.vendors.metrica import COUNTER, TOKEN, MetricaServer, refused
from tests.vendors.server import Fault

from .conftest import CALLER, HASTY, QUICK, deliverer

IDS = {"ym": "1787200000123456789"}


@pytest.fixture
def counter():
    made = MetricaServer()
    yield made
    made.stop()


@pytest.fixture
def metrica(platform, counter):
    return integrate(platform, counter)


def integrate(platform, counter, **settings):
    values = {"counter_id": COUNTER, "api_url": counter.url, **settings}
    return platform.integrate("metrica", values, {"token": TOKEN})


def end_calls(platform, count, **visit):
    calls = platform.end_calls([{}] * count)
    for call in calls:
        platform.attribute(call, **{"analytics_ids": IDS, **visit})
    return calls


def telling(platform, schedule=QUICK, *, gather_s=0.0, most=200, **more):
    """The stand-in's quota is not that of a day, and nobody waits ten minutes."""
    kind = SYSTEMS["metrica"]
    quick = replace(
        kind, rate=Rate(per_s=1000.0, burst=1000), together=replace(kind.together, gather_s=gather_s, most=most)
    )  # fmt: skip
    return deliverer(platform.database, schedule, systems={"metrica": quick}, **more)


def look_again(owner_engine):
    """The time to ask what became of it has come."""
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE integration_deliveries SET due_at = now() WHERE state IN ('due', 'sent')")


def states(platform, integration):
    return sorted({(one.state, one.reason) for one in platform.ledger(integration)})


def test_given_many_calls_then_one_file_tells_them_and_they_are_done_when_metrica_is(
    platform, counter, metrica, owner_engine
):
    calls = end_calls(platform, 12)
    counter.slowness = 2
    platform.turn(telling(platform))
    (upload,) = counter.uploads
    assert upload["comment"].startswith("dialtrace ")
    assert len(upload["lines"]) == len(calls)
    line = upload["lines"][0]
    assert (line["ClientId"], line["StaticCall"], line["TalkDuration"]) == ("1787200000123456789", "0", "42")
    assert (line["CallMissed"], line["Tag"], line["URL"]) == ("0", "answered", "https://shop.example/windows")
    assert CALLER not in str(counter.requests)
    assert states(platform, metrica) == [("due", "processing")]
    for _ in range(2):
        look_again(owner_engine)
        platform.turn(telling(platform))
    assert states(platform, metrica) == [("done", None)]
    assert [one.path.rpartition("/")[2] for one in counter.requests] == ["upload_calls", "1", "1"]
    assert {one.tries for one in platform.ledger(metrica)} == {1}


def test_given_what_is_kept_of_a_file_then_each_calls_ledger_has_its_own_line_only(platform, counter):
    made = integrate(platform, counter, tell_caller=True)
    callers = ["+442079460111", "+442079460222"]
    for call in platform.end_calls([{"caller": one} for one in callers]):
        platform.attribute(call, analytics_ids=IDS)
    platform.turn(telling(platform))
    assert sorted(one["PhoneNumber"] for one in counter.lines()) == callers
    for entry in platform.ledger(made):
        told = platform.integrations.get_delivery(made.agency_id, None, made.id, entry.id)
        (exchange,) = told.attempts
        assert (exchange["what"], exchange["status"]) == ("POST upload_calls", 200)
        assert sum(one in exchange["sent"] for one in callers) == 1
        assert TOKEN not in str(told.attempts)


def test_given_one_line_that_metrica_refuses_then_all_others_are_told_once_and_it_alone_is_given_up(
    platform, counter, metrica
):
    calls = end_calls(platform, 9)
    wrong = end_calls(platform, 1, landing_page="https://shop.example/wrong")
    counter.is_wrong = lambda line: line["URL"].endswith("wrong")
    platform.turn(telling(platform))
    assert len(counter.lines()) == len(calls)
    (refusal,) = platform.ledger(metrica, state="given_up")
    assert (refusal.call_id, refusal.reason) == (wrong[0], "status_400")
    assert "invalid_uploading" in refusal.detail


def test_given_a_file_whose_answer_is_lost_then_it_is_found_by_our_id_and_not_sent_again(platform, counter, metrica):
    counter.misbehave(Fault("lose"))
    end_calls(platform, 5)
    platform.turn(telling(platform, HASTY))
    assert states(platform, metrica) == [("sent", "timed_out")]
    end_calls(platform, 2)
    platform.turn(telling(platform))
    assert [len(one["lines"]) for one in counter.uploads] == [5, 2]
    assert states(platform, metrica) == [("due", "processing")]


def test_given_a_file_that_was_never_taken_and_nobody_knows_then_it_is_looked_for_and_sent_again(
    platform, counter, metrica
):
    counter.misbehave(Fault("refuse", 504, refused(504, "timeout", "Query was timed out").body))
    end_calls(platform, 3)
    platform.turn(telling(platform))
    assert states(platform, metrica) == [("sent", "status_504")]
    (first,) = (one.query["comment"] for one in counter.requests)
    platform.turn(telling(platform))
    assert [one.path.rpartition("/")[2] for one in counter.requests[1:]] == ["calls_uploadings", "upload_calls"]
    (upload,) = counter.uploads
    assert upload["comment"] != first, "not all of the first file's calls may be at hand"
    assert len(upload["lines"]) == 3


def test_given_calls_known_by_client_and_by_click_then_they_never_share_a_file(platform, counter, metrica):
    end_calls(platform, 2)
    end_calls(platform, 1, analytics_ids={}, click_ids={"yclid": "17872"})
    end_calls(platform, 1, analytics_ids={})
    platform.turn(telling(platform))
    assert sorted(len(one["lines"]) for one in counter.uploads) == [1, 2]
    assert {one.reason for one in platform.ledger(metrica, state="done")} == {"no_client_id"}


def test_given_conversions_then_the_goal_is_reached_with_its_value(platform, counter):
    integrate(
        platform, counter, upload="conversions", goal="phone_call", value=1500.0, currency="RUB", calls="answered"
    )  # fmt: skip
    end_calls(platform, 1)
    missed = platform.end_call(outcome="busy")
    platform.attribute(missed, analytics_ids=IDS)
    platform.turn(telling(platform))
    (line,) = counter.lines()
    assert (line["Target"], line["Price"], line["Currency"]) == ("phone_call", "1500.00", "RUB")
    assert counter.uploads[0]["kind"] == "conversions"


def test_given_no_consent_or_a_visit_of_last_month_then_nothing_leaves(platform, counter, metrica):
    end_calls(platform, 1, consent="refused")
    end_calls(platform, 1)
    platform.turn(telling(platform, ahead=timedelta(days=22)))
    assert counter.requests == []
    assert states(platform, metrica) == [("given_up", "no_consent"), ("given_up", "too_old")]


def test_given_calls_of_these_minutes_then_they_wait_for_one_file_and_those_of_before_do_not(
    platform, counter, metrica
):
    end_calls(platform, 2)
    hour_s = 10 * 365 * 86_400.0
    platform.turn(telling(platform, gather_s=hour_s))
    assert states(platform, metrica) == [("due", "gathering")]
    assert counter.requests == []
    assert platform.ledger(metrica)[0].due_at > datetime.now(UTC) + timedelta(minutes=1)
    platform.integrations.resume_integration(metrica.agency_id, None, metrica.id)
    platform.turn(telling(platform))
    assert len(counter.uploads) == 1


def test_given_nobody_of_a_file_is_known_then_the_ledger_says_so_and_what_to_do(
    platform, counter, metrica, owner_engine
):
    counter.known = set()
    end_calls(platform, 2)
    platform.turn(telling(platform))
    look_again(owner_engine)
    platform.turn(telling(platform))
    assert states(platform, metrica) == [("given_up", "linkage_failure")]
    assert "extended window" in platform.ledger(metrica)[0].detail


def test_given_a_file_that_is_never_worked_off_then_it_is_given_up_after_a_day(
    platform, counter, metrica, owner_engine
):
    counter.slowness = 1000
    end_calls(platform, 1)
    platform.turn(telling(platform))
    look_again(owner_engine)
    platform.turn(telling(platform))
    assert states(platform, metrica) == [("due", "processing")]
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE integration_objects SET begun_at = begun_at - interval '25 hours'")
    look_again(owner_engine)
    platform.turn(telling(platform))
    assert states(platform, metrica) == [("given_up", "not_processed")]


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        (refused(401, "unauthorized", "no"), "broken", "unauthorized"),
        (refused(403, "access_denied", "no"), "broken", "access_denied"),
        (refused(404, "not_found", "no"), "broken", "not_found"),
        (refused(429, "quota_requests_by_uid", "much"), "due", "rate_limited"),
        (refused(409, "conflict", "no"), "given_up", "status_409"),
        (refused(503, "backend_error", "no"), "due", "status_503"),
        (refused(504, "timeout", "no"), "sent", "status_504"),
    ],
)
def test_given_a_documented_error_then_it_means_what_it_says(platform, counter, metrica, said, state, reason):
    counter.misbehave(Fault("refuse", said.status, said.body))
    end_calls(platform, 1)
    platform.turn(telling(platform))
    (entry,) = platform.ledger(metrica)
    found = platform.now(metrica)
    if state == "broken":
        assert (found.state, found.reason, entry.state) == ("broken", reason, "due")
    else:
        assert (found.state, entry.state, entry.reason) == ("active", state, reason)
    assert counter.uploads == []


def test_given_a_connection_test_then_it_says_whether_visits_of_21_days_are_joined(platform, counter, metrica):
    test = platform.integrations.test_connection
    assert [one.is_well for one in test(metrica.agency_id, None, metrica.id)] == [True, True]
    counter.is_window_open = False
    checks = test(metrica.agency_id, None, metrica.id)
    assert [(one.name, one.is_well) for one in checks] == [("counter", True), ("window", False)]
    assert "Data upload" in checks[1].detail


def test_given_a_dry_run_then_it_shows_the_file(platform, counter, metrica):
    (call,) = end_calls(platform, 1)
    shown = platform.integrations.preview_call(metrica.agency_id, None, metrica.id, call, "call.ended")
    assert shown.outcome == "would_send"
    assert "1787200000123456789" in shown.requests[0].body
    assert counter.requests == []
