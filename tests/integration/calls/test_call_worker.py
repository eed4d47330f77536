"""Call workers as processes, with a real database behind and the switch's end of the socket in front."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time

import pytest

from dialtrace.calls.routes import RuleChanges
from dialtrace.calls.rules import Rules
from dialtrace.clock import from_microseconds
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.workers.route_copy import RouteCopy
from dialtrace.workers.rule_keeper import RuleFiles

from .lines import CALL, STARTED_US, ask
from .processes import eventually, kill

BUDGET_S = 0.7
#: What a busy machine may add; the guard fires 500 ms after the budget at the earliest.
SLACK_S = 0.3


def ring(target):
    return {"type": "ring", "targets": [str(target)]}


def timeless(plan):
    """Without the moment at which it was made."""
    return None if plan is None else re.sub(r"@[0-9]{10}", "@", plan)


def test_given_a_call_to_a_number_then_the_worker_hands_over_its_plan_and_lets_go(tenant, processes):
    target = tenant.target("sip:7@10.0.0.7")
    number = tenant.number("+74955550101", tenant.flow(ring(target), record=True))
    processes.worker()
    answer = ask(processes.worker_port, "74955550101")
    assert answer.commands == ["sendmsg", "exit"]
    assert answer.plan is not None
    assert answer.plan.startswith(f"m:~:multiset:^^;dialtrace_agency={tenant.agency_id};")
    assert f"dialtrace_number={number};" in answer.plan
    assert (
        f"record_session\\s/var/spool/n1/recordings/{from_microseconds(STARTED_US):%Y%m%d}/{CALL}-1.wav" in answer.plan
    )
    assert f"dialtrace_target={target}," in answer.plan
    assert answer.plan.endswith(r"sofia/external/7@10.0.0.7~transfer:finish\sXML\sflow")
    assert answer.seconds < BUDGET_S


@pytest.mark.parametrize(
    ("change", "reason", "cause"),
    [
        (None, "unknown", "UNALLOCATED_NUMBER"),
        ({"status": "released", "flow_id": None}, "released", "UNALLOCATED_NUMBER"),
        ({"status": "suspended"}, "suspended", "SUBSCRIBER_ABSENT"),
        ({"flow_id": None}, "no_flow", "SUBSCRIBER_ABSENT"),
    ],
)
def test_given_a_number_that_takes_no_calls_then_the_plan_says_why(tenant, processes, change, reason, cause):
    processes.worker()
    if change is not None:
        number = tenant.number("+74955550101", tenant.flow(ring(tenant.target())))
        assert "bridge" in ask(processes.worker_port, "74955550101").plan
        tenant.set_number(number, **change)
    answer = ask(processes.worker_port, "74955550101")
    assert answer.plan.endswith(f"~hangup:{cause}")
    assert f"dialtrace_refused={reason};" in answer.plan
    assert (f"dialtrace_agency={OPERATOR_AGENCY};" in answer.plan) == (reason in {"unknown", "released"})


def test_given_a_step_then_any_worker_resumes_the_flow_there(tenant, processes):
    first, second = tenant.target("sip:1@10.0.0.1"), tenant.target("sip:2@10.0.0.2")
    tenant.number("+74955550101", tenant.flow(ring(first), ring(second)))
    processes.worker()
    plan = ask(processes.worker_port, "74955550101", dialtrace_step="step-2", dialtrace_result="@begin").plan
    assert "2@10.0.0.2" in plan
    assert "1@10.0.0.1" not in plan


@pytest.mark.parametrize(
    "variables",
    [{"dialtrace_dialled": ""}, {"dialtrace_dialled": "12;x=1"}, {"dialtrace_spool": ""}, {"dialtrace_spool": "/a b"}],
)
def test_given_a_question_without_sense_then_the_call_is_let_go_without_a_plan(tenant, processes, variables):
    processes.worker()
    asked = {"dialled": "74955550101"} | {"dialtrace_dialled": "74955550101"} | variables
    answer = ask(processes.worker_port, **asked)
    assert answer.commands == ["exit"]
    assert ask(processes.worker_port, "74955550101").plan is not None


@pytest.mark.parametrize("trouble", ["freeze", "cut"])
def test_given_a_database_in_trouble_then_known_numbers_are_answered_from_the_copy_within_the_budget(
    tenant, processes, line, trouble
):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target("sip:7@10.0.0.7"))))
    tenant.number("+74955550102", tenant.flow(ring(tenant.target())))
    processes.worker()
    before = ask(processes.worker_port, "74955550101")
    getattr(line, trouble)()
    for _ in range(3):
        answer = ask(processes.worker_port, "74955550101")
        assert timeless(answer.plan) == timeless(before.plan)
        assert answer.seconds < BUDGET_S + SLACK_S
    stranger = ask(processes.worker_port, "74955550102")
    assert stranger.commands == ["exit"], "a number never read is the fallback's"
    assert stranger.seconds < BUDGET_S + SLACK_S
    line.mend()
    until_s = time.monotonic() + 10
    while ask(processes.worker_port, "74955550102").plan is None:
        assert time.monotonic() < until_s, "the worker did not find back to its database"
        time.sleep(0.2)


def test_given_a_database_that_is_away_then_the_nodes_own_block_lists_and_limits_hold(
    tenant, processes, line, tmp_path
):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target("sip:7@10.0.0.7"))))
    processes.worker()
    told = {"dialtrace_spool": str(tmp_path), "dialtrace_caller": "+74955550123"}
    entries = [Rules(tenant.client_id, 3, None, ["number +74955550123"])]
    RuleFiles(tmp_path).keep(RuleChanges("1", entries), whole=True)
    assert "bridge" in ask(processes.worker_port, "74955550101", **told).plan, "the database knows of no such entry"
    line.cut()
    refused = ask(processes.worker_port, "74955550101", **told)
    assert "dialtrace_refused=blocked_number" in refused.plan
    let_in = ask(processes.worker_port, "74955550101", **told | {"dialtrace_caller": "+74955550124"})
    assert rf"fallback_calls\s{tenant.client_id}\s3" in let_in.plan


def test_given_fifty_calls_at_once_while_the_database_is_frozen_then_each_is_answered_within_the_budget(
    tenant, processes, line
):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target())))
    processes.worker()
    ask(processes.worker_port, "74955550101")
    line.freeze()
    answers = at_once(50, lambda: ask(processes.worker_port, "74955550101"))
    assert len(answers) == 50
    assert all(answer.plan is not None for answer in answers)
    assert max(answer.seconds for answer in answers) < BUDGET_S + SLACK_S


def test_given_a_worker_started_while_the_database_is_away_then_it_answers_from_the_machines_copy(
    tenant, processes, line
):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target("sip:7@10.0.0.7"))))
    first = processes.worker()
    before = ask(processes.worker_port, "74955550101")
    _, node = processes.switch()
    monitor = processes.monitor(node)
    copy = RouteCopy(processes.folder / "routes.db")
    assert eventually(lambda: copy.find("+74955550101"))
    line.cut()
    kill(first)
    kill(monitor)
    processes.worker()
    answer = ask(processes.worker_port, "74955550101")
    assert timeless(answer.plan) == timeless(before.plan)
    assert answer.seconds < BUDGET_S + SLACK_S


def test_given_no_database_at_start_then_the_worker_still_lets_calls_go(tenant, processes, line):
    line.cut()
    processes.worker()
    assert ask(processes.worker_port, "74955550101").commands == ["exit"]


def test_given_one_of_two_workers_killed_then_the_other_answers_every_new_call(tenant, processes):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target())))
    first, _ = processes.worker(), processes.worker()
    kill(first)
    assert all(ask(processes.worker_port, "74955550101").plan is not None for _ in range(20))


def test_given_a_worker_told_to_stop_then_it_answers_what_it_has_and_is_gone_within_two_seconds(tenant, processes):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target())))
    process = processes.worker()
    silent = socket.create_connection(("127.0.0.1", processes.worker_port))
    answers, connected = [], threading.Event()
    asking = threading.Thread(
        target=lambda: answers.append(ask(processes.worker_port, "74955550101", connected=connected))
    )
    asking.start()
    assert connected.wait(timeout=5)
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0
    assert time.monotonic() - began_s < 2.0
    asking.join(timeout=5)
    silent.close()
    assert [answer.plan is not None for answer in answers] == [True]


def test_given_more_questions_than_it_can_answer_in_time_then_each_caller_is_let_go_soon(tenant, processes, line):
    tenant.number("+74955550101", tenant.flow(ring(tenant.target())))
    processes.worker()
    line.freeze()
    answers = at_once(400, lambda: ask(processes.worker_port, "74955550199"))
    assert len(answers) == 400, "no connection was left hanging or refused"
    assert max(answer.seconds for answer in answers) < 2.0
    turned_away = [answer.seconds for answer in answers if answer.commands == []]
    assert turned_away, "some were sent to the fallback unheard"
    line.mend()
    until_s = time.monotonic() + 10
    while ask(processes.worker_port, "74955550101").plan is None:
        assert time.monotonic() < until_s, "the worker did not recover"
        time.sleep(0.2)


def test_given_a_worker_whose_loop_stands_still_then_it_ends_itself(processes):
    started = processes.standing_still()
    assert started.wait(timeout=20) == -signal.SIGALRM


def at_once(count, ask_one):
    """The answers of so many threads, started together."""
    answers, threads = [], [threading.Thread(target=lambda: answers.append(ask_one())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    return answers
