"""What is sent to whom, when again, in which order, and what becomes of an endpoint that does not take it."""

import base64
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import text

from dialtrace.calls.live import Batch, LiveEvent, Owner
from dialtrace.calls.live_rows import LiveRows
from dialtrace.clock import to_microseconds
from dialtrace.demo.receiver import BUSY, FAILING, WELL, Receiver, slow
from dialtrace.events.model import NewEvent
from dialtrace.events.service import append, read_after
from dialtrace.ids import new_id
from dialtrace.messages.model import schema_of
from dialtrace.outgoing.lookup import NameLookup
from dialtrace.outgoing.model import Rules
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.webhooks.claims import Bounds, Result
from dialtrace.webhooks.errors import DeliveryUnknown, NotWaiting, ValueRefused, WebhookUnknown
from dialtrace.webhooks.model import DeliveryFilters, Schedule, Verdict, WebhookValues
from dialtrace.webhooks.resealing import reseal_webhook_secrets
from dialtrace.webhooks.sending import answer_purpose

from .conftest import QUICK, RULES


def rows(owner_engine, columns="*", **where):
    conditions = " AND ".join(f"{name} = :{name}" for name in where) or "true"
    with owner_engine.connect() as connection:
        query = f"SELECT {columns} FROM webhook_deliveries WHERE {conditions} ORDER BY position, created_at"
        return connection.execute(text(query), where).all()


def change(owner_engine, statement):
    with owner_engine.begin() as connection:
        return connection.exec_driver_sql(statement).rowcount


def kinds(receiver):
    return [one.message["type"] for one in receiver.taken().values()]


def live(platform, call_id, kind):
    owner = Owner(platform.client.agency_id, platform.client.id)
    at_us = to_microseconds(datetime.now(UTC))
    LiveRows(platform.database).put("node-1", Batch([], [], [LiveEvent(new_id(), kind, str(call_id), owner, at_us)]))


# --- What is told. ---


def test_given_a_call_that_ends_then_its_signed_message_comes_and_fits_its_schema(platform, receiver):
    hook = platform.hook(receiver)
    call = platform.end_call()
    platform.sequence()
    assert platform.turn()[0] == 1
    (one,) = receiver.received
    assert receiver.forged == 0
    Draft202012Validator(schema_of("call.ended")).validate(one.message)
    assert (one.message["id"], one.message["data"]["call_id"]) == (one.id, str(call))
    assert one.message["data"]["call"]["caller"] == "+442079460999"
    found = platform.webhooks.get_webhook(hook.agency_id, None, hook.id)
    assert found.last_success_at is not None
    assert found.failing_since is None
    assert platform.turn()[0] == 0


def test_given_filters_then_only_what_passes_is_told(platform, receiver, sibling, webhooks):
    types, clients, owner, everything = (Receiver().start() for _ in range(4))
    platform.hook(types, event_types=["recording.*", "call.revised"])
    platform.hook(clients, client_ids=[sibling.id])
    platform.hook(owner, client_id=sibling.id)
    platform.hook(everything)
    call = platform.end_call()
    platform.end_call(client_id=sibling.id)
    platform.end_call(call, talk_ms=2000)
    with platform.database.tenant(platform.client.agency_id) as connection:
        data = {"request_id": str(new_id()), "call_ids": [str(call)], "call_count": 1}
        append(connection, platform.client.agency_id, [NewEvent("person.erased", datetime.now(UTC), data=data)])
    platform.sequence()
    platform.work()
    assert kinds(types) == ["call.revised"]
    assert kinds(clients) == kinds(owner) == ["call.ended"]
    assert sorted(kinds(everything)) == ["call.ended", "call.ended", "call.revised", "person.erased"]
    positions = sorted(one.message["position"] for one in everything.received)
    assert positions == [1, 2, 3, 4]
    assert [one.message["position"] for one in owner.received] == [None], "a client is not told how much others do"
    for one in (types, clients, owner, everything):
        one.stop()


def test_given_a_new_webhook_then_what_was_before_is_not_told(platform, receiver):
    platform.end_call()
    platform.sequence()
    platform.hook(receiver)
    later = platform.end_call()
    platform.sequence()
    platform.work()
    assert [one.message["data"]["call_id"] for one in receiver.received] == [str(later)]


def test_given_a_caller_who_is_erased_while_a_message_waits_then_it_does_not_tell_him(platform, receiver, owner_engine):
    platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    change(owner_engine, "UPDATE calls SET caller = NULL, caller_raw = NULL, caller_name = NULL")
    platform.work()
    assert "+442079460999" not in json.dumps([one.message for one in receiver.received])


# --- Tries. ---


def test_given_a_receiver_that_fails_then_tries_go_on_under_one_id_until_it_takes_it(platform, receiver, owner_engine):
    hook = platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    receiver.mood = FAILING
    for _ in range(3):
        platform.turn()
        time.sleep(0.05)
    assert platform.webhooks.get_webhook(hook.agency_id, None, hook.id).last_fault == "status_500"
    receiver.mood = WELL
    platform.work()
    assert {one.id for one in receiver.received} == set(receiver.taken())
    assert len(receiver.received) == 4
    (row,) = rows(owner_engine)
    assert (row.state, row.tries) == ("delivered", 4)
    assert [attempt["status"] for attempt in row.attempts] == [500, 500, 500, 200]


def test_given_twelve_tries_in_vain_then_given_up_and_the_next_of_the_call_goes(platform, receiver, owner_engine):
    platform.hook(receiver)
    call = platform.end_call()
    platform.end_call(call, talk_ms=2000)
    platform.sequence()
    receiver.mood = FAILING
    platform.work()
    ended, revised = rows(owner_engine)
    assert (ended.state, ended.tries, revised.state, revised.tries) == ("failed", 12, "failed", 12)
    assert [one.message["type"] for one in receiver.received] == ["call.ended"] * 12 + ["call.revised"] * 12


def test_given_an_answer_that_asks_for_patience_then_nothing_goes_to_the_endpoint_before(platform, receiver):
    hook = platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    receiver.mood = BUSY
    platform.turn()
    platform.end_call()
    platform.sequence()
    receiver.mood = WELL
    time.sleep(0.3)
    assert platform.turn()[0] == 0, "neither the one nor the other"
    assert platform.webhooks.get_webhook(hook.agency_id, None, hook.id).rest_until is not None
    time.sleep(0.8)
    platform.work()
    assert len(receiver.taken()) == 2


def test_given_a_receiver_that_is_back_after_long_then_what_waits_for_hours_goes_at_once(
    platform, receiver, owner_engine
):
    patient = Schedule(delays_s=(0.01, 3600.0, 3600.0), pause_after_s=9e9)
    platform.hook(receiver)
    for _ in range(3):
        platform.end_call()
    platform.sequence()
    receiver.mood = FAILING
    platform.turn(patient)
    for _ in range(6):
        time.sleep(0.02)
        platform.turn(patient)
    assert [row.tries for row in rows(owner_engine)] == [2, 2, 2]
    receiver.mood = WELL
    change(owner_engine, "UPDATE webhooks SET failing_since = now() - interval '2 hours'")
    platform.end_call()
    platform.sequence()
    platform.turn(patient)
    time.sleep(1.1)
    platform.work(patient)
    assert len(receiver.taken()) == 4
    assert [row.tries for row in rows(owner_engine)] == [2, 2, 2, 1], "the receiver's recovery costs no try"


# --- Order within a call. ---


def test_given_a_call_told_out_of_order_then_it_is_sent_by_rank_and_one_after_the_other(platform, receiver):
    """The monitor's batch came late: the record was in the log before it."""
    platform.hook(receiver)
    call = platform.end_call()
    for kind in ("call.answered", "call.started", "call.ringing"):
        live(platform, call, kind)
    platform.sequence()
    receiver.mood = FAILING
    assert platform.turn()[0] == 1, "only the earliest is on its way"
    receiver.mood = WELL
    time.sleep(0.05)
    for _ in range(4):
        assert platform.turn()[0] == 1
    assert kinds(receiver) == ["call.started", "call.ringing", "call.answered", "call.ended"]


def test_given_one_call_that_is_stuck_then_others_are_told(platform, receiver):
    platform.hook(receiver)
    stuck, others = platform.end_call(), 5
    platform.end_call(stuck, talk_ms=7)
    platform.sequence()
    receiver.mood = FAILING
    slow_schedule = Schedule(delays_s=(3600.0, 3600.0), pause_after_s=9e9)
    platform.turn(slow_schedule)
    receiver.mood = WELL
    for _ in range(others):
        platform.end_call()
    platform.sequence()
    for _ in range(others):
        platform.turn(slow_schedule)
    taken = [one.message["data"]["call_id"] for one in receiver.taken().values()]
    assert len(taken) == others
    assert str(stuck) not in taken


def test_given_a_follower_made_while_the_first_is_being_settled_then_it_is_not_forgotten(
    platform, receiver, owner_engine
):
    """Fan-out and settling wait for each other: whichever is first, the follower is woken."""
    platform.hook(receiver)
    call = platform.end_call()
    platform.sequence()
    for revision in range(2, 12):
        taken = platform.claims.claim(10, Bounds())
        assert len(taken) == 1
        platform.end_call(call, talk_ms=revision)
        platform.sequence()
        assert [row.state for row in rows(owner_engine, "state", revision=revision)] == ["blocked"]
        platform.claims.settle([Result(taken[0], Verdict("delivered"), None)], QUICK)
        assert [row.state for row in rows(owner_engine, "state", revision=revision)] == ["waiting"]


# --- Claims. ---


def test_given_two_claimers_then_no_message_is_given_out_twice_and_no_bound_is_passed(platform, receiver):
    platform.hook(receiver)
    for _ in range(20):
        platform.end_call()
    platform.sequence()
    bounds = Bounds(each=8)
    first, second = platform.claims.claim(5, bounds), platform.claims.claim(100, bounds)
    assert (len(first), len(second)) == (5, 3)
    assert len({message.id for message in [*first, *second]}) == 8
    assert platform.claims.claim(100, bounds) == []


def test_given_bounds_of_host_and_agency_then_they_hold_over_endpoints(platform, receiver):
    platform.hook(receiver)
    platform.hook(receiver)
    for _ in range(10):
        platform.end_call()
    platform.sequence()
    assert len(platform.claims.claim(100, Bounds(each=8, host=9, agency=64))) == 9
    assert len(platform.claims.claim(100, Bounds(each=8, host=64, agency=11))) == 2


def test_given_an_endpoint_that_fails_then_it_is_tried_one_at_a_time(platform, receiver, owner_engine):
    platform.hook(receiver)
    for _ in range(4):
        platform.end_call()
    platform.sequence()
    change(owner_engine, "UPDATE webhooks SET failing_since = now()")
    assert len(platform.claims.claim(100, Bounds())) == 1


def test_given_a_sender_that_died_then_its_messages_are_sent_again_and_what_it_says_later_is_not_believed(
    platform, receiver, owner_engine
):
    platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    (dead,) = platform.claims.claim(10, Bounds())
    assert platform.turn()[0] == 0
    change(owner_engine, "UPDATE webhook_deliveries SET claimed_until = now() - interval '1 second'")
    receiver.mood = FAILING
    assert platform.turn()[0] == 1
    platform.claims.settle([Result(dead, Verdict("delivered"), None)], QUICK)
    (row,) = rows(owner_engine)
    assert (row.state, row.tries) == ("waiting", 2)


def test_given_a_message_that_was_not_sent_when_given_back_then_no_try_is_counted(platform, receiver, owner_engine):
    platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    (taken,) = platform.claims.claim(10, Bounds())
    platform.claims.settle([Result(taken, Verdict("released"), None)], QUICK)
    (row,) = rows(owner_engine)
    assert (row.state, row.tries, row.attempts) == ("waiting", 0, [])


def test_given_an_endpoint_with_too_much_on_its_way_then_the_rest_stays_in_the_log(platform, receiver, monkeypatch):
    monkeypatch.setattr("dialtrace.webhooks.claims.MOST_OPEN", 3)
    hook = platform.hook(receiver)
    platform.webhooks.pause_webhook(hook.agency_id, None, hook.id)
    for _ in range(1100):
        platform.end_call()
    platform.sequence()
    platform.webhooks.resume_webhook(hook.agency_id, None, hook.id)
    assert platform.claims.catch_up() >= 1000 - 2, "webhook.paused and webhook.resumed are told too"
    assert platform.claims.catch_up() == 0
    assert platform.claims.backlog().behind > 0


# --- Endpoints that stop, and go on. ---


def test_given_nothing_but_failures_for_too_long_then_paused_with_notice_and_resumed_with_all_it_missed(
    platform, receiver, owner_engine
):
    hook = platform.hook(receiver, event_types=["call.*"])
    watcher = Receiver().start()
    platform.hook(watcher, event_types=["webhook.*"])
    platform.end_call()
    platform.sequence()
    receiver.mood = FAILING
    assert platform.turn()[1] == []
    change(owner_engine, "UPDATE webhooks SET failing_since = now() - interval '2 hours'")
    time.sleep(0.05)
    (stopped,) = platform.turn()[1]
    assert (stopped.webhook_id, stopped.state, stopped.reason) == (hook.id, "paused", "failing")
    receiver.mood = WELL
    platform.end_call()
    platform.sequence()
    time.sleep(0.05)
    platform.turn()
    assert receiver.taken() == {}, "nothing is sent to it"
    assert platform.claims.backlog().paused == 1
    platform.webhooks.resume_webhook(hook.agency_id, None, hook.id)
    platform.claims.catch_up()
    platform.sequence()
    platform.work()
    assert len(receiver.taken()) == 2
    assert kinds(watcher) == ["webhook.paused", "webhook.resumed"]
    told = next(iter(watcher.taken().values())).message
    Draft202012Validator(schema_of("webhook.paused")).validate(told)
    assert (told["data"]["webhook_id"], told["data"]["reason"]) == (str(hook.id), "failing")
    watcher.stop()


def test_given_messages_that_were_given_up_while_all_failed_when_resumed_then_they_are_sent(platform, receiver):
    hook = platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    receiver.mood = FAILING
    platform.work()
    receiver.mood = WELL
    platform.webhooks.resume_webhook(hook.agency_id, None, hook.id)
    platform.work()
    assert len(receiver.taken()) == 1


def test_given_410_then_disabled_with_notice_and_the_message_is_kept_for_when_it_goes_on(platform, receiver, database):
    hook = platform.hook(receiver)
    call = platform.end_call()
    platform.sequence()
    receiver.mood = lambda: (410, {}, 0.0)
    (stopped,) = platform.turn()[1]
    assert (stopped.state, stopped.reason) == ("disabled", "gone")
    platform.sequence()
    with database.tenant(hook.agency_id) as connection:
        assert [event.type for event in read_after(connection, 0)] == ["call.ended", "webhook.disabled"]
    assert platform.turn()[0] == 0
    receiver.mood = WELL
    platform.webhooks.resume_webhook(hook.agency_id, None, hook.id)
    platform.sequence()
    platform.claims.catch_up()
    platform.work()
    assert str(call) in [one.message["data"].get("call_id") for one in receiver.taken().values()]


def test_given_a_webhook_that_somebody_paused_then_what_it_misses_stays_in_the_log(platform, receiver, owner_engine):
    hook = platform.hook(receiver, event_types=["call.*"])
    platform.webhooks.pause_webhook(hook.agency_id, None, hook.id)
    again = platform.webhooks.pause_webhook(hook.agency_id, None, hook.id)
    assert (again.state, again.reason) == ("paused", "asked")
    for _ in range(3):
        platform.end_call()
    platform.sequence()
    assert rows(owner_engine) == []
    platform.webhooks.resume_webhook(hook.agency_id, None, hook.id)
    assert platform.claims.catch_up() == 3
    platform.work()
    assert len(receiver.taken()) == 3


def test_given_a_webhook_that_is_removed_then_nothing_is_sent_and_its_rows_go(platform, receiver, owner_engine):
    hook = platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    platform.webhooks.delete_webhook(hook.agency_id, None, hook.id)
    assert platform.turn()[0] == 0
    with pytest.raises(WebhookUnknown):
        platform.webhooks.get_webhook(hook.agency_id, None, hook.id)
    platform.claims.tidy(delivered_s=1e6, failed_s=1e6, most=100)
    with owner_engine.connect() as connection:
        for table in ("webhooks", "webhook_secrets", "webhook_deliveries"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def test_given_old_deliveries_then_tidied_away_and_the_rest_stays(platform, receiver, owner_engine):
    platform.hook(receiver)
    for _ in range(3):
        platform.end_call()
    platform.sequence()
    platform.work()
    change(owner_engine, "UPDATE webhook_deliveries SET settled_at = now() - interval '9 days' WHERE position <= 2")
    assert platform.claims.tidy(delivered_s=8 * 86_400.0, failed_s=30 * 86_400.0, most=1) == (1, 0)
    assert platform.claims.tidy(delivered_s=8 * 86_400.0, failed_s=30 * 86_400.0, most=100) == (1, 0)
    assert [row.position for row in rows(owner_engine)] == [3]


# --- Test button, replay, log. ---


def test_given_the_test_button_then_one_signed_message_goes_also_to_a_webhook_that_is_paused(platform, receiver):
    hook = platform.hook(receiver)
    platform.webhooks.pause_webhook(hook.agency_id, None, hook.id)
    sent = platform.webhooks.test_webhook(hook.agency_id, None, hook.id)
    receiver.mood = FAILING
    assert platform.turn()[0] == 1
    delivery, message = platform.webhooks.get_delivery(hook.agency_id, None, hook.id, sent.id)
    assert (delivery.state, delivery.attempts[0]["status"], delivery.attempts[0]["body"]) == (
        "failed", 500, "answered with 500"
    )  # fmt: skip
    assert receiver.received[0].message == message
    Draft202012Validator(schema_of("webhook.test")).validate(message)
    assert receiver.forged == 0
    assert platform.webhooks.get_webhook(hook.agency_id, None, hook.id).failing_since is None


def test_given_a_delivery_when_replayed_then_it_comes_again_under_its_id(platform, receiver):
    hook = platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    platform.work()
    (found,) = platform.webhooks.list_deliveries(hook.agency_id, None, hook.id, DeliveryFilters()).items
    platform.webhooks.replay_delivery(hook.agency_id, None, hook.id, found.id)
    (taken,) = platform.claims.claim(10, Bounds())
    with pytest.raises(NotWaiting):
        platform.webhooks.replay_delivery(hook.agency_id, None, hook.id, found.id)
    platform.claims.settle([Result(taken, Verdict("released"), None)], QUICK)
    platform.work()
    assert [one.id for one in receiver.received] == [str(found.message_id)] * 2
    with pytest.raises(DeliveryUnknown):
        platform.webhooks.replay_delivery(hook.agency_id, None, hook.id, new_id())


def test_given_a_span_when_replayed_then_all_of_it_comes_also_from_before_the_webhook(platform, receiver):
    before = platform.end_call()
    platform.sequence()
    hook = platform.hook(receiver, event_types=["call.*"])
    after = platform.end_call()
    platform.sequence()
    platform.work()
    now = datetime.now(UTC)
    span = {"since": now - timedelta(minutes=5), "until": now + timedelta(minutes=5)}
    assert platform.webhooks.replay_span(hook.agency_id, None, hook.id, **span, only_failed=True) == 0
    assert platform.webhooks.replay_span(hook.agency_id, None, hook.id, **span, types=["recording.*"]) == 0
    assert platform.webhooks.replay_span(hook.agency_id, None, hook.id, **span) == 2
    assert platform.webhooks.replay_span(hook.agency_id, None, hook.id, **span) == 0, "it is on its way already"
    platform.work()
    told = [one.message["data"]["call_id"] for one in receiver.received]
    assert sorted(told) == sorted([str(before), str(after), str(after)])
    with pytest.raises(ValueRefused, match="after"):
        platform.webhooks.replay_span(hook.agency_id, None, hook.id, since=now, until=now)


def test_given_a_span_with_too_much_in_it_then_refused_whole(platform, receiver, monkeypatch, owner_engine):
    monkeypatch.setattr("dialtrace.webhooks.service.MOST_REPLAYED", 2)
    for _ in range(3):
        platform.end_call()
    platform.sequence()
    hook = platform.hook(receiver)
    now = datetime.now(UTC)
    with pytest.raises(ValueRefused, match="more than 2"):
        platform.webhooks.replay_span(
            hook.agency_id, None, hook.id, since=now - timedelta(minutes=5), until=now + timedelta(minutes=5)
        )
    assert rows(owner_engine) == []


def test_given_an_answer_that_repeats_what_it_was_told_then_it_is_kept_sealed_and_goes_with_the_call(
    platform, receiver, owner_engine
):
    hook = platform.hook(receiver)
    call = platform.end_call()
    platform.sequence()
    platform.turn()
    (row,) = rows(owner_engine)
    assert "answered with" not in json.dumps(row.attempts)
    delivery, _ = platform.webhooks.get_delivery(hook.agency_id, None, hook.id, row.id)
    assert delivery.attempts[0]["body"] == "answered with 200"
    assert platform.webhooks.erase_answers(hook.agency_id, [call]) == 1
    delivery, _ = platform.webhooks.get_delivery(hook.agency_id, None, hook.id, row.id)
    assert (delivery.attempts[0]["body"], delivery.attempts[0]["status"]) == (None, 200)
    assert platform.webhooks.erase_answers(hook.agency_id, [call]) == 0


def test_given_a_secret_that_is_rotated_then_both_sign_and_then_only_the_new_one(platform, receiver):
    hook = platform.hook(receiver)
    old = receiver.keys[0]
    new = platform.webhooks.rotate_secret(hook.agency_id, None, hook.id)
    assert platform.webhooks.reveal_secret(hook.agency_id, None, hook.id).key == new.key != old
    for keys in ([old], [new.key]):
        receiver.keys = keys
        platform.end_call()
        platform.sequence()
        platform.work()
    assert receiver.forged == 0
    newest = platform.webhooks.rotate_secret(hook.agency_id, None, hook.id, overlap=timedelta(0))
    for keys, forged in (([new.key], 1), ([newest.key], 1), ([old], 2)):
        receiver.keys = keys
        platform.end_call()
        platform.sequence()
        platform.work()
        assert receiver.forged == forged


def test_given_the_database_then_no_secret_stands_in_it(platform, receiver, owner_engine):
    platform.hook(receiver)
    with owner_engine.connect() as connection:
        (sealed,) = connection.execute(text("SELECT sealed FROM webhook_secrets")).scalars()
    assert receiver.keys[0] not in bytes(sealed)


# --- Where nothing goes. ---


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[::1]/",
        "https://[::ffff:10.0.0.1]/", "https://192.168.1.1/", "https://100.64.0.1/", "http://example.com/",
        "https://user:secret@example.com/", "ftp://example.com/", "https://2130706433/", "https://example.com:22x/",
        "https://203.0.113.5:8443/", "https://example.com/#part", "not an address",
    ],
)  # fmt: skip
def test_given_an_address_that_requests_must_not_go_to_when_made_then_refused(database, platform, url):
    from dialtrace.clock import SystemClock
    from dialtrace.webhooks.service import WebhookService

    from .conftest import BOX

    public = WebhookService(database, BOX, Rules(), SystemClock())
    with pytest.raises(ValueRefused, match="url"):
        public.create_webhook(platform.client.agency_id, None, WebhookValues(url=url))


def test_given_a_name_that_leads_inside_by_the_time_it_is_sent_then_nobody_is_asked(platform, receiver, owner_engine):
    """DNS said something else when the webhook was made; it is looked up once, and what it says is what is checked."""
    hook = platform.hook(receiver)
    change(owner_engine, f"UPDATE webhooks SET url = 'https://rebind.example:{receiver.port}/'")
    platform.end_call()
    platform.sequence()
    asked = []

    def resolve(host):
        asked.append(host)
        return ["127.0.0.1"]

    sender = platform.sender(rules=Rules(ports=frozenset({receiver.port})), lookup=NameLookup(resolve))
    platform.turn(sender=sender)
    assert (asked, receiver.received) == (["rebind.example"], [])
    assert platform.webhooks.get_webhook(hook.agency_id, None, hook.id).last_fault == "address_refused"


def test_given_a_redirect_to_the_inside_then_it_is_a_failure_and_not_followed(platform, receiver, owner_engine):
    inside = Receiver().start()
    platform.hook(receiver)
    receiver.mood = lambda: (302, {"Location": inside.url}, 0.0)
    platform.end_call()
    platform.sequence()
    platform.turn()
    assert (len(receiver.received), inside.received) == (1, [])
    (row,) = rows(owner_engine)
    assert (row.state, row.attempts[0]["fault"]) == ("waiting", "status_302")
    inside.stop()


def test_given_networks_that_the_operator_named_then_plain_http_is_allowed_there_only(platform, webhooks):
    assert RULES.private_networks == [ip_network("127.0.0.0/8")]
    with pytest.raises(ValueRefused, match="public"):
        webhooks.create_webhook(platform.client.agency_id, None, WebhookValues(url="http://10.0.0.1/"))


def test_given_a_receiver_that_never_ends_its_answer_then_the_try_is_over_in_time(platform, receiver, owner_engine):
    platform.hook(receiver)
    receiver.mood = slow(1.0)
    platform.end_call()
    platform.sequence()
    began_s = time.monotonic()
    platform.turn(Schedule(delays_s=(1, 1), timeout_s=0.3))
    assert time.monotonic() - began_s < 0.9
    assert rows(owner_engine)[0].attempts[0]["fault"] == "timed_out"


def test_given_an_event_that_nobody_can_render_then_the_others_go_and_it_is_given_up(platform, receiver, owner_engine):
    platform.hook(receiver)
    with platform.database.tenant(platform.client.agency_id) as connection:
        broken = NewEvent("recording.ready", datetime.now(UTC), platform.client.id, uuid.uuid4(), data={"segment": 1})
        append(connection, platform.client.agency_id, [broken])
    platform.end_call()
    platform.sequence()
    platform.turn()
    assert sorted(row.state for row in rows(owner_engine)) == ["delivered", "failed"]
    assert kinds(receiver) == ["call.ended"]


def test_given_new_master_keys_then_secrets_and_answers_are_sealed_anew_and_readable(platform, receiver, owner_engine):
    hook = platform.hook(receiver)
    platform.end_call()
    platform.sequence()
    platform.turn()
    old = bytes(range(32))
    open_tenant = platform.database.tenant
    assert reseal_webhook_secrets(open_tenant, hook.agency_id, SecretsBox([b"n" * 32, old])) == 2
    assert reseal_webhook_secrets(open_tenant, hook.agency_id, SecretsBox([b"n" * 32, old])) == 0
    (row,) = rows(owner_engine)
    sealed = base64.b64decode(row.attempts[0]["body"])
    assert SecretsBox([b"n" * 32]).open(sealed, purpose=answer_purpose(row.id)) == b"answered with 200"
