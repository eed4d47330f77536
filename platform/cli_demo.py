"""`dialtrace demo`: its options."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from .cli_options import HostPort, freeswitch_option
from .logs import configure_logs


@click.command()
@click.option("--calls", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Calls to make.")
@click.option("--rate", type=click.FloatRange(0.1, 200), default=10.0, show_default=True, help="Calls a second.")
@click.option("--nodes", type=click.IntRange(1, 4), default=1, show_default=True, help="Nodes to run.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same calls.")
@click.option(
    "--talk", type=click.FloatRange(0.5, 600), default=3.0, show_default=True, help="Seconds of conversation."
)
@freeswitch_option
@click.option(
    "--callers",
    type=click.Choice(["auto", "sipp", "own"]),
    default="auto",
    show_default=True,
    help="Who places the calls: SIPp, or the node's own SIP stack; auto takes SIPp where it is installed.",
)
@click.option(
    "--kill",
    "kills",
    metavar="NAME@SECONDS",
    multiple=True,
    help="Kill a process with -9 so long after the first call: worker-1@6.5, agent@7, monitor@8. May be repeated.",
)
@click.option("--keep", is_flag=True, help="Keep the platform running after the books, until Ctrl-C.")
@click.option(
    "--prometheus",
    type=HostPort(),
    is_flag=False,
    flag_value="127.0.0.1:9090",
    help="Also run Debian's prometheus at HOST:PORT [127.0.0.1:9090], with our rules, reading every process.",
)
def demo(
    calls: int, rate: float, nodes: int, seed: int, talk: float, freeswitch: Path | None, callers: str,
    kills: tuple[str, ...], keep: bool, prometheus: tuple[str, int] | None,
) -> None:  # fmt: skip
    """Bring the whole platform up, send real SIP calls through it and balance the books."""
    from rich.console import Console

    from .demo.kills import parse_kill
    from .demo.run import run_demo
    from .demo.stage import DemoOptions

    configure_logs(process="demo")
    # Ended politely, it ends what it started; the default would leave a platform running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(
        run_demo(
            DemoOptions(
                calls, rate, nodes, seed, talk, freeswitch, callers, tuple(map(parse_kill, kills)), keep, prometheus
            ),
            Console(stderr=True, width=None if sys.stderr.isatty() else 120),
        )
    )
