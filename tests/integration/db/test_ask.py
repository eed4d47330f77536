"""A question of the call plane, put by the driver alone: as careful as any other statement."""

import socket
import subprocess
import sys

import pytest
from sqlalchemy import text

from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable, StatementTooSlow

ONE = "SELECT 1, %s"


@pytest.fixture
def make_database(database_url):
    made = []

    def make(**options):
        made.append(Database(database_url, **options))
        return made[-1]

    yield make
    for database in made:
        database.dispose()


def test_given_a_question_then_rows_have_the_drivers_values_and_nothing_is_left_in_a_transaction(database):
    rows = database.ask("SELECT %s::uuid, '{\"a\": [1]}'::jsonb, NULL", ("018f0000-0000-7000-8000-0000000000a1",))
    assert [(str(row[0]), row[1], row[2]) for row in rows] == [
        ("018f0000-0000-7000-8000-0000000000a1", {"a": [1]}, None)
    ]
    assert database.ask("SELECT now() = statement_timestamp(), current_user::text", ()) == [(True, "dialtrace_app")]


def test_given_an_idle_connection_that_died_when_asked_then_nobody_notices(make_database, owner_engine):
    database = make_database(pool_size=1)
    assert database.ask(ONE, (1,)) == [(1, 1)]
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'dialtrace'"
            )
        )
    assert database.ask(ONE, (2,)) == [(1, 2)]


def test_given_a_slow_question_then_it_is_cut_off_and_the_connection_lives(make_database):
    database = make_database(pool_size=1, statement_timeout_ms=100)
    before = database.ask("SELECT pg_backend_pid()", ())
    with pytest.raises(StatementTooSlow):
        database.ask("SELECT pg_sleep(5)", ())
    assert database.ask("SELECT pg_backend_pid()", ()) == before


def test_given_a_question_that_fails_then_its_error_does_not_repeat_the_values(database):
    with pytest.raises(Exception, match="division") as failed:
        database.ask("SELECT 1 / length(%s::text)", ("",))
    assert "parameters" not in str(failed.value) or "hidden" in str(failed.value)


def test_given_no_server_then_unavailable():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        database = Database(f"postgresql://nobody@127.0.0.1:{bound.getsockname()[1]}/none", pool_size=1)
        with pytest.raises(DatabaseUnavailable, match="refused"):
            database.ask(ONE, (1,))


GREEN = """
from gevent import monkey
monkey.patch_all()
from dialtrace.db.green import patch_psycopg
patch_psycopg()
import sys
import gevent
from dialtrace.db.engine import Database
from dialtrace.db.errors import NoFreeConnection

database = Database(sys.argv[1], pool_size=1, pool_timeout_s=0.1)
database.ask("SELECT 1", ())
for _ in range(3):
    try:
        with gevent.Timeout(0.1):
            database.ask("SELECT 'late', pg_sleep(1)", ())
    except gevent.Timeout:
        pass
    print(database.ask("SELECT 'mine'", ()))
held = gevent.spawn(database.ask, "SELECT pg_sleep(0.5)", ())
gevent.sleep(0.05)
try:
    database.ask("SELECT 1", ())
except NoFreeConnection:
    print("bounded")
held.join()
"""


def test_given_a_question_that_is_given_up_then_the_next_one_gets_its_own_answer(database_url):
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", GREEN, database_url],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout == "[('mine',)]\n" * 3 + "bounded\n", done.stderr
