"""amoCRM against a stand-in of an account: calls on cards, callers whom nobody has, lost answers, tokens."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from dialtrace.integrations.model import Rate
from dialtrace.integrations.registry import SYSTEMS
from tests.vendors.amocrm import TOKEN, UTM_FIELDS, AmocrmServer, problem
from tests.vendors.server import Fault

from .conftest import CALLER, HASTY, QUICK, deliverer


@pytest.fixture
def account():
    made = AmocrmServer()
    yield made
    made.stop()


@pytest.fixture
def amocrm(platform, account):
    return integrate(platform, account)


def integrate(platform, account, secrets=None, **settings):
    return platform.integrate("amocrm", {"account_url": account.url, **settings}, secrets or {"token": TOKEN})


def telling(platform, schedule=QUICK):
    """The stand-in bears more than an account: a test need not wait as long."""
    quick = replace(SYSTEMS["amocrm"], rate=Rate(per_s=10_000.0, burst=1000))
    return deliverer(platform.database, schedule, systems={"amocrm": quick})


def asks(path):
    return lambda asked: asked.method == "POST" and asked.path.endswith(path)


def test_given_a_caller_whom_the_account_knows_then_the_call_is_on_his_card_and_nothing_else_is_made(
    platform, account, amocrm
):
    contact = account.know("8 (20) 7946-0999")
    call = platform.end_call()
    platform.work(telling(platform))
    (made,) = account.calls
    assert made["entity_id"] == contact
    said = made["said"]
    assert (said["uniq"], said["direction"], said["duration"], said["call_status"]) == (str(call), "inbound", 42, 4)
    assert account.leads == account.unsorted == []
    assert [(one.state, one.reason) for one in platform.ledger(amocrm)] == [("done", None)]


def test_given_a_caller_whom_nobody_has_then_a_lead_with_a_contact_is_made_and_the_call_finds_its_place(
    platform, account
):
    made = integrate(
        platform, account, pipeline_id=12, status_id=40, user_id=5, tag="call", source_name="Our numbers"
    )  # fmt: skip
    call = platform.end_call()
    platform.attribute(call)
    platform.work(telling(platform))
    (lead,) = account.leads
    assert (lead["pipeline_id"], lead["status_id"], lead["responsible_user_id"]) == (12, 40, 5)
    assert lead["tags_to_add"] == [{"name": "call"}]
    assert lead["custom_fields_values"] == [{"field_id": UTM_FIELDS["UTM_SOURCE"], "values": [{"value": "google"}]}]
    (contact,) = account.contacts
    (told,) = account.calls
    assert (contact["phone"], told["entity_id"], told["said"]["source"]) == (CALLER, contact["id"], "Our numbers")
    assert platform.ledger(made)[0].state == "done"
    platform.end_call()
    platform.work(telling(platform))
    assert (len(account.leads), len(account.calls)) == (1, 2), "the second call of the same caller has a place"


def test_given_incoming_leads_are_wanted_then_the_caller_is_one_with_the_calls_event(platform, account):
    made = integrate(platform, account, unknown_caller="unsorted", pipeline_id=11)
    call = platform.end_call(outcome="no_answer")
    platform.work(telling(platform))
    (entry,) = account.unsorted
    assert (entry["metadata"]["uniq"], entry["metadata"]["phone"]) == (str(call), CALLER)
    assert entry["metadata"]["is_call_event_needed"] is True
    assert entry["pipeline_id"] == 11
    assert account.calls == account.leads == []
    assert platform.ledger(made)[0].state == "done"


def test_given_nothing_is_to_be_made_then_the_ledger_says_why_the_call_is_not_there(platform, account):
    made = integrate(platform, account, unknown_caller="none")
    platform.end_call()
    platform.end_call(caller=None)
    platform.work(telling(platform))
    assert sorted((one.state, one.reason) for one in platform.ledger(made)) == [
        ("done", "no_caller"), ("done", "unknown_caller"),
    ]  # fmt: skip
    assert account.calls == account.leads == []


@pytest.mark.parametrize(
    ("path", "settings"),
    [("/calls", {}), ("/leads/complex", {}), ("/leads/unsorted/sip", {"unknown_caller": "unsorted"})],
)
def test_given_an_answer_that_is_lost_after_something_was_made_then_it_is_not_made_twice(
    platform, account, path, settings
):
    made = integrate(platform, account, **settings)
    if path == "/calls":
        account.know(CALLER)
    account.misbehave(Fault("lose", wanted=asks(path)))
    platform.end_call()
    platform.turn(telling(platform, HASTY))
    assert platform.ledger(made)[0].state == "sent"
    platform.work(telling(platform))
    assert platform.ledger(made)[0].state == "done"
    assert len(account.contacts) <= 1
    assert len(account.leads) + len(account.unsorted) == (0 if path == "/calls" else 1)
    assert len(account.calls) == (0 if settings else 1)


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (problem(401, "Unauthorized"), "broken", "status_401"),
        (problem(402, "Payment Required"), "broken", "status_402"),
        (problem(403, "Forbidden"), "broken", "status_403"),
        (problem(404, "Not Found"), "given_up", "status_404"),
        (problem(400, "bad", [({}, "phone", "This value is not valid.")]), "given_up", "status_400"),
        (problem(429, "Too Many Requests"), "due", "rate_limited"),
        (problem(500, "Internal"), "sent", "status_500"),
        (problem(503, "Unavailable"), "due", "status_503"),
    ],
)
def test_given_a_documented_error_then_it_means_what_it_says(platform, account, amocrm, fault, state, reason):
    account.know(CALLER)
    account.misbehave(Fault("refuse", fault.status, fault.body, fault.headers, wanted=asks("/calls")))
    platform.end_call()
    platform.turn(telling(platform))
    (entry,) = platform.ledger(amocrm)
    found = platform.now(amocrm)
    if state == "broken":
        assert (found.state, found.reason, entry.state) == ("broken", reason, "due")
        assert found.detail
    else:
        assert (found.state, entry.state, entry.reason) == ("active", state, reason)
    assert account.calls == []


def test_given_a_lead_that_the_account_refuses_then_the_ledger_names_the_field(platform, account):
    made = integrate(platform, account, pipeline_id=77)
    platform.end_call()
    platform.work(telling(platform))
    (entry,) = platform.ledger(made)
    assert (entry.state, entry.reason) == ("given_up", "status_400")
    assert "pipeline_id: Not found" in entry.detail
    checks = platform.integrations.test_connection(made.agency_id, None, made.id)
    assert [(one.name, one.is_well) for one in checks] == [("account", True), ("pipeline", False)]
    assert "11, 12" in checks[1].detail


@pytest.fixture
def application(account):
    return {
        "client_id": "c0ffee", "client_secret": "very secret", "redirect_uri": "https://calls.example/",
        "access_token": account.access, "refresh_token": account.refresh,
    }  # fmt: skip


def test_given_a_token_that_runs_out_in_the_middle_then_it_is_renewed_once_and_kept(platform, account, application):
    made = integrate(platform, account, application)
    platform.end_call()
    platform.work(telling(platform))
    account.expire()
    platform.end_calls([{"caller": f"+44207946{place:04}"} for place in range(4)])
    platform.work(telling(platform), side_by_side=4)
    assert account.renewals == 1
    assert len(account.calls) == 5
    assert {one.state for one in platform.ledger(made)} == {"done"}
    told = [platform.integrations.get_delivery(made.agency_id, None, made.id, one.id) for one in platform.ledger(made)]
    for secret in ("very secret", "access-token-1", "refresh-token-0", "refresh-token-1"):
        assert secret not in str([one.attempts for one in told])


def test_given_a_refresh_token_that_is_over_then_the_integration_stops_and_says_what_to_do(
    platform, account, application
):
    made = integrate(platform, account, {**application, "access_token": None, "refresh_token": "over"})
    platform.end_call()
    platform.turn(telling(platform))
    broken = platform.now(made)
    assert (broken.state, broken.reason) == ("broken", "token_refused")
    assert "grant access anew" in broken.detail


def test_given_many_calls_and_a_tenth_of_answers_broken_then_each_is_there_once(platform, account, amocrm):
    chance = random.Random(7)

    def mood(asked):
        roll = chance.random()
        if roll < 0.05:
            return Fault("refuse", 503, problem(503, "Unavailable").body)
        return Fault("answer", 500, problem(500, "Internal").body) if roll < 0.1 else None

    account.mood = mood
    calls = platform.end_calls([{"caller": f"+4420794{place:05}"} for place in range(120)])
    patient = replace(QUICK, delays_s=(0.01,) * 11)
    platform.work(telling(platform, patient), timeout_s=120.0, side_by_side=4)
    there = Counter(one["said"]["uniq"] for one in account.calls)
    assert set(there.values()) == {1}
    given_up = {str(one.call_id) for one in platform.ledger(amocrm, state="given_up")}
    assert {str(one) for one in calls} == set(there) | given_up
    assert len({one["phone"] for one in account.contacts}) == len(account.contacts), "nobody was made twice"


def test_given_a_dry_run_then_it_shows_the_lead_of_a_new_caller_and_the_call(platform, account, amocrm):
    call = platform.end_call()
    shown = platform.integrations.preview_call(amocrm.agency_id, None, amocrm.id, call, "call.ended")
    assert shown.outcome == "would_send"
    assert [one.url.rpartition("/v4/")[2] for one in shown.requests] == ["calls", "leads/complex", "calls"]
    assert account.requests == []
