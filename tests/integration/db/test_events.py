"""The log: nothing twice, nothing lost behind a cursor, no gap."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.db.errors import DatabaseError
from dialtrace.events.model import RANKS
from dialtrace.events.service import NewEvent, append, append_next, last_position, read_after, read_page, sequence
from dialtrace.ids import new_id

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ended(call_id=None, client_id=None, revision=1, at=NOW):
    return NewEvent("call.ended", at, client_id=client_id, call_id=call_id or new_id(), revision=revision)


def write(database, agency_id, *events):
    with database.tenant(agency_id) as connection:
        return append(connection, agency_id, events)


def read(database, agency_id, position=0, limit=100, client_id=None):
    with database.tenant(agency_id, client_id) as connection:
        return read_after(connection, position, limit)


def test_given_events_then_they_can_be_read_once_they_have_positions(database, agency, client):
    call = new_id()
    event = NewEvent("call.ended", NOW, client_id=client.id, call_id=call, revision=2, data={"started_at": "x"})
    assert write(database, agency.id, event) == 1
    assert read(database, agency.id) == []
    assert sequence(database, agency.id) == 1
    (found,) = read(database, agency.id)
    assert (found.agency_id, found.client_id, found.type, found.call_id) == (agency.id, client.id, "call.ended", call)
    assert (found.revision, found.occurred_at, found.position, found.data) == (2, NOW, 1, {"started_at": "x"})


def test_given_an_event_that_is_there_when_appended_again_then_nothing_happens(database, agency):
    first, again = ended(), ended()
    assert write(database, agency.id, first) == 1
    assert write(database, agency.id, first, again, first) == 1
    assert write(database, agency.id, ended(first.call_id, revision=2)) == 1
    assert write(database, agency.id) == 0
    assert sequence(database, agency.id) == 3


def ready(call_id, segment):
    return NewEvent("recording.ready", NOW, call_id=call_id, data={"segment": segment})


def revisions_of(database, agency_id, call_id):
    sequence(database, agency_id)
    found = [one for one in read(database, agency_id) if (one.type, one.call_id) == ("recording.ready", call_id)]
    return [(one.data["segment"], one.revision) for one in found]


def test_given_events_without_a_revision_of_their_own_then_each_call_counts_its_own(database, agency):
    one, other = new_id(), new_id()
    with database.tenant(agency.id) as connection:
        append_next(connection, agency.id, [ready(one, 3), ready(other, 1), ready(one, 4)])
        append_next(connection, agency.id, [])
    with database.tenant(agency.id) as connection:
        append_next(connection, agency.id, [ready(one, 3)])
    assert revisions_of(database, agency.id, one) == [(3, 1), (4, 2), (3, 3)]
    assert revisions_of(database, agency.id, other) == [(1, 1)]


def test_given_two_transactions_that_tell_of_one_call_then_each_event_has_a_revision_and_none_is_lost(database, agency):
    call, first_wrote, second_done = new_id(), threading.Event(), []

    def second():
        first_wrote.wait(10)
        with database.tenant(agency.id) as connection:
            # Waits for the first to commit: both had counted the same.
            append_next(connection, agency.id, [ready(call, 2)])
        second_done.append(True)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with database.tenant(agency.id) as connection:
            append_next(connection, agency.id, [ready(call, 1)])
            first_wrote.set()
            while not locks_waited_for(database):
                time.sleep(0.01)
            assert not second_done
        waiting.result(20)
    assert sorted(revisions_of(database, agency.id, call)) == [(1, 1), (2, 2)]


def locks_waited_for(database):
    with database.directory() as connection:
        return connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one()


def test_given_a_transaction_that_fails_then_its_events_never_were(database, agency):
    def work():
        with database.tenant(agency.id) as connection:
            append(connection, agency.id, [ended()])
            raise ValueError

    with pytest.raises(ValueError):
        work()
    assert sequence(database, agency.id) == 0


def test_given_a_slow_commit_then_no_cursor_skips_it_and_there_is_no_gap(database, agency):
    """What a sequence would do wrong: the slow transaction wrote first and commits last."""
    slow, fast = ended(), ended()
    with database.tenant(agency.id) as connection:
        append(connection, agency.id, [slow])
        write(database, agency.id, fast)
        assert sequence(database, agency.id) == 1
        (seen,) = read(database, agency.id)
        assert seen.call_id == fast.call_id
    assert sequence(database, agency.id) == 1
    (late,) = read(database, agency.id, seen.position)
    assert (late.call_id, late.position) == (slow.call_id, seen.position + 1)


def test_given_a_sequencer_that_has_not_committed_then_the_next_one_waits_for_it(database, agency):
    write(database, agency.id, ended())
    given = []
    with database.tenant(agency.id) as connection:
        connection.execute(text("SELECT dialtrace_sequence_events(:a, 10)"), {"a": agency.id})
        write(database, agency.id, ended())
        second = threading.Thread(target=lambda: given.append(sequence(database, agency.id)))
        second.start()
        second.join(0.3)
        assert second.is_alive()
    second.join(10)
    assert given == [1]
    assert [event.position for event in read(database, agency.id)] == [1, 2]


def test_given_many_writers_and_sequencers_and_a_reader_then_the_reader_sees_each_event_once_in_order(database, agency):
    writers, each = 4, 25
    done = threading.Event()
    seen = []

    def follow():
        while True:
            last_round = done.is_set()
            found = read(database, agency.id, seen[-1].position if seen else 0, limit=7)
            seen.extend(found)
            if last_round and not found:
                return

    def produce(_):
        for index in range(each):
            write(database, agency.id, *(ended(at=NOW + timedelta(seconds=index)) for _ in range(2)))
            sequence(database, agency.id, limit=3)

    reader = threading.Thread(target=follow)
    reader.start()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(produce, range(writers)))
    while sequence(database, agency.id):
        pass
    done.set()
    reader.join(30)
    assert [event.position for event in seen] == list(range(1, writers * each * 2 + 1))
    assert len({event.id for event in seen}) == writers * each * 2


def test_given_several_agencies_then_each_has_its_own_count_and_one_call_serves_all(database, agency, stranger):
    write(database, agency.id, ended(), ended(), ended())
    write(database, stranger.agency_id, ended())
    assert sequence(database, limit=2) == 3
    assert sequence(database, limit=2) == 1
    assert sequence(database) == 0
    assert [event.position for event in read(database, agency.id)] == [1, 2, 3]
    assert [event.position for event in read(database, stranger.agency_id)] == [1]


def test_given_a_client_then_it_reads_its_own_events_only(database, agency, client, tenancy):
    sibling = tenancy.create_client(agency.id, "Sibling", "UTC")
    write(database, agency.id, ended(client_id=client.id), ended(client_id=sibling.id), ended())
    sequence(database, agency.id)
    assert [event.client_id for event in read(database, agency.id, client_id=sibling.id)] == [sibling.id]
    assert len(read(database, agency.id)) == 3


def test_given_a_client_then_it_cannot_move_the_agencys_count(database, agency, client):
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match="whole agency"),
        database.tenant(agency.id, client.id) as connection,
    ):
        connection.execute(text("SELECT dialtrace_sequence_events(:a, 1)"), {"a": agency.id})


def test_given_old_events_that_were_removed_then_no_position_comes_twice(database, agency, owner_engine):
    write(database, agency.id, ended(), ended())
    sequence(database, agency.id)
    with owner_engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    write(database, agency.id, ended())
    sequence(database, agency.id)
    assert [event.position for event in read(database, agency.id)] == [3]


def test_given_two_sequencers_of_all_then_an_agency_that_one_has_in_hand_is_passed_by(database, agency, stranger):
    write(database, agency.id, ended())
    assert sequence(database) == 1
    write(database, agency.id, ended())
    write(database, stranger.agency_id, ended())
    with database.tenant(agency.id) as connection:
        connection.execute(text("SELECT dialtrace_sequence_events(:a, 10)"), {"a": agency.id})
        write(database, agency.id, ended())
        assert sequence(database) == 1, "the stranger's only, and without waiting"
    assert [event.position for event in read(database, stranger.agency_id)] == [1]
    assert sequence(database) == 1
    assert [event.position for event in read(database, agency.id)] == [1, 2, 3]


def test_given_a_sequencer_that_dies_in_the_middle_then_the_next_one_leaves_no_gap(database, agency, owner_engine):
    write(database, agency.id, *(ended() for _ in range(5)))

    def die_in_the_middle():
        with database.tenant(agency.id) as connection, owner_engine.begin() as killer:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            connection.execute(text("SELECT dialtrace_sequence_events(:a, 3)"), {"a": agency.id})
            killer.execute(text("SELECT pg_terminate_backend(:p, 5000)"), {"p": pid})

    with pytest.raises(DatabaseError):
        die_in_the_middle()
    assert read(database, agency.id) == []
    assert sequence(database) == 5
    assert [event.position for event in read(database, agency.id)] == [1, 2, 3, 4, 5]


def test_given_slow_commits_all_the_time_and_two_sequencers_then_a_cursor_sees_every_event_once(database, agency):
    """Real transactions are held open while others overtake them; both sequencers and the reader go on meanwhile."""
    writers, each, hold_s = 6, 8, (0.0, 0.01, 0.04, 0.09)
    written, seen, done = set(), [], threading.Event()

    def produce(which):
        for index in range(each):
            event = ended(at=NOW + timedelta(seconds=index))
            with database.tenant(agency.id) as connection:
                append(connection, agency.id, [event])
                time.sleep(hold_s[(which + index) % len(hold_s)])
            written.add(event.call_id)

    def number():
        while not done.is_set():
            sequence(database, limit=3)

    def follow():
        after = 0
        while True:
            last_round = done.is_set()
            with database.tenant(agency.id) as connection:
                page = read_page(connection, agency.id, after, limit=4)
            seen.extend(page.events)
            after = page.until
            if last_round and not page.has_more:
                return

    others = [threading.Thread(target=work) for work in (number, number, follow)]
    for one in others:
        one.start()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(produce, range(writers)))
    while sequence(database):
        pass
    done.set()
    for one in others:
        one.join(30)
    assert [event.position for event in seen] == list(range(1, writers * each + 1))
    assert {event.call_id for event in seen} == written


def page(database, agency_id, after=0, client_id=None, **asked):
    with database.tenant(agency_id, client_id) as connection:
        return read_page(connection, agency_id, after, **asked)


def test_given_filters_that_little_passes_then_pages_go_on_over_what_was_left_out(database, agency, monkeypatch):
    monkeypatch.setattr("dialtrace.events.service.MOST_LOOKED_AT", 3)
    paused = NewEvent("webhook.paused", NOW, data={"webhook_id": str(new_id()), "reason": "asked"})
    write(database, agency.id, *(ended(at=NOW) for _ in range(7)))
    sequence(database)
    write(database, agency.id, paused)
    sequence(database)
    seen, after, pages = [], 0, 0
    while True:
        found = page(database, agency.id, after, types=["webhook.*"])
        seen, after, pages = [*seen, *found.events], found.until, pages + 1
        if not found.has_more:
            break
    assert ([event.position for event in seen], after, pages) == ([8], 8, 3)
    full = page(database, agency.id, 0, limit=2)
    assert ([event.position for event in full.events], full.until, full.has_more) == ([1, 2], 2, True)
    assert page(database, agency.id, 8).until == page(database, agency.id, 99).until - 91 == 8


def test_given_a_log_whose_beginning_was_removed_then_a_page_begins_where_it_does(
    database, agency, owner_engine, monkeypatch
):
    monkeypatch.setattr("dialtrace.events.service.MOST_LOOKED_AT", 2)
    write(database, agency.id, *(ended() for _ in range(9)))
    sequence(database)
    with owner_engine.begin() as connection:
        connection.execute(text("DELETE FROM events WHERE position < 7"))
    found = page(database, agency.id)
    assert [event.position for event in found.events] == [7, 8]
    with owner_engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    assert page(database, agency.id, 8).until == 9
    assert not page(database, agency.id, 0).events


def test_given_no_event_yet_then_the_log_ends_at_nothing(database, agency, client):
    with database.tenant(agency.id, client.id) as connection:
        assert last_position(connection, agency.id) == 0
    assert page(database, agency.id) == page(database, agency.id, client_id=client.id)


def test_given_the_ranks_of_the_database_then_they_are_those_of_the_code(database, agency):
    with database.tenant(agency.id) as connection:
        for type_, rank in RANKS.items():
            assert connection.execute(text("SELECT dialtrace_event_rank(:t)"), {"t": type_}).scalar_one() == rank
