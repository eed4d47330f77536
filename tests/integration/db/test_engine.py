"""Transactions, and what becomes of them when the server, the network or a neighbour misbehaves."""

import socket
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable, NoFreeConnection, StatementTooSlow, TransactionConflict
from dialtrace.db.prepared import Prepared, Ready

AGENCY = "018f0000-0000-7000-8000-0000000000a1"


@pytest.fixture
def make_database(database_url):
    made = []

    def make(**options):
        made.append(Database(database_url, **options))
        return made[-1]

    yield make
    for one in made:
        one.dispose()


@pytest.mark.parametrize("default", ["repeatable read", "serializable"])
def test_given_a_server_with_another_isolation_then_every_way_to_it_has_ours(make_database, owner_engine, default):
    name = owner_engine.url.database
    with owner_engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{default}'")
    try:
        database, question = make_database(), "SELECT current_setting('transaction_isolation')"
        said = [database.ask(question, ())[0][0], database.look_up(question, ())[0][0]]
        said += database.at_once(AGENCY, Ready(Prepared("ours", ("integer",), f"{question} WHERE $1 = 1"), (1,)))[0]
        for transaction in (database.tenant(AGENCY), database.directory(), database.system()):
            with transaction as connection:
                said.append(connection.exec_driver_sql(question).scalar_one())
        assert set(said) == {"read committed"}
    finally:
        with owner_engine.begin() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_isolation')


def test_given_two_statements_at_once_then_both_are_done_or_none(make_database):
    database = make_database()
    put = Prepared("put", ("uuid", "text"), "INSERT INTO agencies (agency_id, name) VALUES ($1, $2)")
    share = Prepared("share", ("integer",), "SELECT 1 / $1")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="division"):
        database.at_once(AGENCY, Ready(share, (0,)), first=Ready(put, (AGENCY, "x")))
    with database.tenant(AGENCY) as connection:
        assert count(connection) == 0
    assert database.at_once(AGENCY, Ready(share, (1,)), first=Ready(put, (AGENCY, "x"))) == [(1,)]
    with database.tenant(AGENCY) as connection:
        assert count(connection) == 1


def add_agency(connection):
    connection.execute(text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'x')"), {"a": AGENCY})


def count(connection):
    return connection.execute(text("SELECT count(*) FROM agencies")).scalar_one()


def tenant_now(connection):
    return connection.execute(text("SELECT current_setting('dialtrace.agency', true)")).scalar_one()


class Stop(Exception):
    """What a caller raises."""


def test_given_a_transaction_then_it_is_kept_at_its_end_and_not_before(database):
    with database.tenant(AGENCY) as connection:
        add_agency(connection)
        with database.tenant(AGENCY) as other:
            assert count(other) == 0
    with database.tenant(AGENCY) as connection:
        assert count(connection) == 1


def test_given_an_error_of_the_caller_then_nothing_is_kept_and_the_error_is_the_callers(database):
    def work():
        with database.tenant(AGENCY) as connection:
            add_agency(connection)
            raise Stop

    with pytest.raises(Stop):
        work()
    with database.tenant(AGENCY) as connection:
        assert count(connection) == 0


def test_given_a_statement_that_fails_then_its_error_does_not_repeat_the_values(database):
    with pytest.raises(sqlalchemy.exc.DBAPIError) as caught, database.tenant(AGENCY) as connection:
        connection.execute(text("SELECT 1 / length(:caller) - length(:caller) / 0"), {"caller": "+442079460999"})
    assert "442079460999" not in str(caught.value)


def test_given_a_connection_that_served_a_tenant_then_the_next_user_inherits_nothing(make_database):
    database = make_database(pool_size=1)
    with database.tenant(AGENCY, AGENCY) as connection:
        assert tenant_now(connection) == AGENCY
    with database.engine.connect() as connection:
        assert tenant_now(connection) in {None, ""}
    with pytest.raises(Stop), database.tenant(AGENCY):
        raise Stop
    with database.directory() as connection:
        assert tenant_now(connection) == ""


def cut_connections(owner_engine):
    with owner_engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'dialtrace' AND datname = current_database()"
            )
        )


def test_given_idle_connections_that_died_when_used_then_nobody_notices(make_database, owner_engine):
    database = make_database(pool_size=2)
    with database.directory(), database.directory():
        pass
    cut_connections(owner_engine)
    for _ in range(3):
        with database.tenant(AGENCY) as connection:
            assert count(connection) == 0


def test_given_a_connection_that_dies_inside_a_transaction_then_unavailable_and_the_next_works(database, owner_engine):
    def work():
        with database.tenant(AGENCY) as connection:
            add_agency(connection)
            cut_connections(owner_engine)
            count(connection)

    with pytest.raises(DatabaseUnavailable) as cut:
        work()
    assert cut.value.retry_helps
    with database.tenant(AGENCY) as connection:
        assert count(connection) == 0


def test_given_a_connection_that_dies_before_the_commit_then_the_caller_learns_it(database, owner_engine):
    def work():
        with database.tenant(AGENCY) as connection:
            add_agency(connection)
            cut_connections(owner_engine)

    with pytest.raises(DatabaseUnavailable):
        work()


def test_given_all_connections_in_use_then_the_wait_is_bounded(make_database):
    database = make_database(pool_size=1, pool_timeout_s=0.1)
    with database.directory(), pytest.raises(NoFreeConnection), database.directory():
        pass
    with database.directory():
        pass


def test_given_a_slow_statement_then_it_is_cut_off_and_the_connection_lives(make_database):
    database = make_database(pool_size=1, statement_timeout_ms=100)
    with pytest.raises(StatementTooSlow) as slow, database.directory() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    assert slow.value.retry_helps
    with database.directory() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_given_two_that_lock_each_other_out_then_one_gets_a_conflict_and_the_other_goes_on(database):
    both_hold = threading.Barrier(2, timeout=10)
    found = []

    def take(first, second):
        try:
            with database.directory() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({first})")
                both_hold.wait()
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({second})")
            found.append("done")
        except TransactionConflict:
            found.append("conflict")

    threads = [threading.Thread(target=take, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == ["conflict", "done"]


def test_given_no_server_then_unavailable_at_once():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        database = Database(f"postgresql://nobody@127.0.0.1:{bound.getsockname()[1]}/none", pool_size=1)
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="refused"), database.directory():
            pass
        assert time.monotonic() - started < 2


def test_given_a_server_that_never_answers_then_the_wait_is_bounded():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(f"postgresql://nobody@127.0.0.1:{port}/none", pool_size=1, connect_timeout_s=2)
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable), database.directory():
            pass
        assert time.monotonic() - started < 4


GREEN = """
from gevent import monkey
monkey.patch_all()
from dialtrace.db.green import patch_psycopg
patch_psycopg()
import sys, time
import gevent
from dialtrace.db.engine import Database

database = Database(sys.argv[1], pool_size=3)

def sleep(seconds):
    with database.directory() as connection:
        connection.exec_driver_sql(f"SELECT pg_sleep({seconds})")

with database.directory():
    pass
started = time.monotonic()
gevent.joinall([gevent.spawn(sleep, 0.4) for _ in range(3)], raise_error=True)
together_s = time.monotonic() - started

started = time.monotonic()
try:
    with gevent.Timeout(0.2):
        sleep(5)
except gevent.Timeout:
    pass
cut_s = time.monotonic() - started
for _ in range(4):
    sleep(0)
print("yields" if together_s < 0.9 else f"blocks: {together_s}", "cut" if cut_s < 1 else f"late: {cut_s}")
"""


def test_given_a_gevent_process_then_the_driver_yields_and_a_timeout_leaves_the_pool_whole(database_url):
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", GREEN, database_url],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout == "yields cut\n", done.stderr
