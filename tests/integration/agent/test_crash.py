"""Stopping between any two steps loses and doubles nothing (STYLE, goal 1)."""

import dataclasses
import os
import signal
import time
import traceback
from contextlib import suppress

import pytest

from dialtrace.db.engine import Database
from dialtrace.ids import new_id
from dialtrace.workers import ingest as ingest_module

from .conftest import CORE, tone

CALL = "8adbf110-dccb-4047-b40c-ecda6bb8a575"


class Stopped(BaseException):
    """The process is gone: nothing that follows happens, and no `except Exception` helps."""


class StopAt:
    """Stops at the n-th step; counts them where n is out of reach."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen: list[str] = []

    def __call__(self, step: str) -> None:
        self.seen.append(step)
        if len(self.seen) == self.at:
            raise Stopped(step)


def fill(node) -> None:
    """Two calls with their legs and recordings, one refused call, one that the node took with it, one unanswered."""
    for name in ("01-answered.a", "01-answered.b1", "03-busy.a", "03-busy.b1", "09-unknown-refused.a",
                 "07-failover-busy-answered.a", "07-failover-busy-answered.b1",
                 "07-failover-busy-answered.b2"):  # fmt: skip
        path = node.put_cdr(name)
        stamp = time.time() - 30
        os.utime(path, (stamp, stamp))
    node.begin(CALL)
    lost = str(new_id())
    node.begin(lost, core="0" * 8 + CORE[8:])
    node.switch_runs_as(CORE)
    node.put_recording(CALL, tone(0.1))
    node.put_recording("f0e116a3-6eb5-402d-8186-74a68ea240bd", tone(0.1, frequency=880))
    node.put_recording("53eaccab-ee42-4e58-8d45-60f7043c3dc5", tone(0.1)[:44])
    node.put_recording(lost, tone(0.1, frequency=600))


def life(node, stop: StopAt, **options: object) -> None:
    """What an agent does from its start until nothing is left to do."""
    ingest = node.ingest(step=stop, **options)
    ingest.rebuild_lost()
    ingest.run_once()
    homecoming = node.homecoming(step=stop)
    for due in homecoming.ready(100):
        assert homecoming.bring_home(due)


def the_books(node) -> dict[str, object]:
    return {
        "calls": sorted(node.rows("SELECT outcome, revision FROM calls")),
        "legs": sorted(node.rows("SELECT outcome, revision FROM legs")),
        "ledger": sorted(node.rows("SELECT state, coalesce(absence_reason, '') FROM recordings")),
        "events": sorted(node.rows("SELECT type, revision FROM events")),
        "objects": len([path for path in node.objects.root.rglob("*") if path.is_file()]),
        "left": [node.files(folder) for folder in ("cdr", "cdr-broken", "recordings-due", "recordings")],
        "journal": node.in_journal(),
    }


EXPECTED = {
    "calls": [("answered", 1), ("answered", 1), ("busy", 1), ("node_lost", 1), ("unallocated", 1)],
    "legs": [("answered", 1), ("answered", 1), ("busy", 1), ("busy", 1)],
    "ledger": [("absent", "not_answered"), ("verified", ""), ("verified", ""), ("verified", "")],
    "events": [("call.ended", 1)] * 5 + [("recording.ready", 1)] * 3,
    "objects": 3,
    "left": [[], [], [], []],
    "journal": [],
}


def test_given_no_stop_when_an_agent_works_then_the_books_balance(node):
    fill(node)
    stop = StopAt(10_000)
    life(node, stop)

    assert the_books(node) == EXPECTED
    assert len(stop.seen) == 21, "the test below stops at each of these"


@pytest.mark.parametrize("at", range(1, 22))
def test_given_a_stop_at_any_step_when_an_agent_starts_again_then_nothing_is_lost_or_doubled(node, at):
    fill(node)
    with pytest.raises(Stopped):
        life(node, StopAt(at))

    life(node, StopAt(10_000))

    assert the_books(node) == EXPECTED


def later(work):
    """A batch that is under way until somebody waits for it, as in an agent: the next one is read meanwhile."""
    return work


@pytest.mark.parametrize("at", [*range(1, 13), 10_000])
def test_given_batches_that_overlap_when_stopped_at_any_step_then_nothing_is_lost_or_doubled(node, monkeypatch, at):
    monkeypatch.setattr(ingest_module, "FULL", 0)
    fill(node)
    with suppress(Stopped):
        life(node, StopAt(at), begin=later)

    life(node, StopAt(10_000), begin=later)

    assert the_books(node) == EXPECTED


def test_given_stops_at_every_step_one_after_another_then_it_still_comes_to_an_end(node):
    fill(node)
    for at in range(1, 60):
        try:
            life(node, StopAt(at))
        except Stopped:
            continue
        break

    assert the_books(node) == EXPECTED


class KilledAt(StopAt):
    """The kernel ends the process at the n-th step: no `finally`, no rollback, no goodbye to the database."""

    def __call__(self, step: str) -> None:
        self.seen.append(step)
        if len(self.seen) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def live_in_a_process_of_its_own(node, stop: StopAt) -> int:
    """Returns the status that the parent is told."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        # The parent's connections are not ours to use, nor to close.
        own = Database(node.engine.url.render_as_string(hide_password=False))
        life(dataclasses.replace(node, database=own), stop)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


@pytest.mark.parametrize("at", range(1, 22))
def test_given_kill_9_at_any_step_when_an_agent_starts_again_then_nothing_is_lost_or_doubled(node, at):
    fill(node)

    status = live_in_a_process_of_its_own(node, KilledAt(at))
    assert os.WIFSIGNALED(status), "it came to an end before that step"
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert live_in_a_process_of_its_own(node, KilledAt(10_000)) == 0

    assert the_books(node) == EXPECTED
