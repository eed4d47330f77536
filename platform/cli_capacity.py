"""`dialtrace capacity`: what a number of calls needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path

import click

from .capacity.model import GIGA, Demand, Figures, Need, need_of, read_figures


@click.command("capacity")
@click.option("--cps", type=click.FloatRange(0.01, 10_000), required=True, help="Calls a second in the busiest hour.")
@click.option(
    "--hold", type=click.FloatRange(1, 36_000), default=180.0, show_default=True, help="Seconds that a call stands."
)
@click.option("--record", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Share that is recorded.")
@click.option("--opus", is_flag=True, help="Recordings are kept as Opus, not WAV.")
@click.option("--busy-hours", type=click.FloatRange(0.1, 24), default=10.0, show_default=True, help="Such hours a day.")
@click.option("--cores", type=click.IntRange(1, 512), default=8, show_default=True, help="Of each node's machine.")
@click.option("--max-calls", type=click.IntRange(1, 100_000), default=500, show_default=True, help="A node admits.")
@click.option("--keep-days", type=click.IntRange(1, 36_500), default=90, show_default=True, help="Records are kept.")
@click.option(
    "--figures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What bench_capacity.py printed here.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def capacity_command(
    cps: float, hold: float, record: float, opus: bool, busy_hours: float, cores: int, max_calls: int, keep_days: int,
    figures: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """How many nodes, workers, processors, and how much bandwidth, disk and database a number of calls needs
    (docs/capacity.md). Reads nothing of this installation."""
    demand = Demand(cps, hold, record, busy_hours, cores, max_calls, keep_days, opus)
    measured = _figures(figures)
    need = need_of(demand, measured)
    if as_json:
        click.echo(json.dumps({"demand": asdict(demand), "need": asdict(need), "measured_on": measured.measured_on}))
        return
    for line in _lines(demand, need, measured):
        click.echo(line)


def _figures(named: Path | None) -> Figures:
    if named is not None:
        return read_figures(named)
    with as_file(files("dialtrace.capacity").joinpath("figures.json")) as packaged:
        return read_figures(packaged)


def _lines(demand: Demand, need: Need, measured: Figures) -> list[str]:
    days = f"in {demand.keep_days} days"
    rows, recordings = need.database_bytes_day / GIGA, need.recordings_bytes_day / GIGA
    return [
        f"calls at a time   {need.standing_calls:,.0f}",
        f"nodes             {need.nodes} of {demand.cores} cores (one of them to spare)",
        f"  processors      {need.node_processors:.1f} in use: switch, agent and monitor, all nodes together",
        f"  network         {need.kbit_s / 1000:,.1f} Mbit/s, all nodes together (G.711, two legs, both directions)",
        f"call workers      {need.workers} in all: on each node one may die",
        f"  processors      {need.control_processors:.2f} in use: workers and database",
        f"database          {rows:.2f} GB a day, {need.database_bytes / GIGA:,.1f} GB {days}",
        f"recordings        {recordings:.1f} GB a day, {need.recordings_bytes / GIGA:,.0f} GB {days}",
        f"measured on       {measured.measured_on}",
    ]
