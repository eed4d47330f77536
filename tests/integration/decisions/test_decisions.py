"""Questions from the worker's function to the row that the monitor reads, on the real database."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.clock import SystemClock
from dialtrace.decisions.model import Verdict
from dialtrace.tenancy.service import TenancyService

from .conftest import CUSTOMER, NODE, STRANGER

NOBODY = "http://127.0.0.1:9/"


def of_node(database, node=NODE):
    return [
        (str(row.id), row.state, row.answer)
        for row in database.look_up("SELECT * FROM dialtrace_decisions_of_node(%s) ORDER BY id", (node,))
    ]


def wake(database, client, decision):
    statement = "SELECT dialtrace_decision_wake(%s::uuid, %s::uuid)"
    return database.look_up(statement, (str(client.agency_id), decision))[0][0]


def ask_all(decisions):
    """Claims and settles what waits; how each ended."""
    return [decisions.settle(question, decisions.ask(question)) for question in decisions.claim(most=64, each=64)]


class TestTheReceiverOfTheHowTo:
    @pytest.mark.parametrize(("caller", "choice"), [(CUSTOMER, "sales"), (STRANGER, "support"), (None, "support")])
    def test_given_a_waiting_call_when_asked_then_its_answer_is_there_for_the_monitor(
        self, decisions, arrive, receiver, database, client, row_of, caller, choice
    ):
        decision = arrive(receiver.url, caller=caller)
        assert of_node(database) == [(decision, "waiting", None)]
        assert ask_all(decisions) == ["answered"]
        assert of_node(database) == [(decision, "answered", choice)]
        assert of_node(database, "node-2") == []
        row = row_of(decision)
        assert (row.state, row.answer, row.fault, row.body) == ("answered", choice, None, {})
        assert wake(database, client, decision) is True
        assert of_node(database) == []
        assert wake(database, client, decision) is False

    def test_given_a_rotated_secret_when_asked_then_who_knows_the_old_one_still_believes(
        self, decisions, arrive, receiver, hook_secrets, client, owner_engine
    ):
        hook_secrets.rotate(client.agency_id, client.id)
        arrive(receiver.url)
        assert ask_all(decisions) == ["answered"]
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE hook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL"))
        arrive(receiver.url)
        assert ask_all(decisions) == ["status"]

    def test_given_another_clients_call_then_its_question_is_signed_with_its_own_secret(
        self, decisions, arrive, receiver, database, client
    ):
        sibling = TenancyService(database, SystemClock()).create_client(client.agency_id, "Sibling")
        arrive(receiver.url, of=sibling)
        assert ask_all(decisions) == ["status"]


class TestFaults:
    def test_given_a_choice_that_the_step_does_not_have_then_the_default_applies(
        self, decisions, arrive, receiver, database, row_of
    ):
        decision = arrive(receiver.url, choices=("billing",))
        assert ask_all(decisions) == ["unexpected"]
        row = row_of(decision)
        assert (row.state, row.answer, row.fault, row.body) == ("failed", None, "unexpected", {})
        assert of_node(database) == [(decision, "failed", None)]

    @pytest.mark.parametrize(
        ("url", "fault"),
        [
            (NOBODY, "not_connected"),
            ("https://169.254.169.254/latest", "address_refused"),
            ("ftp://crm.example/", "url_refused"),
        ],
    )
    def test_given_an_address_that_does_not_work_then_the_call_goes_on_at_once(self, decisions, arrive, url, fault):
        arrive(url)
        begun_s = time.monotonic()
        assert ask_all(decisions) == [fault]
        assert time.monotonic() - begun_s < 2

    def test_given_an_answer_after_the_deadline_then_it_is_late_and_nobody_is_woken(
        self, decisions, arrive, database, client, row_of
    ):
        decision = arrive(NOBODY, timeout_s=1)
        (question,) = decisions.claim(most=1, each=1)
        time.sleep(1.1)
        assert decisions.settle(question, Verdict(answer="sales")) == "late"
        assert (row_of(decision).answer, row_of(decision).fault) == (None, "late")
        assert of_node(database) == []
        assert wake(database, client, decision) is False

    def test_given_a_question_that_came_anew_when_the_old_ones_answer_arrives_then_it_is_nobodys(
        self, decisions, arrive, row_of
    ):
        call = uuid.uuid4()
        arrive(NOBODY, call=call, timeout_s=1)
        (old,) = decisions.claim(most=1, each=1)
        time.sleep(1.1)
        again = arrive(NOBODY, call=call)
        assert decisions.settle(old, Verdict(answer="sales")) == "lost"
        assert row_of(again).state == "waiting"


class TestAsking:
    def test_given_a_worker_that_asks_twice_then_there_is_one_question(self, arrive, decisions):
        call = uuid.uuid4()
        assert arrive(NOBODY, call=call) == arrive(NOBODY, call=call)
        assert len(decisions.claim(most=10, each=10)) == 1
        assert arrive(NOBODY, call=call) is not None
        assert decisions.claim(most=10, each=10) == []

    def test_given_a_call_that_comes_back_to_the_step_then_it_asks_anew(self, arrive, decisions, database, client):
        call = uuid.uuid4()
        first = arrive(NOBODY, call=call)
        assert ask_all(decisions) == ["not_connected"]
        assert wake(database, client, first)
        second = arrive(NOBODY, call=call)
        assert second != first
        assert of_node(database) == [(second, "waiting", None)]

    @pytest.mark.parametrize("timeout_s", [0, 21])
    def test_given_a_wait_out_of_bounds_then_refused(self, arrive, timeout_s):
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="between 1 and 20 seconds"):
            arrive(NOBODY, timeout_s=timeout_s)

    def test_given_askers_side_by_side_then_each_question_goes_to_one(self, arrive, decisions):
        wanted = {arrive(NOBODY) for _ in range(60)}
        gate = threading.Barrier(4)

        def take(_):
            gate.wait(5)
            return [str(question.id) for _ in range(6) for question in decisions.claim(most=3, each=60)]

        with ThreadPoolExecutor(4) as pool:
            taken = [one for some in pool.map(take, range(4)) for one in some]
        assert len(taken) == len(set(taken)) > 30
        taken += [str(question.id) for question in decisions.claim(most=60, each=120)]
        assert sorted(taken) == sorted(wanted)

    def test_given_a_client_with_many_then_another_clients_question_does_not_wait_for_them(
        self, arrive, decisions, database, client
    ):
        for _ in range(20):
            arrive(NOBODY)
        other = TenancyService(database, SystemClock()).create_client(client.agency_id, "Other")
        last = arrive(NOBODY, of=other)
        first = decisions.claim(most=4, each=3)
        assert str(last) in {str(question.id) for question in first}
        assert len(first) == 4
        assert decisions.claim(most=10, each=3) == []
        for question in first:
            decisions.settle(question, Verdict(fault="status"))
        assert len(decisions.claim(most=10, each=3)) == 3


class TestTidying:
    def test_given_questions_that_nobody_settled_then_they_are_closed_and_told_apart(
        self, arrive, decisions, owner_engine, row_of
    ):
        taken = arrive(NOBODY)
        decisions.claim(most=1, each=1)
        untaken, fresh = arrive(NOBODY), arrive(NOBODY)
        with owner_engine.begin() as connection:
            connection.execute(
                text("UPDATE decisions SET deadline_at = now() - interval '3 s' WHERE id <> :id"), {"id": fresh}
            )
        assert decisions.tidy() == (1, 1)
        assert [row_of(one).fault for one in (taken, untaken, fresh)] == ["unanswered", "unasked", None]
        assert row_of(untaken).body == {}

    def test_given_rows_of_yesterday_then_they_are_removed(self, arrive, decisions, owner_engine):
        old, fresh = arrive(NOBODY), arrive(NOBODY)
        ask_all(decisions)
        with owner_engine.begin() as connection:
            connection.execute(
                text("UPDATE decisions SET asked_at = now() - interval '25 h' WHERE id = :id"), {"id": old}
            )
        decisions.tidy()
        with owner_engine.connect() as connection:
            assert [str(one) for one in connection.execute(text("SELECT id FROM decisions")).scalars()] == [fresh]


def test_given_another_tenant_then_it_sees_no_decision_and_no_secret(arrive, database, client, hook_secrets):
    arrive(NOBODY)
    hook_secrets.reveal(client.agency_id, client.id)
    stranger = TenancyService(database, SystemClock()).create_agency("Second").id
    for table in ("decisions", "hook_secrets"):
        with database.tenant(stranger) as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
        with database.directory() as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
        with database.tenant(client.agency_id) as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 1


def test_given_the_application_when_it_writes_a_decision_past_the_functions_then_refused(arrive, database, client):
    arrive(NOBODY)
    for statement in ("UPDATE decisions SET answer = 'x'", "DELETE FROM decisions"):
        with (
            pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"),
            database.tenant(client.agency_id) as connection,
        ):
            connection.exec_driver_sql(statement)
