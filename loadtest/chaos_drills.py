"""The drills: each places load, breaks one thing in the middle of it, and mends it. What must hold afterwards is the
books' matter; a drill that is about more says so by raising DrillFailed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dialtrace.demo.kills import kill_child
from dialtrace.freeswitch_launch import options_status
from dialtrace.rolling import restart_all

from .chaos_arena import Arena, DrillFailed, standing_calls

#: Load before and after what happens.
BEFORE_S, AFTER_S = 4.0, 6.0
ROLLING_S = 45.0
#: Of what a node admits in a second, and for how long.
OVERLOAD_TIMES, OVERLOAD_S = 3, 4.0
#: An agent has so long to begin something.
KILL_EVERY_S = 3.0
#: So often whoever fills a disk takes what has become free.
FILL_EVERY_S = 0.2
RECORDS_HOME_S = 120.0
#: An object store is away for longer than others: five times, up to five minutes.
STORE_AWAY_TIMES, STORE_AWAY_S = 5, 300.0


@dataclass(frozen=True)
class Drill:
    """One thing that goes wrong. ``play`` returns how many calls may be lost with a node; None: none at all."""

    name: str
    says: str
    play: Callable[[Arena], int | None]
    least_nodes: int = 1
    #: Recordings go to an S3 service that can be away or ill.
    needs_store: bool = False
    #: The nodes take a bounded number of calls a second (`max_rate`).
    needs_bound: bool = False
    #: Spools are on small disks of their own that can be filled; on a platform of its own.
    needs_disks: bool = False


def _steady(arena: Arena) -> None:
    arena.load(BEFORE_S + AFTER_S)
    arena.wait(BEFORE_S + AFTER_S)


def _worker_killed(arena: Arena) -> None:
    arena.load(BEFORE_S + AFTER_S)
    arena.wait(BEFORE_S)
    kill_child(arena.demo.supervisor, arena.workers[0])
    arena.wait(AFTER_S)


def _workers_away(arena: Arena) -> None:
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    taken = arena.take_away(arena.workers)
    arena.wait(arena.away_s)
    arena.bring_back(taken)
    arena.wait(AFTER_S)


def _database_frozen(arena: Arena) -> None:
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    arena.database.freeze()
    try:
        arena.wait(arena.away_s)
    finally:
        arena.database.thaw()
    arena.wait(AFTER_S)


def _database_stopped(arena: Arena) -> None:
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    arena.database.stop()
    try:
        # Half of the time with a worker that has never seen the database: it knows the routes from the disk.
        arena.wait(arena.away_s / 2)
        kill_child(arena.demo.supervisor, arena.workers[0])
        arena.wait(arena.away_s / 2)
    finally:
        arena.database.start()
    arena.wait(AFTER_S)


def _rolling_restart(arena: Arena) -> None:
    # A busy machine needs so long for it.
    arena.load(BEFORE_S + ROLLING_S)
    arena.wait(BEFORE_S)
    began_s = time.monotonic()
    progress = restart_all(arena.demo.supervisor, arena.demo.folder / "restart.json")
    took_s = time.monotonic() - began_s
    arena.notes.append(f"{len(progress.done)} processes one after another in {took_s:.0f} s")
    if progress.state != "done":
        raise DrillFailed(f"the rolling restart stopped: {progress.why}")
    if took_s > ROLLING_S:
        arena.notes.append(f"only the first {ROLLING_S:.0f} s under load")
    arena.wait(max(0.0, ROLLING_S - took_s) + 1.0)


def _node_drained(arena: Arena) -> None:
    """Drained under load, restarted while it is drained, put back."""
    name = arena.demo.plan.nodes[0].name
    arena.load(BEFORE_S)
    arena.wait(BEFORE_S + 1.0)
    with arena.nodes() as nodes:
        nodes.drain(name)
    arena.until(lambda: not arena.takes_calls(name), f"the edge is told that {name} drains")
    began_s = time.monotonic()
    arena.load(BEFORE_S + AFTER_S, without=[name])
    arena.until(lambda: arena.node(name).state == "drained", f"{name} is drained")
    arena.notes.append(f"drained in {time.monotonic() - began_s:.0f} s")
    _check_empty(arena, name)
    kill_child(arena.demo.supervisor, name)
    arena.wait(1.0)
    arena.until(lambda: _is_paused_again(arena, name), f"{name} is drained after its start too", 90.0)
    with arena.nodes() as nodes:
        nodes.undrain(name)
    arena.until(lambda: arena.takes_calls(name) and arena.node(name).state == "up", f"{name} takes calls again")
    arena.load(AFTER_S)
    arena.wait(AFTER_S)


def _check_empty(arena: Arena, name: str) -> None:
    """`drained` is a promise: nothing that would be missed is on the node."""
    spool = next(node.spool for node in arena.demo.plan.nodes if node.name == name)
    left = [path.name for folder in ("cdr", "recordings-due", "recordings") for path in (spool / folder).rglob("*.*")]
    if left:
        raise DrillFailed(f"{name} says that it is drained and holds {len(left)} files, {left[0]} among them")


def _is_paused_again(arena: Arena, name: str) -> bool:
    return options_status(arena.sip_of(name)) == 503 and arena.node(name).state == "drained"


def _node_killed(arena: Arena) -> int:
    """Its standing calls are lost; their records are not, and nobody else notices."""
    name = arena.demo.plan.nodes[0].name
    arena.load(BEFORE_S, only=["answered"])
    arena.wait(BEFORE_S + 0.5)
    standing = max(_standing(arena, name), 1)
    arena.notes.append(f"{standing} calls stood on {name}")
    kill_child(arena.demo.supervisor, name)
    arena.load(AFTER_S, without=[name], only=["answered"])
    arena.until(lambda: arena.takes_calls(name), f"{name} is there again")
    arena.load(AFTER_S, only=["answered"])
    arena.wait(AFTER_S)
    return standing


def _standing(arena: Arena, name: str) -> int:
    """Calls that the node's journal knows: at most these can be lost."""
    return standing_calls(next(node.journal_path for node in arena.demo.plan.nodes if node.name == name))


def max_rate(rate: float) -> int:
    """Calls that a node takes in a second while drills run: far above their own load, whatever the machine delays."""
    return max(10, round(3 * rate))


def _overload(arena: Arena) -> None:
    """One node is offered three times what it admits while calls stand on it: those do not notice, who is let in is
    served, who is not hears 503 and has a record, and afterwards the node is well."""
    name, most = arena.demo.plan.nodes[0].name, max_rate(arena.rate)
    arena.load(BEFORE_S, only=["answered"])
    arena.wait(BEFORE_S + 1.0)
    heard = arena.offer(name, OVERLOAD_S, OVERLOAD_TIMES * most)
    arena.notes.append(f"{heard.total()} calls offered to {name}: {heard[486]} let in, {heard[503]} refused")
    if not heard[503] or not heard[486]:
        raise DrillFailed(f"{name} was not overloaded, or took nothing: {dict(heard)}")
    arena.wait(1.5)
    arena.load(AFTER_S)
    arena.wait(AFTER_S)


def _agent_killed(arena: Arena) -> None:
    """Every few seconds, each time in the middle of something else: what was half done is done again, once."""
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    until_s, killed = time.monotonic() + arena.away_s, 0
    while time.monotonic() < until_s:
        for name in arena.of_kind("agent"):
            arena.until(lambda name=name: arena.demo.supervisor.children[name].alive, f"{name} runs")  # type: ignore[misc]
            kill_child(arena.demo.supervisor, name)
            killed += 1
        arena.wait(KILL_EVERY_S)
    arena.notes.append(f"killed {killed} times")
    arena.wait(AFTER_S)


def _database_restarted(arena: Arena) -> None:
    """While records are written: once as an operator does it, then as a crash does."""
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    for crash in (False, True, True):
        if crash:
            arena.database.crash()
        else:
            arena.database.stop()
        arena.database.start()
        arena.wait(arena.away_s / 3)
    arena.notes.append("stopped once, crashed twice")
    arena.wait(AFTER_S)


def _store_away(arena: Arena) -> None:
    """Nobody listens where the store was; calls go on, and their recordings wait on the nodes."""
    assert arena.store is not None
    away_s = max(arena.away_s, min(arena.away_s * STORE_AWAY_TIMES, STORE_AWAY_S))
    arena.load(BEFORE_S + away_s + AFTER_S)
    arena.wait(BEFORE_S)
    arena.store.proxy.be("away")
    arena.wait(away_s)
    waiting = len(arena.recordings_waiting())
    arena.store.proxy.be("well")
    arena.notes.append(f"{waiting} recordings waited on the nodes")
    if not waiting:
        raise DrillFailed("no recording waited: the store was not missed")
    arena.wait(AFTER_S)
    _await_home(arena)


def _store_ill(arena: Arena) -> None:
    """A third of the requests come to nothing, or seem to."""
    assert arena.store is not None
    proxy = arena.store.proxy
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    passed, spoiled = proxy.passed, proxy.spoiled
    proxy.be("ill")
    try:
        arena.wait(arena.away_s + AFTER_S)
        _await_home(arena)
    finally:
        proxy.be("well")
    arena.notes.append(f"{proxy.spoiled - spoiled} requests spoiled, {proxy.passed - passed} passed")
    if proxy.spoiled == spoiled:
        raise DrillFailed("no request was spoiled: the store was not asked")


def _disk_full(arena: Arena) -> None:
    """To the last byte, and for half of the time whatever becomes free is taken at once; then what the agent keeps in
    reserve must do."""
    assert arena.disks
    arena.load(BEFORE_S + arena.away_s + AFTER_S)
    arena.wait(BEFORE_S)
    until_s = time.monotonic() + arena.away_s / 2
    while time.monotonic() < until_s:
        for disk in arena.disks:
            disk.fill()
        arena.wait(FILL_EVERY_S)
    arena.wait(arena.away_s / 2)
    for disk in arena.disks:
        disk.relieve()
    arena.wait(AFTER_S)
    arena.until(lambda: not arena.callers_run(), "the callers are through")
    # What the switch could write only in part is looked at for a minute before it is set aside.
    arena.until(lambda: not arena.records_waiting(), "every record is kept", RECORDS_HOME_S)
    _await_home(arena)
    broken = sum(len(list((disk.spool / "cdr-broken").iterdir())) for disk in arena.disks)
    arena.notes.append(f"{broken} files could be written in part only")


def _await_home(arena: Arena) -> None:
    arena.until(lambda: not arena.callers_run(), "the callers are through")
    # Between two tries of one call the agent waits a minute at most.
    arena.until(lambda: not arena.recordings_waiting(), "every recording is home", 150.0)


def none_lost(play: Callable[[Arena], None]) -> Callable[[Arena], int | None]:
    """A drill after which every caller must be satisfied."""

    def played(arena: Arena) -> None:
        play(arena)

    return played


DRILLS = (
    Drill("steady", "nothing goes wrong", none_lost(_steady)),
    Drill("worker-killed", "a worker is killed with -9", none_lost(_worker_killed)),
    Drill("workers-away", "all workers are away", none_lost(_workers_away)),
    Drill("database-frozen", "PostgreSQL stands still (SIGSTOP)", none_lost(_database_frozen)),
    Drill("database-stopped", "PostgreSQL is stopped; a worker starts meanwhile", none_lost(_database_stopped)),
    Drill(
        "database-restarted", "PostgreSQL is restarted and crashes while records come", none_lost(_database_restarted)
    ),
    Drill("agent-killed", "the agents are killed with -9 every few seconds", none_lost(_agent_killed)),
    Drill("rolling-restart", "everything but the nodes is restarted in turn", none_lost(_rolling_restart)),
    Drill("node-drained", "a node is drained, restarted and put back", none_lost(_node_drained), least_nodes=2),
    Drill(
        "overload",
        f"a node is offered {OVERLOAD_TIMES} times the calls that it admits",
        none_lost(_overload),
        needs_bound=True,
    ),
    Drill("store-away", "the object store is away", none_lost(_store_away), needs_store=True),
    Drill(
        "store-ill",
        "the object store answers a third of the requests with errors, or cuts the line",
        none_lost(_store_ill),
        needs_store=True,
    ),
    Drill("disk-full", "the spools' disks are full", none_lost(_disk_full), needs_disks=True),
    Drill("node-killed", "a node is killed with -9", _node_killed, least_nodes=2),
)
