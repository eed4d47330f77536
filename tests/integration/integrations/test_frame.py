"""What holds for every integration, shown with the simplest: doubt, tries, pauses, limits, back-fills, secrets."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from dialtrace.db.floor import confined
from dialtrace.integrations.accounts import Accounts, _judged
from dialtrace.integrations.claims import CallJournal
from dialtrace.integrations.delivering import _RESTING
from dialtrace.integrations.errors import (
    CallUnknown,
    ClaimLost,
    IntegrationUnknown,
    Later,
    NotWaiting,
    ValueRefused,
    VersionMismatch,
)
from dialtrace.integrations.model import Made, Rate
from dialtrace.integrations.resealing import reseal_integrations
from dialtrace.outgoing.errors import TooBusy
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.tenancy.service import TenancyService
from tests.vendors.server import Fault
from tests.vendors.telegram import TOKEN, refused

from .conftest import BOX, CALLER, HASTY, QUICK, deliverer

BUSY = refused(429, "Too Many Requests: retry after 0", retry_after=0)


def change(owner_engine, statement):
    with owner_engine.begin() as connection:
        return connection.exec_driver_sql(statement).rowcount


def test_given_a_call_that_ends_then_the_other_side_is_told_once_and_the_ledger_says_so(platform, notices, telegram):
    call = platform.end_call()
    platform.work()
    (message,) = telegram.messages
    assert message["text"].splitlines()[0] == f"Call: {CALLER}"
    (entry,) = platform.ledger(notices)
    assert (entry.call_id, entry.type, entry.state, entry.tries) == (call, "call.ended", "done", 1)
    assert entry.reason is None
    told = platform.integrations.get_delivery(notices.agency_id, None, notices.id, entry.id)
    assert [(one["what"], one["status"]) for one in told.attempts] == [("POST sendMessage", 200)]
    assert CALLER in told.attempts[0]["sent"]
    assert platform.now(notices).last_success_at is not None
    assert platform.turn() == []


def test_given_what_is_kept_then_no_secret_and_no_caller_stands_in_it_openly(platform, notices, telegram, owner_engine):
    telegram.misbehave(Fault("refuse", 401, {"ok": False, "error_code": 401, "description": f"no bot {TOKEN}"}))
    platform.end_call()
    platform.turn()
    (entry,) = platform.ledger(notices)
    told = platform.integrations.get_delivery(notices.agency_id, None, notices.id, entry.id)
    assert TOKEN not in json.dumps(told.attempts)
    with owner_engine.connect() as connection:
        kept = connection.execute(text("SELECT row_to_json(d)::text FROM integration_deliveries d")).scalar_one()
        kept += connection.execute(text("SELECT row_to_json(i)::text FROM integrations i")).scalar_one()
    assert CALLER not in kept
    assert TOKEN.partition(":")[2] not in kept.replace("\\\\", "")


def test_given_a_wrong_token_then_the_integration_is_broken_and_goes_on_when_it_is_mended(platform, notices, telegram):
    telegram.misbehave(Fault("refuse", 401, refused(401, "Unauthorized").body))
    platform.end_call()
    platform.end_call()
    platform.turn(most=1)
    broken = platform.now(notices)
    assert (broken.state, broken.reason) == ("broken", "token_refused")
    assert "@BotFather" in (broken.detail or "")
    assert platform.turn() == []
    platform.end_call()
    platform.integrations.resume_integration(notices.agency_id, None, notices.id)
    platform.work()
    assert len(telegram.messages) == 3
    assert platform.now(notices).state == "active"


def test_given_a_limit_then_the_whole_account_rests_and_it_does_not_count_as_a_try(platform, notices, telegram):
    rest = refused(429, "Too Many Requests: retry after 1", retry_after=1)
    telegram.misbehave(Fault("refuse", 429, rest.body), *[Fault("refuse", 429, BUSY.body)] * 7)
    platform.end_call()
    platform.turn()
    with pytest.raises(Later) as resting:
        Accounts(platform.database).take(notices.account, Rate(per_s=20.0, burst=20), is_urgent=True)
    assert 0 < resting.value.after_s <= 1
    platform.work()
    (entry,) = platform.ledger(notices)
    assert (entry.state, entry.tries) == ("done", 1)
    assert len(telegram.messages) == 1


def test_given_failures_then_it_is_tried_again_and_given_up_with_its_reason(platform, notices, telegram):
    telegram.misbehave(*[Fault("refuse", 503, "out of order")] * 5)
    call = platform.end_call()
    platform.work()
    (entry,) = platform.ledger(notices, call_id=call)
    assert (entry.state, entry.reason, entry.tries) == ("given_up", "status_503", 5)
    assert platform.now(notices).failing_since is not None
    platform.end_call()
    platform.work()
    assert len(telegram.messages) == 1
    assert platform.now(notices).failing_since is None
    platform.integrations.retry_delivery(notices.agency_id, None, notices.id, entry.id)
    platform.work()
    assert len(telegram.messages) == 2


def test_given_a_pause_then_nothing_is_told_and_what_was_missed_comes_after(platform, notices, telegram):
    platform.integrations.pause_integration(notices.agency_id, None, notices.id)
    platform.end_call()
    assert platform.turn() == []
    assert platform.ledger(notices) == []
    platform.integrations.resume_integration(notices.agency_id, None, notices.id)
    platform.work()
    assert len(telegram.messages) == 1


def test_given_calls_before_it_was_made_then_a_back_fill_tells_them_once(platform, telegram):
    old = platform.end_call()
    platform.sequence()
    settings = {"chat_id": "-1001234567890", "calls": "all", "api_url": telegram.url}
    made = platform.integrate("telegram", settings, {"bot_token": TOKEN})
    platform.end_call()
    platform.work()
    assert len(telegram.messages) == 1
    now = datetime.now(UTC)
    span = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    assert platform.integrations.backfill_span(made.agency_id, None, made.id, **span) == 1
    assert platform.integrations.backfill_span(made.agency_id, None, made.id, **span) == 0
    platform.work()
    assert len(telegram.messages) == 2
    (entry,) = platform.ledger(made, call_id=old)
    assert (entry.is_late, entry.state) == (True, "done")
    with pytest.raises(ValueRefused):
        platform.integrations.backfill_span(made.agency_id, None, made.id, since=now, until=now)


def test_given_a_dry_run_then_it_shows_what_would_leave_and_nothing_does(platform, notices, telegram):
    call = platform.end_call()
    shown = platform.integrations.preview_call(notices.agency_id, None, notices.id, call, "call.ended")
    assert shown.outcome == "would_send"
    (request,) = shown.requests
    assert request.url == f"{telegram.url}/bot•••/sendMessage"
    assert CALLER in request.body["text"]
    assert telegram.requests == []
    with pytest.raises(CallUnknown):
        platform.integrations.preview_call(notices.agency_id, None, notices.id, uuid4(), "call.ended")
    with pytest.raises(ValueRefused, match=r"call\.ended"):
        platform.integrations.preview_call(notices.agency_id, None, notices.id, call, "call.ringing")


def test_given_a_connection_test_then_it_says_what_is_wrong(platform, notices, telegram):
    test = platform.integrations.test_connection
    assert all(one.is_well for one in test(notices.agency_id, None, notices.id))
    telegram.chats.clear()
    bot, chat = test(notices.agency_id, None, notices.id)
    assert (bot.is_well, chat.is_well) == (True, False)
    assert "add it there" in chat.detail
    telegram.stop()
    (away,) = test(notices.agency_id, None, notices.id)
    assert not away.is_well
    assert "did not take the connection" in away.detail
    assert telegram.messages == []


def test_given_settings_that_are_not_usable_then_the_fault_names_its_place_and_no_value(platform, notices):
    for settings, secrets, place in (
        ({}, {"bot_token": TOKEN}, "settings/chat_id"),
        ({"chat_id": "-1", "colour": "red"}, {"bot_token": TOKEN}, "settings/colour"),
        ({"chat_id": "-1"}, {"bot_token": "hunter2"}, "secrets/bot_token"),
    ):
        with pytest.raises(ValueRefused) as refusal:
            platform.integrate("telegram", settings, secrets)
        assert refusal.value.field == place
        assert "hunter2" not in str(refusal.value)
    with pytest.raises(ValueRefused, match="telegram"):
        platform.integrate("fax", {}, {})
    service = platform.integrations
    named = (notices.agency_id, None, notices.id)
    changed = service.change_integration(*named, expected_version=1, settings={"calls": None})
    assert changed.settings["calls"] == "missed"
    with pytest.raises(VersionMismatch):
        service.change_integration(*named, expected_version=1, name="Other")
    service.delete_integration(*named)
    with pytest.raises(IntegrationUnknown):
        service.get_integration(*named)
    assert platform.claims.tidy(kept_s=60, most=100) == 0


def test_given_a_process_that_is_gone_then_another_takes_over_and_the_first_makes_nothing_more(
    platform, notices, owner_engine
):
    platform.end_call()
    platform.sequence()
    platform.claims.catch_up()
    (held,) = platform.claims.claim(10, hold_s=30)
    journal = CallJournal(platform.database, held)
    with pytest.raises(NotWaiting):
        platform.integrations.retry_delivery(notices.agency_id, None, notices.id, held.id)
    assert platform.claims.claim(10, hold_s=30) == []
    change(owner_engine, "UPDATE integration_deliveries SET claimed_until = now() - interval '1 second'")
    with pytest.raises(ClaimLost):
        journal.begin("notice", {})
    (taken,) = platform.claims.claim(10, hold_s=30)
    assert taken.id == held.id
    assert taken.claim != held.claim
    with pytest.raises(ClaimLost):
        journal.begin("notice", {})
    other = CallJournal(platform.database, taken)
    other.begin("notice", {})
    other.keep("notice", Made("1", {"more": 2}))
    kept = CallJournal(platform.database, taken).find("notice")
    assert kept is not None
    assert kept.made == Made("1", {"more": 2})


def test_given_one_that_never_answers_then_others_are_told_at_once(platform, notices, telegram):
    from tests.vendors.telegram import TelegramServer

    dead = TelegramServer()
    dead.mood = lambda _: Fault("lose")
    settings = {"chat_id": "-1001234567890", "calls": "all", "api_url": dead.url}
    other_bot = "987654321:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"
    stuck = platform.integrate("telegram", settings, {"bot_token": other_bot})
    platform.end_calls([{} for _ in range(30)])
    platform.sequence()
    platform.claims.catch_up()
    taken = platform.claims.claim(256, hold_s=30)
    shares = {one.id: sum(held.integration_id == one.id for held in taken) for one in (notices, stuck)}
    assert shares == {notices.id: 4, stuck.id: 4}, "each has its own few places"
    patient, until_s = deliverer(platform.database, replace(QUICK, timeout_s=8.0)), time.monotonic() + 7.0
    with ThreadPoolExecutor(16) as pool:
        running = {pool.submit(patient.deliver, [one]): one for one in taken}
        while len(telegram.messages) < 30 and time.monotonic() < until_s:
            over = [one for one in running if one.done()]
            platform.claims.settle([result for one in over for result in one.result()])
            running = {one: held for one, held in running.items() if one not in over}
            running |= {pool.submit(patient.deliver, [one]): one for one in platform.claims.claim(256, hold_s=30)}
            time.sleep(0.01)
        waiting = [held.integration_id for one, held in running.items() if not one.done()]
        dead.stop()
    assert len(telegram.messages) == 30
    assert waiting.count(stuck.id) == 4, "and that while nobody has answered there"


def test_given_a_system_that_is_away_then_it_has_its_share_of_the_places_and_another_is_told(
    platform, notices, owner_engine
):
    secrets = {"webhook_url": "http://127.0.0.1:9/rest/1/abcdefgh12345678/"}
    for _ in range(6):
        platform.integrate("bitrix24", {"user_id": 1}, secrets)
    platform.end_calls([{} for _ in range(4)])
    platform.sequence()
    platform.claims.catch_up()
    counted = Counter(one.system for one in platform.claims.claim(256, hold_s=30, of_a_system=10))
    assert counted == {"bitrix24": 10, "telegram": 4}
    assert platform.claims.claim(256, hold_s=30, of_a_system=10) == []
    platform.ring()
    platform.sequence()
    platform.claims.catch_up()
    ringing = platform.claims.claim(256, hold_s=30, of_a_system=10)
    assert Counter(one.type for one in ringing) == {"call.ringing": 5}, "half as many more of calls that ring"
    change(owner_engine, "UPDATE integration_deliveries SET claimed_until = now() WHERE state = 'sending'")
    assert len(platform.claims.claim(256, hold_s=30, of_an_agency=12)) in range(12, 19)


def test_given_as_many_requests_to_a_host_as_there_may_be_then_it_is_later_and_no_try():
    later = _judged(TooBusy("no place"))
    assert isinstance(later, Later)
    assert later.word not in _RESTING


def test_given_secrets_that_cannot_be_read_then_no_log_shows_them_and_setting_them_anew_mends_it(
    platform, notices, telegram, owner_engine
):
    named = (notices.agency_id, None, notices.id)
    for sealed in (
        BOX.seal(b'{"bot_token": "hunter2", "more": "hunter3"}', purpose=f"integration {notices.id}"),
        SecretsBox([b"x" * 32]).seal(b"{}", purpose=f"integration {notices.id}"),
    ):
        with owner_engine.begin() as connection:
            connection.exec_driver_sql("UPDATE integrations SET sealed = %s", (sealed,))
        platform.end_call()
        with capture_logs() as logs:
            platform.turn()
        assert "hunter" not in str(logs)
        broken = platform.now(notices)
        assert (broken.state, broken.reason) == ("broken", "unreadable")
        change_it = platform.integrations.change_integration
        with pytest.raises(ValueRefused, match="secrets/bot_token"):
            change_it(*named, expected_version=broken.version, name="Other")
        change_it(*named, expected_version=broken.version, secrets={"bot_token": TOKEN})
        platform.integrations.resume_integration(*named)
        platform.work()
    assert len(telegram.messages) == 2


def test_given_what_the_other_side_said_of_a_refusal_then_the_log_of_changes_has_none_of_it(
    platform, notices, telegram, owner_engine
):
    telegram.misbehave(Fault("refuse", 401, refused(401, f"Unauthorized for {CALLER}").body))
    platform.end_call()
    platform.turn()
    assert CALLER in (platform.now(notices).detail or "")
    with confined(None, f"key|{uuid4()}|127.0.0.1|{uuid4()}"):
        platform.integrations.resume_integration(notices.agency_id, None, notices.id)
    with owner_engine.connect() as connection:
        kept = connection.execute(text("SELECT row_to_json(a)::text FROM audit_log a")).scalars().all()
    assert any(str(notices.id) in one for one in kept)
    assert CALLER not in "".join(kept)


def test_given_a_call_that_was_told_and_a_recording_that_was_not_then_a_back_fill_tells_it(
    platform, notices, owner_engine
):
    call = platform.end_call()
    platform.work()
    change(owner_engine, "UPDATE integrations SET event_types = '{call.ended,recording.ready}'")
    change(
        owner_engine,
        "INSERT INTO recordings (agency_id, id, client_id, call_id, call_started_at, segment, state, node, node_path)"
        " SELECT agency_id, gen_random_uuid(), client_id, id, started_at, 1, 'stored', 'node-1', 'x' FROM calls",
    )
    now = datetime.now(UTC)
    span = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    named = (notices.agency_id, None, notices.id)
    assert platform.integrations.backfill_span(*named, **span) == 1
    platform.work()
    told = {one.type: one.state for one in platform.ledger(notices, call_id=call)}
    assert told == {"call.ended": "done", "recording.ready": "done"}


def test_given_a_back_fill_that_is_long_then_live_calls_are_told_first_and_no_other_is_begun(
    platform, notices, telegram, owner_engine, monkeypatch
):
    named = (notices.agency_id, None, notices.id)
    platform.end_calls([{} for _ in range(6)])
    platform.sequence()
    while platform.claims.catch_up():
        pass
    change(owner_engine, "UPDATE integration_deliveries SET is_late = true, due_at = now() - interval '1 hour'")
    live = platform.end_call()
    platform.sequence()
    monkeypatch.setattr("dialtrace.integrations.claims.MOST_OPEN", 5)
    assert platform.claims.catch_up() > 0, "what is late does not keep it from reading on"
    (first, *_) = platform.claims.claim(1, hold_s=30)
    assert first.call_id == live
    now = datetime.now(UTC)
    span = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    monkeypatch.setattr("dialtrace.integrations.service.MOST_LATE_OPEN", 6)
    with pytest.raises(ValueRefused, match="earlier back-fills"):
        platform.integrations.backfill_span(*named, **span)
    assert platform.integrations.backfill_span(*named, **span, call_id=live) == 0
    change(owner_engine, "UPDATE integration_deliveries SET claimed_until = now() WHERE state = 'sending'")
    platform.work()
    assert platform.integrations.backfill_span(*named, **span) == 0


def test_given_a_server_of_ones_own_then_it_makes_nobody_else_rest_and_nobody_for_ever(platform, notices, telegram):
    from tests.vendors.telegram import TelegramServer

    odd = TelegramServer()
    odd.mood = lambda _: Fault("refuse", 429, refused(429, "Too Many Requests", retry_after=10**9).body)
    settings = {"chat_id": "-1001234567890", "calls": "all", "api_url": odd.url}
    theirs = platform.integrate("telegram", settings, {"bot_token": TOKEN})
    platform.end_call()
    platform.turn()
    platform.end_call()
    platform.turn()
    assert len(telegram.messages) == 2
    waits = [entry.due_at - datetime.now(UTC) for entry in platform.ledger(theirs)]
    assert all(timedelta(hours=5) < wait < timedelta(hours=10) for wait in waits)
    with pytest.raises(Later) as rest:
        Accounts(platform.database).take(theirs.account, Rate(per_s=1.0, burst=1), is_urgent=True)
    assert 5 * 3600 < rest.value.after_s <= 6 * 3600
    odd.stop()


def test_given_one_account_then_all_its_askers_together_keep_to_its_rate(database):
    accounts, rate = Accounts(database), Rate(per_s=20.0, burst=3)
    waits, lock = [], threading.Lock()

    def ask():
        for _ in range(4):
            wait_s = accounts.take("test one", rate, is_urgent=True, most_wait_s=5.0)
            with lock:
                waits.append(wait_s)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    begun_s = time.monotonic()
    for one in askers:
        one.start()
    for one in askers:
        one.join()
    took_s = time.monotonic() - begun_s
    # Twelve requests, three at once and the rest 50 ms apart: the last leaves no sooner than after nine steps.
    assert max(waits) + took_s >= 9 * 0.05 - 0.001
    accounts.take("test four", Rate(per_s=0.001, burst=1), is_urgent=True)
    with pytest.raises(Later) as full:
        accounts.take("test four", Rate(per_s=0.001, burst=1), is_urgent=True)
    assert full.value.after_s > 900
    accounts.take("test two", Rate(per_s=1.0, burst=1), is_urgent=True)
    accounts.rest("test two", 30.0)
    with pytest.raises(Later) as rest:
        accounts.take("test two", Rate(per_s=1.0, burst=1), is_urgent=True)
    assert 0 < rest.value.after_s <= 30


def test_given_a_busy_account_then_calls_that_ring_have_places_of_their_own(database):
    accounts, rate = Accounts(database), Rate(per_s=0.01, burst=4, spare=2)
    for _ in range(2):
        assert accounts.take("test three", rate, is_urgent=False, most_wait_s=0.0) == 0
    with pytest.raises(Later):
        accounts.take("test three", rate, is_urgent=False, most_wait_s=0.0)
    assert accounts.take("test three", rate, is_urgent=True, most_wait_s=0.0) == 0


def test_given_new_master_keys_then_secrets_and_what_was_said_are_sealed_anew(platform, notices, database):
    platform.end_call()
    platform.work()
    both = SecretsBox([b"n" * 32, bytes(range(32))])
    assert reseal_integrations(database.tenant, notices.agency_id, both) == 2
    assert reseal_integrations(database.tenant, notices.agency_id, both) == 0
    (entry,) = platform.ledger(notices)
    sealed = platform.now(notices).sealed
    assert SecretsBox([b"n" * 32]).open(sealed, purpose=f"integration {notices.id}")
    assert BOX.open(notices.sealed, purpose=f"integration {notices.id}")
    assert entry.state == "done"


def test_given_a_call_that_is_purged_then_what_was_made_for_it_is_forgotten_with_it(platform, notices, owner_engine):
    call = platform.end_call()
    platform.work()
    assert platform.objects(owner_engine) == {(call, "notice"): "made"}
    with platform.database.tenant(notices.agency_id) as connection:
        values = (notices.agency_id, notices.client_id)
        gone = connection.exec_driver_sql("SELECT * FROM dialtrace_purge_calls(%s, %s, now(), 10)", values).all()
    assert [row.call_id for row in gone] == [call]
    assert platform.objects(owner_engine) == {}


def test_given_a_neighbour_then_it_sees_nothing(platform, notices, client, database):
    sibling = TenancyService(database, platform.integrations._clock).create_client(client.agency_id, "Its sibling")
    with pytest.raises(IntegrationUnknown):
        platform.integrations.get_integration(client.agency_id, sibling.id, notices.id)
    assert platform.integrations.list_integrations(client.agency_id, sibling.id).items == []


def test_given_no_answer_then_it_is_in_doubt_until_it_is_tried_again(platform, notices, telegram):
    telegram.misbehave(Fault("lose"))
    platform.end_call()
    platform.turn(deliverer(platform.database, HASTY))
    (entry,) = platform.ledger(notices)
    assert (entry.state, entry.reason) == ("sent", "timed_out")
    platform.work()
    assert platform.ledger(notices)[0].state == "done"


def test_given_a_call_then_its_explanation_tells_what_was_told_and_why_not(platform, notices, telegram):
    telegram.misbehave(Fault("refuse", 400, refused(400, "Bad Request: text is odd").body))
    lost, told = platform.end_call(), platform.end_call()
    platform.work()
    by_call = {}
    for call in (lost, told):
        found = platform.records.explain_call(notices.agency_id, None, call)
        (by_call[call],) = [one for one in found.entries if one.kind == "integration"]
    states = sorted((one.data["state"], one.data["reason"]) for one in by_call.values() if one.data["reason"])
    assert states == [("given_up", "status_400")]
    assert sum("was told of call.ended" in one.text for one in by_call.values()) == 1
    assert all(one.data["requests"][0]["what"] == "POST sendMessage" for one in by_call.values())
