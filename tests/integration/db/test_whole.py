"""One piece of work, one transaction: what joins it, what undoes a part of it, and who may go on."""

import threading
import uuid

import pytest
from sqlalchemy import text

from dialtrace.db.engine import Database

PUT = text("INSERT INTO agencies (agency_id, name) VALUES (:agency, 'x')")
SEEN = text("SELECT count(*) FROM agencies")


def put(database: Database, agency: uuid.UUID) -> None:
    with database.tenant(agency) as connection:
        connection.execute(PUT, {"agency": agency})


def seen(database: Database, agency: uuid.UUID) -> int:
    with database.tenant(agency) as connection:
        return connection.execute(SEEN).scalar_one()


def test_given_several_transactions_in_a_whole_when_it_ends_then_all_are_kept(database):
    first, second = uuid.uuid4(), uuid.uuid4()
    with database.whole():
        put(database, first)
        put(database, second)
        assert (seen(database, first), seen(database, second)) == (1, 1)
        with database.system() as connection:
            assert connection.execute(SEEN).scalar_one() >= 2
        assert seen(database, first) == 1
    assert (seen(database, first), seen(database, second)) == (1, 1)


def test_given_a_whole_when_it_fails_late_then_nothing_is_kept(database):
    first = uuid.uuid4()
    with pytest.raises(RuntimeError), database.whole():  # noqa: PT012
        put(database, first)
        raise RuntimeError
    assert seen(database, first) == 0
    put(database, first)
    assert seen(database, first) == 1


def test_given_a_step_that_fails_when_caught_then_only_the_step_is_undone(database):
    first, second = uuid.uuid4(), uuid.uuid4()
    with database.whole():
        put(database, first)
        with pytest.raises(RuntimeError), database.whole():  # noqa: PT012
            put(database, second)
            raise RuntimeError
        with pytest.raises(Exception, match="duplicate"):
            put(database, first)
        assert seen(database, first) == 1
    assert (seen(database, first), seen(database, second)) == (1, 0)


def test_given_a_transaction_inside_of_another_when_it_ends_then_the_outer_is_its_tenants_again(database):
    first, second = uuid.uuid4(), uuid.uuid4()
    with database.whole(), database.tenant(first) as connection:
        connection.execute(PUT, {"agency": first})
        put(database, second)
        assert connection.execute(SEEN).scalar_one() == 1
        with database.system():
            pass
        assert connection.execute(SEEN).scalar_one() == 1
        with pytest.raises(RuntimeError), database.tenant(second):
            raise RuntimeError
        assert connection.execute(text("SELECT agency_id FROM agencies")).scalar_one() == first


def test_given_another_thread_when_a_whole_runs_then_it_is_not_part_of_it(database):
    first, second = uuid.uuid4(), uuid.uuid4()
    with pytest.raises(RuntimeError), database.whole():  # noqa: PT012
        put(database, first)
        thread = threading.Thread(target=put, args=(database, second))
        thread.start()
        thread.join(20)
        raise RuntimeError
    assert (seen(database, first), seen(database, second)) == (0, 1)


def test_given_a_turn_when_two_want_it_then_the_second_waits_for_the_end_of_the_first(database):
    order, has_begun = [], threading.Event()

    def second() -> None:
        has_begun.set()
        with database.whole(turn="same"):
            order.append("second")

    thread = threading.Thread(target=second)
    with database.whole(turn="same"):
        thread.start()
        assert has_begun.wait(20)
        with database.whole(turn="another"):
            order.append("first")
        assert order == ["first"]
    thread.join(20)
    assert order == ["first", "second"]
