"""Records what Prometheus sees while `loadtest/chaos.py` breaks things: the series that the alerts are tested on.

`python -m dialtrace.monitoring.chaos_series [--away S] [DRILL…]` runs the drills with a Prometheus beside them and
writes `recorded/DRILL.json`: the moment of the fault, and every series that a rule asks for, in promtool's notation. It
takes some minutes for each drill, and is run again when rules ask for other metrics; tests/monitoring replays what is
there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..demo.stage import DemoOptions
from ..launch import free_port
from ..loadtest import chaos
from ..loadtest.chaos_drills import BEFORE_S, DRILLS

HERE = Path(__file__).parent
FOLDER = HERE / "recorded"
#: As monitoring/prometheus.yml says.
STEP_S = 5
#: What was there before the drill, so that a rate has something to rise from.
LEAD_S = 20
#: What every alert has until it must have fired.
WITHIN_S = 120
#: Between drills, so that what the last one's counters still tell is scraped before the next one's series begin.
REST_S = 60

Labels = Mapping[str, str]


def asked_metrics() -> set[str]:
    """The metrics that rules name."""
    rules = "".join((HERE / "rules" / name).read_text(encoding="utf-8") for name in ("alerts.yml", "recording.yml"))
    return {"up"} | set(re.findall(r"(?<![:\w])dialtrace_\w+", rules))


def notation(samples: Sequence[tuple[float, str]], begins_s: float, count: int) -> str:
    """Samples on promtool's grid; `_` where there was none, `3x4` for five threes."""
    grid = ["_"] * count
    for at_s, value in samples:
        index = round((at_s - begins_s) / STEP_S)
        if 0 <= index < count:
            grid[index] = value
    parts = []
    for value, run in groupby(grid):
        repeats = len(list(run))
        parts.append(value if repeats == 1 else f"_x{repeats}" if value == "_" else f"{value}x{repeats - 1}")
    return " ".join(parts)


def name_of(labels: Labels) -> str:
    """A series as promtool writes it. What names a port of this one run says nothing, but keeps processes apart."""
    more = ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels['__name__']}{{{more}}}"


class Recorder:
    """Hears from the drills when each begins and ends, and fetches what Prometheus has of it."""

    def __init__(self, prometheus: str, names: Iterable[str]) -> None:
        self._prometheus = prometheus
        self._names = set(names)
        self._began: dict[str, float] = {}

    def hear(self, said: str) -> None:
        """`steady: nothing …` when a drill begins, `steady: balances` when it is over."""
        sys.stderr.write(said + "\n")
        drill = said.partition(":")[0]
        if drill not in self._names:
            return
        if said.endswith("…"):
            self._began[drill] = time.time()
        elif drill in self._began:
            self._write(drill, self._began.pop(drill), time.time())
            time.sleep(REST_S)

    def _write(self, drill: str, began_s: float, ended_s: float) -> None:
        ended_s = max(ended_s, began_s + BEFORE_S + WITHIN_S)
        time.sleep(max(0.0, ended_s - time.time()) + STEP_S)
        begins_s = began_s - LEAD_S
        count = int((ended_s - begins_s) / STEP_S)
        series = {
            name_of(one["metric"]): notation([(float(at), value) for at, value in one["values"]], begins_s, count)
            for one in self._fetch(int(ended_s - begins_s) + STEP_S, ended_s)
        }
        recorded = {"drill": drill, "step_s": STEP_S, "fault_s": LEAD_S + BEFORE_S, "samples": count, "series": series}
        FOLDER.mkdir(exist_ok=True)
        text = json.dumps(recorded, indent=0, sort_keys=True) + "\n"
        (FOLDER / f"{drill}.json").write_text(text, encoding="utf-8")

    def _fetch(self, span_s: int, until_s: float) -> list[dict[str, Any]]:
        names = "|".join(sorted(asked_metrics()))
        query = {"query": f'{{__name__=~"{names}"}}[{span_s}s]', "time": f"{until_s:.3f}"}
        url = f"{self._prometheus}/api/v1/query?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 (our own loopback address)
            return list(json.load(answer)["data"]["result"])


def main(words: Sequence[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Record what Prometheus sees while things are broken.")
    parser.add_argument("--away", type=float, default=100.0, help="seconds that what is away is away (default 100)")
    parser.add_argument("--rate", type=float, default=2.0, help="calls a second (default 2)")
    parser.add_argument("drills", nargs="*", metavar="DRILL", help="default: all")
    asked = parser.parse_args(words)
    port = free_port()
    names = set(asked.drills) or {drill.name for drill in DRILLS}
    options = DemoOptions(calls=0, rate=asked.rate, nodes=2, seed=1, talk_s=4, prometheus=("127.0.0.1", port))
    recorder = Recorder(f"http://127.0.0.1:{port}", names)
    chaos.run_all(options, [one for one in DRILLS if one.name in names], asked.away, recorder.hear)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
