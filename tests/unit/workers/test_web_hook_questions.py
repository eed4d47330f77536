"""A worker leaves the question for a web hook before the plan that waits; if it cannot, nobody waits."""

import time
import uuid

import gevent
import pytest

from dialtrace.calls.model import Route
from dialtrace.calls.program import BEGIN
from dialtrace.calls.routes import Decided
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.workers.call import ASK_TIMEOUT_S, CallWorker
from dialtrace.workers.prompt_files import PlanSounds
from dialtrace.workers.routes import RouteReader

CALL = "6a1f0b52-0000-4000-8000-00000000ca11"
ROUTE = Route(
    agency_id=uuid.UUID(int=1), client_id=uuid.UUID(int=2), number_id=uuid.UUID(int=3), status="active",
    flow_id=uuid.UUID(int=4), flow_version=1,
    compiled={
        "version": 2, "record": False, "language": "en", "time_zone": "UTC", "entry": "ask", "backup": None,
        "needs": [], "apology": None, "prompts": [],
        "steps": {
            "ask": {
                "type": "webhook", "url": "https://crm.example/", "timeout_s": 3, "choices": {"vip": "bye"},
                "otherwise": "bye",
            },
            "bye": {"type": "hangup", "cause": "busy"},
        },
    },
)  # fmt: skip


class Asked:
    """A switch's question, as the worker sees it."""

    call_id = CALL

    def __init__(self, result):
        self._variables = {
            "dialtrace_dialled": "442079460001", "dialtrace_started": f"{int(time.time())}000000",
            "dialtrace_spool": "/var/spool/n1", "dialtrace_step": "ask", "dialtrace_result": result,
            "dialtrace_node": "node-1", "dialtrace_caller": "442079460123",
        }  # fmt: skip
        self.told = b""

    def variable(self, name):
        return self._variables.get(name)

    def run(self, *blocks, timeout_s):
        self.told = b"".join(block if isinstance(block, bytes) else str(block).encode() for block in blocks)


class Questions:
    """Takes questions, or does to them what a database in trouble does."""

    def __init__(self, trouble=None):
        self.taken = []
        self._trouble = trouble

    def ask(self, route, name, step, *, call_id, node, told):
        if self._trouble is not None:
            self._trouble()
        self.taken.append((name, step.timeout_s, call_id, node, told["caller"], told["number"]))


def answer(questions, result, *, route=ROUTE):
    worker = CallWorker(
        RouteReader(lambda _: route), PlanSounds(dict), lambda *_, **__: Decided(route, {}), questions=questions
    )
    call = Asked(result)
    worker.handle(call)
    return call.told


def test_given_a_call_that_comes_to_a_web_hook_then_its_question_is_left_and_the_plan_waits():
    questions = Questions()
    told = answer(questions, BEGIN)
    assert questions.taken == [("ask", 3, CALL, "node-1", "+442079460123", "+442079460001")]
    assert b"sched_transfer" in told


@pytest.mark.parametrize("result", ["vip", "timeout"])
def test_given_a_call_that_comes_back_from_it_then_nothing_is_asked_again(result):
    questions = Questions()
    assert b"USER_BUSY" in answer(questions, result)
    assert questions.taken == []


def out_of_reach():
    raise DatabaseUnavailable


def slow():
    gevent.sleep(ASK_TIMEOUT_S + 1)


@pytest.mark.parametrize("trouble", [out_of_reach, slow])
def test_given_a_question_that_cannot_be_left_then_the_default_applies_at_once(trouble):
    told = answer(Questions(trouble), BEGIN)
    assert b"USER_BUSY" in told
    assert b"sched_transfer" not in told
