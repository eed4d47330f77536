"""Workers as processes put waiting callers into queues that all share, and take them out again."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from .lines import CALL, ask
from .processes import eventually

NUMBER = "74955550101"


@pytest.fixture
def waits(tenant, processes):
    """A number whose callers wait; what the queue holds."""
    target = tenant.target("sip:1@10.0.0.1", ring_timeout_s=10)
    music = {"kind": "tone", "frequency_hz": 440, "duration_ms": 500}
    queue = {"type": "queue", "name": "wait", "targets": [str(target)], "music": music, "max_wait_s": 60}
    steps = [{**queue, "otherwise": "sorry"}, {"type": "hangup", "name": "sorry", "cause": "busy"}]
    document = {"version": 2, "record": False, "language": "en", "steps": steps}
    flow = tenant.calls.create_flow(tenant.agency_id, tenant.client_id, name="queue", document=document)
    tenant.number("+" + NUMBER, flow.id)
    processes.worker()
    return Waiting(tenant, processes, target)


class Waiting:
    def __init__(self, tenant, processes, target):
        self.tenant, self.processes, self.target = tenant, processes, target

    def comes(self, result):
        return ask(
            self.processes.worker_port, NUMBER, dialtrace_step="wait", dialtrace_result=result, dialtrace_node="node-1"
        ).plan

    def rows(self):
        with self.tenant.database.tenant(self.tenant.agency_id) as connection:
            found = connection.execute(text("SELECT call_id::text, step, node, targets, state FROM queue_entries"))
            return [tuple(row) for row in found]


def test_given_a_caller_who_comes_to_a_queue_then_he_is_in_it_before_he_hears_the_music_and_keeps_one_place(waits):
    entering = ask(waits.processes.worker_port, NUMBER).plan
    assert "dialtrace_step=wait;dialtrace_result=@begin" in entering
    assert waits.rows() == []
    for result in ("@begin", "wait", "missed"):
        # A database that is late for once lets the targets ring: the caller comes again.
        assert eventually(lambda result=result: "endless_playback" in waits.comes(result))
        assert waits.rows() == [(CALL, "wait", "node-1", [waits.target], "waiting")]


def test_given_a_target_that_is_kept_for_the_caller_then_it_rings_and_a_wait_that_is_over_ends_in_leaving(waits):
    waits.comes("@begin")
    assert "1@10.0.0.1" in waits.comes(f"target:{waits.target}")
    assert waits.comes("timeout").endswith("~hangup:USER_BUSY")
    assert [row[-1] for row in waits.rows()] == ["left"]


def test_given_a_database_away_then_the_queues_targets_ring(waits, line):
    waits.comes("@begin")
    line.cut()
    plan = waits.comes("wait")
    assert "1@10.0.0.1" in plan
    assert "endless_playback" not in plan
