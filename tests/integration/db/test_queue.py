"""Queues: the caller who has waited longest first, never two callers to one target, and nobody is lost."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.calls.live import Batch, LiveCall, Owner
from dialtrace.calls.live_rows import LiveRows, QueueRows
from dialtrace.ids import new_id

FLOW = UUID(int=7)


@dataclass
class Queue:
    """One queue of one client, and the nodes whose monitors are heard."""

    database: object
    owner: object
    agency_id: UUID
    client_id: UUID

    def __post_init__(self):
        self.rows, self.live = QueueRows(self.database), LiveRows(self.database)
        for name in ("n1", "n2"):
            self.heard(name)

    def heard(self, node, seconds_ago=0):
        self.do(
            "INSERT INTO nodes (name, sip_address, last_seen_at) VALUES (:n, '', now() - make_interval(secs => :s))"
            " ON CONFLICT (name) DO UPDATE SET last_seen_at = excluded.last_seen_at",
            n=node,
            s=seconds_ago,
        )

    def do(self, statement, **values):
        with self.owner.begin() as connection:
            return connection.execute(text(statement), values)

    def join(self, targets, *, node="n1", call=None, step="wait", most=100, reserve_s=30):
        call = call or new_id()
        found = self.database.look_up(
            'SELECT "position", waited_s, is_full FROM dialtrace_queue_join(%s::uuid, %s::uuid, %s::uuid, %s::uuid,'
            " %s, %s, %s::uuid[], %s, %s)",
            (
                str(self.agency_id), str(self.client_id), str(call), str(FLOW), step, node,
                [str(target) for target in targets], reserve_s, most,
            ),
        )  # fmt: skip
        return call, tuple(found[0])

    def pair(self, node="n1"):
        return [(offer.call_id, offer.target_id) for offer in self.rows.pair(node)]

    def settle(self, how, node="n1"):
        return [self.rows.settle(offer, how) for offer in self.rows.pair(node)]

    def state(self, call):
        with self.owner.connect() as connection:
            return connection.execute(
                text("SELECT state, target_id FROM queue_entries WHERE call_id = :c"), {"c": call}
            ).one_or_none()

    def talks(self, call, target, node="n1"):
        row = LiveCall(str(call), started_us=1, answered_us=2, target_id=target)
        row.owner = Owner(self.agency_id, self.client_id)
        self.live.put(node, Batch([row], [], []))

    def hangs_up(self, call, node="n1"):
        self.live.put(node, Batch([], [(self.agency_id, str(call))], []))


@pytest.fixture
def queue(database, owner_engine, agency, client):
    return Queue(database, owner_engine, agency.id, client.id)


def test_given_callers_on_two_nodes_then_the_one_who_waits_longest_is_offered_the_target(queue):
    desk = new_id()
    first, told = queue.join([desk], node="n2")
    second, told_second = queue.join([desk], node="n1")
    assert (told, told_second) == ((1, 0, False), (2, 0, False))
    assert queue.pair("n1") == []
    assert queue.pair("n2") == [(first, desk)]
    assert queue.state(second) == ("waiting", None)


def test_given_a_target_that_talks_then_nobody_is_offered_it_until_the_call_is_over(queue):
    desk, talking = new_id(), new_id()
    queue.talks(talking, desk)
    waiting, _ = queue.join([desk])
    assert queue.pair() == []
    queue.hangs_up(talking)
    assert queue.pair() == [(waiting, desk)]


def test_given_an_offer_that_is_connected_then_the_caller_has_left_and_the_target_is_busy(queue):
    desk = new_id()
    caller, _ = queue.join([desk])
    assert queue.settle("woken") == [True]
    queue.talks(caller, desk)
    assert queue.state(caller) == ("left", None)
    queue.join([desk])
    assert queue.pair() == []


def test_given_a_caller_who_hung_up_then_the_target_is_free_for_the_next(queue):
    desk = new_id()
    first, _ = queue.join([desk])
    second, _ = queue.join([desk])
    assert queue.pair() == [(first, desk)]
    queue.hangs_up(first)
    assert queue.pair() == [(second, desk)]


def test_given_a_silent_node_then_its_callers_are_passed_over_and_keep_their_place(queue):
    desk = new_id()
    first, _ = queue.join([desk], node="n1")
    second, _ = queue.join([desk], node="n2")
    queue.heard("n1", seconds_ago=20)
    assert queue.pair("n2") == [(second, desk)]
    queue.hangs_up(second, "n2")
    queue.heard("n1")
    assert queue.pair("n1") == [(first, desk)]


def test_given_a_wake_that_failed_then_both_are_free_and_the_caller_is_tried_again(queue):
    desk = new_id()
    caller, _ = queue.join([desk])
    assert queue.settle("later") == [True]
    assert queue.state(caller) == ("waiting", None)
    assert queue.pair() == []
    queue.do("UPDATE queue_entries SET held_until = now() - interval '1 second'")
    assert queue.pair() == [(caller, desk)]


def test_given_an_offer_whose_time_is_over_then_it_is_taken_back_and_can_be_woken_no_more(queue):
    desk = new_id()
    caller, _ = queue.join([desk])
    (offer,) = queue.rows.pair("n1")
    queue.do("UPDATE queue_entries SET reserved_until = now() - interval '1 second'")
    assert not queue.rows.settle(offer, "woken")
    assert queue.pair() == [(caller, desk)]
    assert queue.settle("woken") == [True]
    assert queue.pair() == []


def test_given_a_target_that_did_not_take_the_call_then_the_caller_keeps_the_place_and_the_target_rests(queue):
    desk, other = new_id(), new_id()
    first, _ = queue.join([desk])
    queue.do("UPDATE queue_entries SET joined_at = now() - interval '40 seconds'")
    second, _ = queue.join([desk, other])
    queue.do("DELETE FROM queue_entries WHERE call_id = :c", c=second)
    queue.settle("woken")
    _, (position, waited_s, _) = queue.join([desk], call=first)
    assert (position, waited_s) == (1, 40)
    assert queue.pair() == []
    third, _ = queue.join([desk, other])
    assert queue.pair() == [(third, other)]
    queue.do("UPDATE queue_targets SET rest_until = now() - interval '1 second'")
    assert queue.pair() == [(first, desk), (third, other)]


def test_given_a_full_queue_then_the_next_caller_is_told_and_who_is_inside_may_come_back(queue):
    inside, _ = queue.join([new_id()], most=1)
    outside, (_, _, is_full) = queue.join([new_id()], most=1)
    assert is_full
    assert queue.state(outside) is None
    assert queue.join([new_id()], most=1, call=inside)[1][2] is False


def test_given_another_step_then_the_caller_begins_to_wait_anew(queue):
    caller, _ = queue.join([new_id()])
    queue.do("UPDATE queue_entries SET joined_at = now() - interval '40 seconds'")
    _, (_, waited_s, _) = queue.join([new_id()], call=caller, step="second")
    assert waited_s == 0


def test_given_two_free_targets_then_the_one_offered_longest_ago_is_next(queue):
    desk, other = new_id(), new_id()
    first, _ = queue.join([desk, other])
    assert queue.pair() == [(first, desk)]
    queue.hangs_up(first)
    second, _ = queue.join([desk, other])
    assert queue.pair() == [(second, other)]


def test_given_a_caller_who_leaves_by_the_flow_then_nothing_is_offered(queue, database):
    caller, _ = queue.join([new_id()])
    queue.pair()
    database.look_up("SELECT dialtrace_queue_leave(%s::uuid, %s::uuid)", (str(queue.agency_id), str(caller)))
    assert queue.state(caller) == ("left", None)
    assert queue.pair() == []


def test_given_a_word_that_is_none_then_settling_refuses_it(queue):
    queue.join([new_id()])
    (offer,) = queue.rows.pair("n1")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="woken, gone or later"):
        queue.rows.settle(offer, "perhaps")


def test_given_two_monitors_and_a_thousand_callers_then_each_is_paired_once_and_no_target_has_two(queue, database):
    """Both monitors pair at the same time; a call that was woken talks and hangs up at once."""
    for node in ("n1", "n2"):
        queue.heard(node, seconds_ago=-600)  # however slow this machine is, both monitors are alive
    targets = [new_id() for _ in range(20)]
    for number in range(1_000):
        queue.join(targets, node=f"n{number % 2 + 1}", most=5_000)
    served, doubled = Counter(), []

    def work(node):
        rows, live = QueueRows(database), LiveRows(database)
        for _ in range(5_000):
            offers = rows.pair(node)
            for offer in offers:
                assert rows.settle(offer, "woken")
                row = LiveCall(str(offer.call_id), started_us=1, answered_us=2, target_id=offer.target_id)
                row.owner = Owner(queue.agency_id, queue.client_id)
                live.put(node, Batch([row], [], []))
                with queue.owner.connect() as connection:
                    talking = connection.execute(
                        text("SELECT count(*) FROM live_calls WHERE target_id = :t"), {"t": offer.target_id}
                    ).scalar_one()
                doubled.extend([offer] * (talking - 1))
                served[offer.call_id] += 1
                live.put(node, Batch([], [(queue.agency_id, str(offer.call_id))], []))
            if not offers and sum(served.values()) == 1_000:
                return

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, node) for node in ("n1", "n2")]:
            done.result(timeout=120)
    assert len(served) == 1_000
    assert set(served.values()) == {1}
    assert doubled == []
