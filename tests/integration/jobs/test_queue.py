"""Jobs come into the queue with the transaction that puts them there, and nobody's name stands in it."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import files

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from dialtrace.cli import cli
from dialtrace.db.engine import driver_url
from dialtrace.db.job_schema import bring_job_schema_up, newer_than, numbers_of
from dialtrace.ids import new_id
from dialtrace.jobs.errors import JobNotFailed
from dialtrace.jobs.model import Job, Request
from dialtrace.jobs.silence import Silence

REQUEST = Request(name="tests.act", args={"how": "done"})


class TestDeferring:
    def test_given_a_tenants_transaction_that_is_rolled_back_then_no_job_was_ever_there(self, database, queue):
        with suppress(ZeroDivisionError), database.tenant(new_id()) as connection:
            assert queue.defer(connection, REQUEST)
            raise ZeroDivisionError
        assert queue.backlog() == []

    def test_given_a_tenants_transaction_that_commits_then_the_job_waits(self, database, queue):
        with database.tenant(new_id(), new_id()) as connection:
            queue.defer(connection, REQUEST)
        (found,) = queue.backlog()
        assert (found.name, found.waiting, found.running, found.failed) == ("tests.act", 1, 0, 0)
        assert 0 <= found.oldest_s < 30

    def test_given_a_job_for_later_then_it_is_not_due(self, queue):
        queue.defer_alone(Request(name="tests.act", at=datetime.now(UTC) + timedelta(hours=1)))
        assert [(found.waiting, found.oldest_s) for found in queue.backlog()] == [(0, 0)]

    def test_given_one_that_waits_when_deferred_once_more_then_nothing_is_added_and_nothing_fails(
        self, database, queue
    ):
        once = Request(name="tests.act", once="only")
        assert queue.defer_alone(once)
        with database.directory() as connection:
            assert queue.defer(connection, once) is None
            assert queue.defer(connection, REQUEST)
        assert [found.waiting for found in queue.backlog()] == [2]

    def test_given_a_job_that_began_then_another_may_wait_and_both_may_be_rescued(self, queue, owner_engine):
        once = Request(name="tests.act", once="only")
        first = queue.defer_alone(once)
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = :id"), {"id": first})
        assert queue.defer_alone(once)
        assert queue.rescue(Silence()) == [(first, "tests.act")]
        assert [found.waiting for found in queue.backlog()] == [2]


class TestFailed:
    @pytest.fixture
    def failed(self, queue, owner_engine):
        found = queue.defer_alone(REQUEST)
        with owner_engine.begin() as connection:
            for status in ("doing", "failed"):
                connection.execute(
                    text("UPDATE procrastinate_jobs SET status = CAST(:s AS procrastinate_job_status), attempts = 3"),
                    {"s": status},
                )
        return found

    def test_given_a_job_that_was_given_up_then_it_is_listed_and_can_be_tried_again(self, queue, failed):
        (found,) = queue.list_failed()
        assert (found.id, found.name, found.args, found.attempts) == (failed, "tests.act", {"how": "done"}, 3)
        assert found.failed_at
        queue.try_again(failed)
        assert queue.list_failed() == []
        with pytest.raises(JobNotFailed):
            queue.try_again(failed)
        with pytest.raises(JobNotFailed):
            queue.discard(failed)

    def test_given_a_job_that_was_given_up_when_discarded_then_it_is_gone(self, queue, failed):
        queue.discard(failed)
        assert queue.backlog() == []

    def test_given_an_old_failure_when_tidied_then_it_goes_and_a_new_one_stays(self, queue, failed, owner_engine):
        queue.tidy(Job(1, "jobs.tidy", 1, {}))
        assert len(queue.list_failed()) == 1
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE procrastinate_events SET at = now() - interval '31 days'"))
        queue.tidy(Job(1, "jobs.tidy", 1, {}))
        assert queue.list_failed() == []


def catalogue(url):
    """Columns and the text of every function of the library, and its triggers but ours."""
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return {
            tuple(row)
            for row in connection.exec_driver_sql(
                "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_class c"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
                " WHERE c.relname LIKE 'procrastinate%%' AND c.relnamespace = 'public'::regnamespace"
                " UNION ALL SELECT proname, prosrc, pg_get_function_arguments(oid) FROM pg_proc"
                " WHERE proname LIKE 'procrastinate%%'"
                " UNION ALL SELECT tgname, pg_get_triggerdef(oid), '' FROM pg_trigger"
                " WHERE tgname LIKE 'procrastinate%%'"
            )
        }


def test_given_the_installed_library_then_the_migrations_have_brought_exactly_its_schema(
    database_url, database_server, owner_engine
):
    """Fails when the library is raised to one with another schema: then write a migration that calls
    bring_job_schema_up."""
    administer = create_engine(driver_url(database_server), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"dialtrace_jobs_{new_id().hex}"
    with administer.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        url = driver_url(database_server).set(database=name)
        with create_engine(url, poolclass=NullPool).begin() as connection:
            text_ = files("procrastinate.sql").joinpath("schema.sql").read_text(encoding="utf-8")
            connection.exec_driver_sql(text_, execution_options={"no_parameters": True})
        assert catalogue(database_url) == catalogue(url.render_as_string(hide_password=False))
    finally:
        with administer.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_given_a_database_of_this_version_of_the_library_then_no_step_is_applied_twice(owner_engine):
    with owner_engine.connect() as connection:
        bring_job_schema_up(connection)
        connection.rollback()


def test_given_an_earlier_version_of_the_library_then_its_later_steps_come_in_their_order():
    steps = newer_than((3, 2, 0))
    assert [step.count("priority") > 3 for step in steps] == [True, True, False]
    assert ["CREATE FUNCTION procrastinate_retry_job_v2" in step for step in steps] == [False, True, False]
    assert newer_than(numbers_of(version("procrastinate"))) == []


def test_given_versions_then_they_compare_as_numbers():
    assert numbers_of("3.10.0") > numbers_of("03.09.00") > numbers_of("3.4.0")


class TestCommands:
    @pytest.fixture
    def run(self, database_url, monkeypatch):
        monkeypatch.setenv("DIALTRACE_DATABASE_URL", database_url)

        def invoke(*words):
            found = CliRunner().invoke(cli, ["jobs", *words])
            return found.exit_code, found.output

        return invoke

    def test_given_an_empty_queue_then_it_says_so(self, run, queue):
        assert run("list") == (0, "the queue is empty\n")

    def test_given_a_job_that_was_given_up_then_people_can_see_it_and_run_it_again(self, run, queue, owner_engine):
        job = queue.defer_alone(REQUEST)
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
            connection.execute(text("UPDATE procrastinate_jobs SET status = 'failed', attempts = 2"))
        status, said = run("list")
        assert (status, said.splitlines()[0]) == (0, "tests.act: 0 due, the oldest for 0 s; 0 running; 1 given up")
        assert f"given up: {job} tests.act 20" in said
        assert said.endswith("after 2 tries how=done\n")
        assert run("retry", str(job)) == (0, f"job {job} waits again\n")
        assert run("discard", str(job))[0] == 1
