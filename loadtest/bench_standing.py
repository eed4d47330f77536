"""Thousands of calls at a time without media: what workers and a monitor do while a simulated switch has them stand.

Run it by itself: ``python loadtest/bench_standing.py [--standing 2000] [--hold 40]``. Calls come at the rate that keeps
so many standing (Little's law). For each a socket is opened to real ``dialtrace work calls`` processes, and a real
``dialtrace work nodes`` is told of it, event by event, as a real switch told it when it was captured (eslsim_calls.py).
Meanwhile the live view in PostgreSQL is compared with what truly stands. How to read it: loadtest/README.md.

Prints one line of JSON at the end. Exit status: 0; 1 if a call got no plan, or the live view was wrong at the end; 2 if
it could not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from dialtrace.calls.routes import RouteStore
from dialtrace.db.engine import Database
from dialtrace.loadruns.figures import percentile
from dialtrace.loadtest.bench_control_stage import NUMBERS, Stage, StageFailed, running_stage
from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.eslsim import EventLink, Placed
from dialtrace.loadtest.eslsim_calls import MIX, CapturedKind, Exchange

CORE = "00000000-0000-4000-8000-00000000c0de"
TICK_S, LOOK_S = 0.01, 1.0
WORKERS = 2
#: What was told so lately may still be on its way: it is neither late nor missing.
GRACE_S = 2.0
SETTLE_S = 20.0


Work = Callable[[int], Awaitable[None]]


@dataclass
class Seen:
    """What was sent, and what the live view made of it."""

    events: int = 0
    most_standing: int = 0
    #: Of calls that stand and have said whose they are: when that was; of ended ones: when their end was told.
    owned_s: dict[str, float] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)
    #: Seconds by which our own sending was behind the moments of the events.
    behind_s: list[float] = field(default_factory=list)
    #: At each look: calls that should be in the live view and are not, and that are and should not be.
    missing: list[int] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)
    oldest_s: float = 0.0

    def note(self, call_id: str, *, owned: bool, over: bool, now_s: float) -> None:
        """One event that was sent."""
        self.events += 1
        if over:
            if self.owned_s.pop(call_id, None) is not None:
                self.ended_s[call_id] = now_s
        elif owned:
            self.owned_s.setdefault(call_id, now_s)

    def compare(self, rows: set[str], now_s: float) -> None:
        """The live view's calls at this moment."""
        missing = [now_s - at_s for call, at_s in self.owned_s.items() if call not in rows and now_s - at_s > GRACE_S]
        stale = [now_s - at_s for call, at_s in self.ended_s.items() if call in rows and now_s - at_s > GRACE_S]
        self.missing.append(len(missing))
        self.stale.append(len(stale))
        self.oldest_s = max([self.oldest_s, *missing, *stale])


@dataclass(frozen=True)
class Load:
    """So many calls a second, each standing so long once it is connected, for a time."""

    rate: float
    hold_s: float
    seconds: float


async def play(writer: asyncio.StreamWriter, kinds: Sequence[CapturedKind], load: Load, seen: Seen, work: Work) -> None:
    """Begins calls at the rate, sends what is due, and hands each new call to ``work`` too. At the end no call begins
    and those that stand are played out."""
    exchange, chance, running = Exchange(core_uuid=CORE), random.Random(1), set()
    shares = [MIX[kind.name] for kind in kinds]
    began_us, begun, passed_s = time.time_ns() // 1000, 0, 0.0
    while passed_s < load.seconds or exchange.next_due_us() is not None:
        now_us = time.time_ns() // 1000
        passed_s = (now_us - began_us) / 1e6
        while begun < load.rate * min(passed_s, load.seconds):
            exchange.begin(chance.choices(kinds, shares)[0], at_us=now_us, hold_us=round(load.hold_s * 1e6))
            running.add(task := asyncio.create_task(work(begun)))
            task.add_done_callback(running.discard)
            begun += 1
        for sent in exchange.take(now_us):
            writer.write(sent.frame)
            over = sent.name == "CHANNEL_HANGUP_COMPLETE"
            seen.note(sent.call_id, owned=sent.owned, over=over, now_s=time.monotonic())
            seen.behind_s.append((now_us - sent.due_us) / 1e6)
        seen.most_standing = max(seen.most_standing, len(exchange.standing))
        await writer.drain()
        await asyncio.sleep(TICK_S)
    await asyncio.gather(*running)


def live_rows(database: Database) -> set[str]:
    """The calls of the live view, whosever they are."""
    with database.system() as connection:
        return {str(row[0]) for row in connection.execute(text("SELECT call_id FROM live_calls"))}


async def look(database: Database, seen: Seen, over: asyncio.Event) -> None:
    """Compares the live view with what stands, again and again; then until both are empty or time is up."""
    until_s = None
    while until_s is None or time.monotonic() < until_s:
        rows = await asyncio.to_thread(live_rows, database)
        seen.compare(rows, time.monotonic())
        if over.is_set():
            until_s = until_s or time.monotonic() + SETTLE_S
            if not rows:
                return
        await asyncio.sleep(LOOK_S)


async def serve(stage: Stage, kinds: Sequence[CapturedKind], load: Load, seen: Seen, placed: Placed, port: int) -> None:
    """The simulated switch from the monitor's connection to the last call's end."""
    link, switch = EventLink(core_uuid=CORE), stage.switch("worker")
    subscribed: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(link.greeting)
        try:
            while data := await reader.read(65_536):
                writer.write(link.receive(data))
                if link.subscribed and not subscribed.done():
                    subscribed.set_result(writer)
        except asyncio.CancelledError:
            writer.close()  # the measurement is over

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    database, over = Database(stage.url, pool_size=2), asyncio.Event()
    try:
        writer = await asyncio.wait_for(subscribed, SETTLE_S)
        await asyncio.sleep(1.0)  # a monitor asks for standing calls right after it has subscribed
        looking = asyncio.create_task(look(database, seen, over))
        await play(
            writer, kinds, load, seen, lambda place: switch.place(stage.numbers[place % len(stage.numbers)], placed)
        )
        over.set()
        await looking
    finally:
        server.close()
        database.dispose()


def owner_of(stage: Stage) -> dict[str, str]:
    """Whose the played calls are: what the route of a number says."""
    database = Database(stage.url, pool_size=1)
    try:
        route = RouteStore(database).find_route(NUMBERS[0])
    finally:
        database.dispose()
    if route is None:
        raise StageFailed(f"{NUMBERS[0]} has no route")
    return {
        "the agency": str(route.agency_id),
        "the client": str(route.client_id),
        "the number": str(route.number_id),
        "the flow": str(route.flow_id),
    }


def measure(standing: int, hold_s: float, seconds: float) -> int:
    """The whole measurement; returns the exit status."""
    seen, placed = Seen(), Placed()
    with running_stage() as stage:
        owner, dialled = owner_of(stage), NUMBERS[0][1:]
        kinds = [CapturedKind.read(name, owner=owner, dialled=dialled) for name in MIX]
        # Little's law, for those that are connected: the others stand for a moment.
        connected = sum(MIX[kind.name] for kind in kinds if kind.connects) / sum(MIX.values())
        load = Load(standing / hold_s / connected, hold_s, hold_s + seconds)
        print(
            f"{load.rate:.1f} calls/s of {hold_s:g} s, {standing} at a time, for {load.seconds:g} s and to the last end"
        )
        port = next(stage.ports)
        with stage.workers(WORKERS), stage.monitor(port):
            worker_s, monitor_s = stage.cpu_seconds("worker"), stage.cpu_seconds("monitor")
            asyncio.run(serve(stage, kinds, load, seen, placed, port))
            worker_s, monitor_s = stage.cpu_seconds("worker") - worker_s, stage.cpu_seconds("monitor") - monitor_s
    decided, behind = sorted(placed.decided_ms), sorted(seen.behind_s)
    figures = {
        "cores": os.cpu_count(),
        "calls": placed.asked,
        "failed": placed.failed,
        "most_standing": seen.most_standing,
        "cps": round(load.rate, 1),
        "events": seen.events,
        "plan_ms": {f"p{percent}": round(percentile(decided, percent), 1) for percent in (50, 99)},
        "worker_cpu_ms_per_call": round(worker_s * 1000 / max(1, placed.asked), 2),
        "monitor_cpu_ms_per_event": round(monitor_s * 1000 / max(1, seen.events), 2),
        "live_view": {
            "looks": len(seen.missing),
            "looks_with_missing": sum(count > 0 for count in seen.missing),
            "looks_with_stale": sum(count > 0 for count in seen.stale),
            "most_missing": max(seen.missing, default=0),
            "most_stale": max(seen.stale, default=0),
            "oldest_s": round(seen.oldest_s, 1),
            "left": seen.stale[-1] if seen.stale else 0,
        },
        "switch_behind_ms_p99": round(percentile(behind, 99) * 1000, 1),
    }
    print(json.dumps({"bench": "standing", "figures": figures, "ratio": {}}))
    return int(placed.failed > 0 or figures["live_view"]["left"] > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--standing", type=int, default=2000, help="calls at a time")
    parser.add_argument("--hold", type=float, default=60.0, help="seconds that each stands")
    parser.add_argument("--seconds", type=float, default=30.0, help="for so long all of them stand")
    options = parser.parse_args(arguments)
    return ended(lambda: measure(options.standing, options.hold, options.seconds))


if __name__ == "__main__":
    sys.exit(main())
