"""From calls to machines. Pure: the costs come from a measurement (`loadtest/bench_capacity.py`), the rest is
arithmetic.

A node costs processor time for each call that comes (``setup_s``) and for each second that a call stands with sound
both ways and recorded (``talk_s``); so do the processes beside it. Processors are loaded to half, so that a burst and
the loss of one node are borne by the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DialtraceError

#: Of a processor. Above it queues grow faster than work.
LOADED_TO = 0.5
#: One direction of G.711 in packets of 20 ms on Ethernet: 160 bytes of sound, 12 of RTP, 8 of UDP, 20 of IP, 38 of the
#: wire, fifty times a second.
G711_KBIT_S = (160 + 12 + 8 + 20 + 38) * 8 * 50 / 1000
#: PCM of 16 bits, 8,000 samples a second, two channels.
WAV_BYTES_S = 8000 * 2 * 2
#: As disks and networks count.
GIGA = 1e9
#: Processes on a node's machine, and those that may stand elsewhere.
KINDS_OF_NODE = ("node", "agent", "monitor")
CONTROL = ("worker", "database")


class FiguresFaulty(DialtraceError):
    """A file of measured costs cannot be used."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a processor: for one call, and for one second that it stands."""

    setup_s: float
    talk_s: float

    def of(self, calls_per_s: float, standing: float) -> float:
        """Processors that it takes."""
        return self.setup_s * calls_per_s + self.talk_s * standing


@dataclass(frozen=True, slots=True)
class Figures:
    """Costs by kind of process, and what a call leaves in the database."""

    costs: Mapping[str, Cost]
    row_bytes: float
    measured_on: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for, in the busiest hour: calls a second, seconds that each stands, and the share that is recorded;
    ``busy_hours``: how many such hours a day comes to; ``cores``: of one node's machine."""

    cps: float
    hold_s: float
    recorded: float = 1.0
    busy_hours: float = 10.0
    cores: int = 8
    most_calls: int = 500
    keep_days: int = 90
    opus: bool = False

    @property
    def standing(self) -> float:
        """Calls that stand at a time (Little's law)."""
        return self.cps * self.hold_s


@dataclass(frozen=True, slots=True)
class Need:
    """What it takes. Processors are those in use; ``nodes`` has one more than is needed, so that one may be away."""

    standing_calls: float
    node_processors: float
    control_processors: float
    nodes: int
    workers: int
    kbit_s: float
    recordings_bytes_day: float
    database_bytes_day: float
    recordings_bytes: float
    database_bytes: float


#: Opus at 48 kbit/s for both channels, as recordings are converted (recording/encoders.py).
OPUS_BYTES_S = 48_000 / 8


def need_of(demand: Demand, figures: Figures) -> Need:
    """The arithmetic."""
    standing = demand.standing
    at_node = sum(figures.costs[kind].of(demand.cps, standing) for kind in KINDS_OF_NODE)
    control = sum(figures.costs[kind].of(demand.cps, standing) for kind in CONTROL)
    by_processor = at_node / (demand.cores * LOADED_TO)
    # A node that is full says 503: calls come in bursts, so it is filled to four fifths on average.
    by_calls = standing / (demand.most_calls * 0.8)
    nodes = max(1, math.ceil(max(by_processor, by_calls))) + 1
    calls_day = demand.cps * demand.busy_hours * 3600
    sound = OPUS_BYTES_S if demand.opus else WAV_BYTES_S
    recordings = calls_day * demand.hold_s * demand.recorded * sound
    rows = calls_day * figures.row_bytes
    return Need(
        standing_calls=standing,
        node_processors=at_node,
        control_processors=control,
        nodes=nodes,
        workers=max(2 * nodes, math.ceil(figures.costs["worker"].of(demand.cps, standing) / LOADED_TO)),
        kbit_s=standing * 4 * G711_KBIT_S,  # two legs, two directions
        recordings_bytes_day=recordings,
        database_bytes_day=rows,
        recordings_bytes=recordings * demand.keep_days,
        database_bytes=rows * demand.keep_days,
    )


def read_figures(path: Path) -> Figures:
    """The last line of what `bench_capacity.py` printed, or a file with that line. Raises FiguresFaulty."""
    try:
        line = path.read_text(encoding="utf-8").strip().splitlines()[-1]
        told = json.loads(line)["figures"]
        costs = {kind: Cost(float(one["setup_s"]), float(one["talk_s"])) for kind, one in told["costs"].items()}
        figures = Figures(costs, float(told["row_bytes"]), str(told["measured_on"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise FiguresFaulty(
            f"{path} is not what loadtest/bench_capacity.py prints ({type(error).__name__}: {error})"
        ) from error
    missing = {*KINDS_OF_NODE, *CONTROL} - costs.keys()
    if missing:
        raise FiguresFaulty(f"{path} lacks the costs of {', '.join(sorted(missing))}: measure anew")
    return figures
