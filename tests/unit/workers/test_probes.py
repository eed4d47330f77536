"""A probe of the workers' port is no call: it is neither counted as a failure nor told as a warning."""

from prometheus_client import REGISTRY

from dialtrace.calls.routes import Decided
from dialtrace.esl.errors import ConnectionLost, NobodySpoke
from dialtrace.workers.call import CallWorker
from dialtrace.workers.prompt_files import PlanSounds
from dialtrace.workers.routes import RouteReader


def failures() -> float:
    return REGISTRY.get_sample_value("dialtrace_worker_failures_total", {"what": "socket"}) or 0.0


def test_given_a_connection_without_a_word_when_it_ends_then_it_is_no_failure() -> None:
    worker = CallWorker(RouteReader(lambda _: None), PlanSounds(dict), decide=lambda *_, **__: Decided(None, {}))
    before = failures()
    worker.failed(NobodySpoke())
    assert failures() == before
    worker.failed(ConnectionLost())
    assert failures() == before + 1
