"""What a lease costs: by our code against pgbench running the identical transaction, over HTTP against an empty view of
the same server, and from a thousand numbers to a million. Redis's pop of a sorted set stands beside it as a peer.

Run it by itself: ``python loadtest/bench_pool.py [--quick]``. A real PostgreSQL with its usual safety, the API under
Granian as it is served. How to read it: loadtest/README.md. Prints one line of JSON at the end. Exit status: 0; 2 if it
could not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.bench_pool_stage import (
    CLICK_ID,
    DOMAIN,
    Stage,
    ask_for,
    asking,
    fill_redis,
    popping,
    running_api,
    running_redis,
    running_stage,
)

GOALS = {"http_vs_empty": 0.6, "sql_vs_pgbench": 0.8}
#: A lease of a million numbers may cost so many times one of a thousand.
FLAT = 2.0
#: Who asks by our code, and by pgbench.
CLIENTS = 4
#: Pages that ask at a time, of our view and of the empty one, and how many of them the API answers at a time: with
#: fewer threads (`DIALTRACE_API_THREADS`) all stand in line, and nobody reads a request while they wait for the disk.
PAGES, THREADS = 32, 32


@dataclass(frozen=True)
class Pace:
    """How long, how many."""

    turn_s: float
    turns: int
    sizes: tuple[int, ...]


FULL = Pace(turn_s=5.0, turns=2, sizes=(1_000, 30_000, 1_000_000))
QUICK = Pace(turn_s=3.0, turns=2, sizes=(1_000, 100_000))


def growth(stage: Stage, pool_ids: list[uuid.UUID], pace: Pace) -> dict[str, Any]:
    """The same leases, one after another, from pools of every size. A pool is leased no further than a fifth; the
    largest stays for what follows."""
    figures: dict[str, Any] = {}
    for size in pace.sizes:
        pool_ids.append(pool_id := stage.make_pool(size))
        waits = waits_of(stage.leasing(pool_id), min(size // 5, 400))
        found = sorted(waits)
        # Other work on the machine can only make a lease slower: the best quarter of the run counts.
        quarter = max(1, len(waits) // 4)
        medians = [sorted(waits[at : at + quarter])[quarter // 2] for at in range(0, quarter * 4, quarter)]
        figures[f"lease_ms_of_{size}"] = round(min(medians) * 1000, 3)
        figures[f"lease_p99_ms_of_{size}"] = round(found[int(len(found) * 0.99)] * 1000, 3)
    return figures


def waits_of(ask: Callable[[], None], count: int) -> list[float]:
    """So many, one after another, once it is warm."""
    for _ in range(20):
        ask()
    waits = []
    for _ in range(count):
        began_s = time.perf_counter()
        ask()
        waits.append(time.perf_counter() - began_s)
    return waits


def statements(stage: Stage, pool_ids: list[uuid.UUID], pace: Pace) -> dict[str, Any]:
    """Our code and pgbench in turns, from a pool large enough to have numbers at the end: for visits that are new, and
    by the whole ladder."""
    pool_id, waits = pool_ids[-1], []
    rates: dict[str, list[float]] = {}
    for _ in range(pace.turns):
        for kind, is_new in (("", True), ("ladder_", False)):
            rate = ask_for(pace.turn_s, CLIENTS, partial(stage.leasing, pool_id, is_new=is_new))
            rates.setdefault(f"{kind}leases_per_s", []).append(rate.per_s)
            if is_new:
                waits.append(rate.wait_ms(0.99))
            for name, at_once in (("pgbench", False), ("pgbench_at_once", True)):
                found = stage.pgbench(pool_id, int(pace.turn_s), CLIENTS, at_once=at_once, is_new=is_new)
                rates.setdefault(f"{kind}{name}_per_s", []).append(found)
    return {**{name: round(max(found), 1) for name, found in rates.items()}, "lease_p99_ms": min(waits)}


def over_http(stage: Stage, pool_ids: list[uuid.UUID], pace: Pace) -> dict[str, Any]:
    """A page asks what to show, against a view of the same server that does nothing; in turns."""
    path = f"/t/{stage.make_site(pool_ids[-1])}/visit"
    page = f"https://{DOMAIN}/offers?utm_source=bench&gclid={CLICK_ID.decode()}"
    said = {"page": page, "referrer": "https://www.google.com/", "consent": "given", "time_zone": "Europe/London"}
    body, told = json.dumps(said).encode(), b'"number":"+7 9'
    empty, ours, waits = [], [], []
    with running_api(stage, threads=THREADS) as address:
        for _ in range(pace.turns):
            empty.append(ask_for(pace.turn_s, PAGES, lambda: asking(address, "/empty", body)).per_s)
            rate = ask_for(pace.turn_s, PAGES, lambda: asking(address, path, body, told=told))
            ours.append(rate.per_s)
            waits.append(rate.wait_ms(0.99))
    return {
        "http_leases_per_s": round(max(ours), 1),
        "http_lease_p99_ms": min(waits),
        "empty_view_per_s": round(max(empty), 1),
    }


def peer(folder: Path, pace: Pace) -> dict[str, Any]:
    """What Redis does of it."""
    with running_redis(folder) as address:
        if address is None:
            return {"redis_per_s": None}
        fill_redis(address, max(pace.sizes))
        rate = ask_for(pace.turn_s, CLIENTS, lambda: popping(address))
        return {"redis_per_s": round(rate.per_s, 1), "redis_p99_ms": rate.wait_ms(0.99)}


def measure(pace: Pace) -> int:
    """Everything, one after another; the exit status."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtrace-bench-pool-")))
        folder.chmod(0o755)
        stage = stack.enter_context(running_stage(folder))
        figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(psutil.getloadavg()[0], 1)}
        pool_ids: list[uuid.UUID] = []
        for what in (growth, statements, over_http):
            found = what(stage, pool_ids, pace)
            print(f"  {what.__name__}: {found}", flush=True)
            figures |= found
        figures |= peer(folder, pace)
    smallest, *_, largest = (figures[f"lease_ms_of_{size}"] for size in pace.sizes)
    ratio = {
        "http_vs_empty": round(figures["http_leases_per_s"] / figures["empty_view_per_s"], 3),
        "sql_vs_pgbench": round(figures["leases_per_s"] / figures["pgbench_per_s"], 3),
        "sql_vs_pgbench_at_once": round(figures["leases_per_s"] / figures["pgbench_at_once_per_s"], 3),
        "ladder_vs_pgbench": round(figures["ladder_leases_per_s"] / figures["ladder_pgbench_per_s"], 3),
        "growth": round(largest / smallest, 3),
    }
    for name, goal in GOALS.items():
        print(f"  {name}: {ratio[name]} (goal: at least {goal})")
    print(f"  growth from {pace.sizes[0]} to {pace.sizes[-1]} numbers: {ratio['growth']} (goal: at most {FLAT})")
    print(
        f"  99 of 100 leases took at most {figures['lease_p99_ms']} ms by our code, {CLIENTS} at a time, and "
        f"{figures['http_lease_p99_ms']} ms over HTTP, {PAGES} at a time; "
        f"Redis's pop and push: {figures.get('redis_p99_ms', 'no Redis')}"
    )
    print(json.dumps({"bench": "pool", "figures": figures, "ratio": ratio}))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute, coarse")
    options = parser.parse_args(arguments)
    return ended(lambda: measure(QUICK if options.quick else FULL))


if __name__ == "__main__":
    sys.exit(main())
