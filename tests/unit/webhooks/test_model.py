"""When a message is tried again, and what an answer means."""

from datetime import UTC, datetime, timedelta

import pytest

from dialtrace.outgoing.model import Rules, parse_networks, read_retry_after
from dialtrace.webhooks.errors import ValueRefused
from dialtrace.webhooks.model import (
    DELAYS_S,
    JITTER,
    LONGEST_RETRY_AFTER_S,
    Schedule,
    WebhookValues,
    check_values,
    kept_headers,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def judge(status=None, *, tries=1, fault=None, retry_after_s=None, chance=0.5):
    return Schedule().judge(tries=tries, status=status, fault=fault, retry_after_s=retry_after_s, chance=chance)


def test_given_the_schedule_then_twelve_tries_within_72_hours_and_a_pause_before_anything_is_given_up():
    schedule = Schedule()
    assert (schedule.most_tries, sum(DELAYS_S)) == (12, 72 * 3600)
    assert schedule.pause_after_s < sum(DELAYS_S) * (1 - JITTER)
    assert list(DELAYS_S) == sorted(DELAYS_S)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_given_any_2xx_then_delivered_whatever_else_it_says(status):
    assert judge(status, tries=12).outcome == "delivered"


@pytest.mark.parametrize("tries", range(1, 12))
def test_given_a_failure_then_it_waits_as_long_as_its_try_says_a_little_more_or_less(tries):
    waits = [judge(500, tries=tries, chance=chance).delay_s for chance in (0.0, 0.5, 1.0)]
    assert waits == pytest.approx([DELAYS_S[tries - 1] * share for share in (1 - JITTER, 1, 1 + JITTER)])


def test_given_the_twelfth_failure_then_given_up():
    assert judge(500, tries=11).outcome == "retry"
    assert (judge(500, tries=12).outcome, judge(None, tries=12, fault="timed_out").fault) == ("failed", "timed_out")


@pytest.mark.parametrize(("status", "rest_s"), [(429, 5), (502, 5), (503, 5), (504, 5), (500, None), (302, None)])
def test_given_a_receiver_with_too_much_to_do_then_the_whole_endpoint_rests(status, rest_s):
    assert judge(status).rest_s == rest_s


def test_given_a_wish_for_patience_then_never_sooner_than_that_and_never_sooner_than_the_schedule():
    assert judge(503, retry_after_s=600).delay_s == 600
    assert judge(503, retry_after_s=600).rest_s == 600
    assert judge(429, tries=6, retry_after_s=1).delay_s == 10_800
    assert judge(500, retry_after_s=30).rest_s == 30


def test_given_410_then_gone_at_once():
    assert (judge(410).outcome, judge(410).fault) == ("gone", "status_410")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("30", 30), (" 0 ", 0), ("99999999999999999999", LONGEST_RETRY_AFTER_S), ("-1", None),
        ("1.5", None), ("soon", None), ("٣", None),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER_S),
    ],
)  # fmt: skip
def test_given_a_retry_after_then_its_seconds_within_a_day_or_nothing(text, seconds):
    assert read_retry_after(text, NOW, most_s=LONGEST_RETRY_AFTER_S) == seconds


def test_given_an_answers_head_then_only_what_is_no_secret_is_kept_and_not_all_of_it():
    kept = kept_headers({"set-cookie": "a=b", "authorization": "x", "server": "s" * 999, "content-type": "text/plain"})
    assert kept == {"content-type": "text/plain", "server": "s" * 200}


def test_given_a_name_then_it_is_judged_when_it_is_looked_up_and_plain_http_only_where_a_network_was_named():
    values = WebhookValues(url="http://crm.lan/hook")
    with pytest.raises(ValueRefused, match="https"):
        check_values(values, owner=None, rules=Rules())
    named = Rules(private_networks=parse_networks("10.0.0.0/8"))
    assert check_values(values, owner=None, rules=named).host == "crm.lan"
