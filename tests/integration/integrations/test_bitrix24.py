"""Bitrix24 against a stand-in of its portal: documented answers, lost ones, tokens, and many calls on a bad day."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dialtrace.integrations.delivering import open_secrets
from dialtrace.integrations.store import lock_secrets
from tests.vendors.bitrix24 import SAME_WITHIN_S, SECRET, Bitrix24Server
from tests.vendors.server import Fault

from .conftest import BOX, CALLER, HASTY, deliverer


@pytest.fixture
def portal():
    made = Bitrix24Server()
    yield made
    made.stop()


@pytest.fixture
def bitrix(platform, portal):
    return platform.integrate("bitrix24", {"user_id": 1}, {"webhook_url": portal.webhook_url})


def asks(method):
    """For a fault: of this method only."""
    return lambda asked: asked.path.removesuffix(".json").endswith(method)


def refusal(status, code, **more):
    return {"status": status, "body": {"error": code, "error_description": "so it is", **more}}


def leads_of(portal, call):
    return [one for one in portal.items[1] if one["originId"] == str(call)]


def test_given_a_call_of_a_new_caller_then_lead_card_call_and_comment_are_there_once(platform, portal, bitrix):
    call = platform.ring()
    platform.work()
    (lead,) = leads_of(portal, call)
    assert (lead["utmSource"], lead["utmCampaign"]) == ("yandex", "spring")
    (registered,) = portal.calls.values()
    assert (registered["SHOW"], registered["LINE_NUMBER"], registered["PHONE_NUMBER"]) == (1, "+442079460123", CALLER)
    assert (registered["CRM_ENTITY_TYPE"], registered["CRM_ENTITY_ID"]) == ("LEAD", lead["id"])
    platform.end_call(call)
    platform.work()
    assert registered["finished"]["STATUS_CODE"] == "200"
    assert registered["finished"]["DURATION"] == 42
    assert len(portal.items[1]) == len(portal.calls) == len(portal.comments) == 1
    assert portal.tasks == []
    assert [one.state for one in platform.ledger(bitrix)] == ["done", "done"]


def test_given_a_missed_call_of_a_known_contact_then_no_lead_and_a_task_for_whose_target_it_is(
    platform, portal, bitrix
):
    portal.items[3].append({"id": 7, "fm": [{"value": CALLER}]})
    platform.end_call(outcome="no_answer")
    platform.work()
    assert portal.items[1] == []
    (registered,) = portal.calls.values()
    assert (registered["CRM_ENTITY_TYPE"], registered["CRM_ENTITY_ID"]) == ("CONTACT", 7)
    assert registered["finished"]["STATUS_CODE"] == "304"
    (task,) = portal.tasks
    assert (task["RESPONSIBLE_ID"], task["UF_CRM_TASK"]) == (1, ["C_7"])


def test_given_a_portal_that_takes_no_calls_of_webhooks_then_its_crm_is_told(platform, portal, bitrix):
    portal.takes_calls = False
    call = platform.ring()
    platform.work()
    platform.end_call(call, outcome="busy")
    platform.work()
    reasons = {one.type: one.reason for one in platform.ledger(bitrix)}
    assert reasons == {"call.ringing": "crm_only", "call.ended": None}
    assert len(portal.items[1]) == len(portal.comments) == len(portal.tasks) == 1
    checks = platform.integrations.test_connection(bitrix.agency_id, None, bitrix.id)
    assert [(one.name, one.is_well) for one in checks] == [("crm", True), ("user", True), ("telephony", True)]
    assert "applications only" in checks[2].detail


def test_given_an_old_portal_then_leads_are_made_the_old_way(platform, portal, bitrix):
    portal.knows_items = False
    call = platform.end_call()
    platform.work()
    assert len(leads_of(portal, call)) == 1
    assert platform.ledger(bitrix)[0].state == "done"


def test_given_a_withheld_number_then_the_ledger_says_why_nothing_was_told(platform, portal, bitrix):
    platform.end_call(caller=None)
    platform.work()
    (entry,) = platform.ledger(bitrix)
    assert (entry.state, entry.reason) == ("done", "no_caller")
    assert portal.requests == []


@pytest.mark.parametrize(
    "method",
    ["crm.item.add", "telephony.externalCall.register", "telephony.externalCall.finish", "crm.timeline.comment.add",
     "tasks.task.add"],
)  # fmt: skip
def test_given_an_answer_that_is_lost_after_something_was_made_then_it_is_not_made_twice(
    platform, portal, bitrix, method
):
    portal.misbehave(Fault("lose", wanted=asks(method)))
    platform.end_call(outcome="no_answer")
    platform.turn(deliverer(platform.database, HASTY))
    assert platform.ledger(bitrix)[0].state == "sent"
    platform.work()
    assert platform.ledger(bitrix)[0].state == "done"
    made = (portal.items[1], portal.calls, portal.comments, portal.tasks)
    assert [len(one) for one in made] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (refusal(401, "NO_AUTH_FOUND"), "broken", "no_auth_found"),
        (refusal(200, "NO_AUTH_FOUND"), "broken", "no_auth_found"),
        (refusal(403, "insufficient_scope"), "broken", "insufficient_scope"),
        (refusal(403, "ACCESS_DENIED"), "broken", "access_denied"),
        (refusal(500, "PORTAL_DELETED"), "broken", "portal_deleted"),
        (refusal(503, "QUERY_LIMIT_EXCEEDED"), "due", "rate_limited"),
        (refusal(200, "QUERY_LIMIT_EXCEEDED"), "due", "rate_limited"),
        (refusal(429, "OPERATION_TIME_LIMIT"), "due", "time_limit"),
        (refusal(500, "INTERNAL_SERVER_ERROR"), "sent", "portal_fails"),
        (refusal(400, "INVALID_REQUEST"), "given_up", "invalid_request"),
        (refusal(503, "NOBODY_KNOWS_THIS"), "due", "status_503"),
        (refusal(500, "NOBODY_KNOWS_THIS"), "sent", "status_500"),
        (refusal(429, "NOBODY_KNOWS_THIS"), "due", "rate_limited"),
        (
            {"status": 302, "body": "moved", "headers": {"location": "https://a.invalid/"}},
            "broken",
            "status_302",
        ),
        ({"status": 200, "body": "<html>"}, "sent", "not_bitrix24"),
    ],
)
def test_given_a_documented_error_then_it_means_what_it_says(platform, portal, bitrix, fault, state, reason):
    portal.misbehave(Fault("refuse", **fault, wanted=asks("crm.item.add")))
    platform.end_call()
    platform.turn()
    (entry,) = platform.ledger(bitrix)
    found = platform.now(bitrix)
    if state == "broken":
        assert (found.state, found.reason, entry.state) == ("broken", reason, "due")
        assert found.detail
    else:
        assert (found.state, entry.state, entry.reason) == ("active", state, reason)
    assert portal.items[1] == []


def test_given_an_entity_that_is_closed_to_us_then_its_comment_alone_is_given_up(platform, portal, bitrix):
    portal.misbehave(Fault("refuse", **refusal(403, "ACCESS_DENIED"), wanted=asks("crm.timeline.comment.add")))
    platform.end_call(outcome="no_answer")
    platform.work()
    (entry,) = platform.ledger(bitrix)
    assert (entry.state, entry.reason) == ("given_up", "access_denied")
    assert platform.now(bitrix).state == "active"
    assert len(portal.tasks) == 1


def test_given_a_portal_that_repeats_the_last_piece_of_a_webhooks_address_then_nobody_is_shown_it(
    platform, portal, bitrix
):
    body = {"error": "INVALID_REQUEST", "error_description": f"webhook {SECRET} may not"}
    portal.misbehave(Fault("refuse", 400, body, wanted=asks("crm.item.add")))
    platform.end_call()
    platform.work()
    (entry,) = platform.ledger(bitrix)
    assert entry.detail == "INVALID_REQUEST: webhook ••• may not"
    told = platform.integrations.get_delivery(bitrix.agency_id, None, bitrix.id, entry.id)
    assert SECRET not in str(told.attempts)


@pytest.fixture
def application(portal):
    return {
        "client_id": "local.1", "client_secret": "very secret", "access_token": portal.access,
        "refresh_token": portal.refresh,
    }  # fmt: skip


@pytest.fixture
def installed(platform, portal, application):
    settings = {"user_id": 1, "portal_url": portal.url, "token_url": f"{portal.url}/oauth/token/"}
    return platform.integrate("bitrix24", settings, application)


def test_given_no_access_token_yet_then_one_is_asked_for_before_anything_else(platform, portal, application):
    settings = {"user_id": 1, "portal_url": portal.url, "token_url": f"{portal.url}/oauth/token/"}
    made = platform.integrate("bitrix24", settings, {**application, "access_token": None})
    call = platform.end_call()
    shown = platform.integrations.preview_call(made.agency_id, None, made.id, call, "call.ended")
    assert shown.outcome == "would_send"
    platform.work()
    assert portal.requests[0].path == "/oauth/token/"
    assert portal.renewals == 1
    assert platform.ledger(made)[0].state == "done"


def test_given_tokens_that_are_being_renewed_then_others_come_again_and_nobody_waits_with_a_connection(
    platform, portal, installed
):
    portal.expire()
    platform.end_call()
    with platform.database.tenant(installed.agency_id) as connection:
        assert lock_secrets(connection, installed.id, wait=False)
        platform.turn()
    (entry,) = platform.ledger(installed)
    assert (entry.state, entry.reason, entry.tries) == ("due", "renewing", 0)
    platform.work()
    assert portal.renewals == 1
    assert platform.ledger(installed)[0].state == "done"


def test_given_secrets_that_are_changed_while_tokens_are_renewed_then_neither_is_lost(platform, portal, installed):
    made = deliverer(platform.database)
    kind = platform.integrations.systems["bitrix24"]
    kept = open_secrets(BOX, kind, installed.id, installed.sealed)
    change_it = platform.integrations.change_integration
    with ThreadPoolExecutor(1) as other:

        def ask(now):
            waiting.append(
                other.submit(
                    change_it, installed.agency_id, None, installed.id, expected_version=1,
                    secrets={"client_secret": "another"},
                )
            )  # fmt: skip
            time.sleep(0.3)
            assert not waiting[0].done()
            return now.model_copy(update={"refresh_token": "refresh-token-9"})

        waiting = []
        line = made.line(kind, installed.account, kept, is_urgent=True)
        made.renewer(kind, installed.agency_id, installed.id, line)(ask)
        changed = waiting[0].result(10)
    secrets = open_secrets(BOX, kind, installed.id, changed.sealed)
    assert (secrets.client_secret, secrets.refresh_token) == ("another", "refresh-token-9")


def test_given_a_lost_registration_and_another_person_responsible_since_then_it_is_repeated_as_it_was(
    platform, portal, bitrix
):
    portal.misbehave(Fault("lose", wanted=asks("telephony.externalCall.register")))
    platform.end_call()
    platform.turn(deliverer(platform.database, HASTY))
    platform.integrations.change_integration(
        bitrix.agency_id, None, bitrix.id, expected_version=1, settings={"user_id": 2}
    )
    platform.work()
    assert platform.ledger(bitrix)[0].state == "done"
    assert [one["USER_ID"] for one in portal.calls.values()] == [1]
    portal.ahead_s = SAME_WITHIN_S + 1
    register = next(one for one in portal.requests if asks("telephony.externalCall.register")(one))
    portal.handle(register)
    assert len(portal.calls) == 2, "half an hour later it is another call"


def test_given_a_token_that_runs_out_in_the_middle_then_it_is_renewed_once_and_kept(platform, portal):
    application = {
        "client_id": "local.1", "client_secret": "very secret", "access_token": portal.access,
        "refresh_token": portal.refresh,
    }  # fmt: skip
    settings = {"user_id": 1, "portal_url": portal.url, "token_url": f"{portal.url}/oauth/token/"}
    made = platform.integrate("bitrix24", settings, application)
    platform.end_call()
    platform.work()
    portal.expire()
    platform.end_calls([{"caller": f"+44207946{place:04}"} for place in range(4)])
    platform.work(side_by_side=4)
    assert portal.renewals == 1, "whoever comes second gets what the first was given"
    assert len(portal.calls) == 5
    assert {one.state for one in platform.ledger(made)} == {"done"}
    told = [platform.integrations.get_delivery(made.agency_id, None, made.id, one.id) for one in platform.ledger(made)]
    for secret in ("very secret", "access-token-1", "refresh-token-0", "access-token-0"):
        assert secret not in str([one.attempts for one in told])


def test_given_a_token_server_at_its_limit_then_nobody_who_asks_the_portal_rests(platform, portal, bitrix):
    application = {
        "client_id": "local.1", "client_secret": "very secret", "access_token": "old", "refresh_token": portal.refresh,
    }  # fmt: skip
    settings = {"user_id": 1, "portal_url": portal.url, "token_url": f"{portal.url}/oauth/token/"}
    made = platform.integrate("bitrix24", settings, application)
    body = {"error": "too_many_requests", "error_description": "so it is"}
    much = {"retry-after": "3600"}
    portal.misbehave(Fault("refuse", 429, body, much, wanted=lambda asked: asked.path == "/oauth/token/"))
    platform.end_call()
    platform.turn()
    (entry,) = platform.ledger(made)
    assert (entry.state, entry.reason, entry.tries) == ("due", "token_limited", 0)
    assert made.account == bitrix.account
    assert platform.ledger(bitrix)[0].state == "done", "the portal itself is asked on"
    platform.end_call()
    platform.turn()
    assert {one.state for one in platform.ledger(bitrix)} == {"done"}


def test_given_a_lost_registration_and_then_a_limit_then_the_doubt_stays_and_the_call_is_registered_once(
    platform, portal, bitrix
):
    register = asks("telephony.externalCall.register")
    portal.misbehave(
        Fault("lose", wanted=register), Fault("refuse", **refusal(429, "OPERATION_TIME_LIMIT"), wanted=register)
    )
    call = platform.end_call()
    platform.turn(deliverer(platform.database, HASTY))
    time.sleep(0.05)
    platform.turn()
    (entry,) = platform.ledger(bitrix)
    assert (entry.state, entry.reason) == ("due", "time_limit")
    platform.integrations.resume_integration(bitrix.agency_id, None, bitrix.id)
    platform.work()
    assert platform.ledger(bitrix)[0].state == "done"
    assert len(portal.calls) == 1
    assert len(leads_of(portal, call)) == 1


def test_given_a_doubt_that_is_older_than_the_portals_memory_then_a_limit_in_between_does_not_begin_it_anew(
    platform, portal, bitrix, owner_engine
):
    register = asks("telephony.externalCall.register")
    limit = Fault("refuse", **refusal(429, "OPERATION_TIME_LIMIT"), wanted=register)
    portal.misbehave(Fault("lose", wanted=register), limit)
    platform.end_call()
    platform.turn(deliverer(platform.database, HASTY))
    time.sleep(0.05)
    platform.turn()
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE integration_objects SET begun_at = begun_at - interval '40 minutes'")
    platform.integrations.resume_integration(bitrix.agency_id, None, bitrix.id)
    platform.work()
    (entry,) = platform.ledger(bitrix)
    assert (entry.state, entry.reason) == ("given_up", "in_doubt")
    assert len([one for one in portal.requests if register(one)]) == 2


def test_given_a_call_that_proves_a_number_then_its_ringing_is_told_to_nobody(platform, portal, bitrix):
    platform.ring(is_test=True)
    platform.work()
    (entry,) = platform.ledger(bitrix)
    assert (entry.type, entry.state, entry.reason) == ("call.ringing", "done", "test_call")
    assert portal.requests == []


def test_given_what_an_application_lacks_then_it_is_said(platform, portal):
    from dialtrace.integrations.errors import ValueRefused

    with pytest.raises(ValueRefused, match="webhook_url"):
        platform.integrate("bitrix24", {"user_id": 1}, {"client_id": "local.1"})


def bad_weather():
    """A tenth of the answers broken: lost ones after the deed, gateways, halves of answers, refusals."""
    chance = random.Random(7)

    def mood(_asked):
        kind = chance.random()
        if kind < 0.03:
            return Fault("answer", 500, {"error": "INTERNAL_SERVER_ERROR"})
        if kind < 0.06:
            return Fault("refuse", 502, "bad gateway")
        if kind < 0.08:
            return Fault("answer", 200, "cut of")
        return Fault("refuse", 400, {"error": "INVALID_REQUEST"}) if kind < 0.1 else None

    return mood


@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_given_many_calls_and_a_tenth_of_the_answers_broken_then_every_call_is_there_once_or_has_its_reason(
    platform, portal, bitrix, owner_engine, count
):
    portal.mood = bad_weather()
    calls = []
    for start in range(0, count, 500):
        places = range(start, min(start + 500, count))
        calls += platform.end_calls(
            [{"caller": f"+4420794{at:05}", "outcome": "no_answer" if at % 3 else "answered"} for at in places]
        )
    _without_a_rate(platform, bitrix, portal)
    with owner_engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT call_id, state, reason FROM integration_deliveries").all()
    ledger = {row.call_id: row for row in rows}
    assert set(ledger) == set(calls)
    leads = Counter(one["originId"] for one in portal.items[1])
    tasks = Counter(one["XML_ID"] for one in portal.tasks)
    comments = Counter(one["COMMENT"].rpartition("[dialtrace ")[2].rstrip("]") for one in portal.comments)
    registered = Counter(one["EXTERNAL_CALL_ID"] for one in portal.calls.values())
    finished = {one["EXTERNAL_CALL_ID"] for one in portal.calls.values() if one["finished"]}
    assert max(leads.values()) == max(tasks.values()) == max(comments.values()) == 1
    assert max(registered.values()) == 1
    for call, entry in ledger.items():
        assert entry.state in {"done", "given_up"}
        if entry.state == "done":
            assert leads[str(call)] == comments[str(call)] == 1
            assert str(call) in finished
        else:
            assert entry.reason


def _without_a_rate(platform, bitrix, portal):
    """The stand-in bears more than a portal: a test need not wait as long."""
    from dataclasses import replace

    from dialtrace.integrations.model import Rate
    from dialtrace.integrations.registry import SYSTEMS

    quick = replace(SYSTEMS["bitrix24"], rate=Rate(per_s=10_000.0, burst=1000))
    made = deliverer(platform.database, systems={"bitrix24": quick})
    platform.work(made, timeout_s=3000.0, side_by_side=4)
