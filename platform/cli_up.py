"""`dialtrace up` and `dialtrace restart`: the platform on one machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from .cli_options import HostPort, freeswitch_option
from .config import Settings

#: Where the processes of `up --prometheus` serve metrics, from this port on, if nothing else is set.
FIRST_METRICS = "127.0.0.1:9150"


def up_commands(begin: Callable[[str], Settings]) -> tuple[click.Command, ...]:
    """``begin``: what every process does first."""

    @click.command()
    @click.option("--nodes", type=click.IntRange(1, 16), default=1, show_default=True, help="Nodes to run.")
    @click.option(
        "--sip-port",
        type=click.IntRange(1024, 65_000),
        default=5060,
        show_default=True,
        help="SIP port of the first node; each further one is 20 higher.",
    )
    @freeswitch_option
    @click.option(
        "--prometheus",
        type=HostPort(),
        is_flag=False,
        flag_value="127.0.0.1:9090",
        help="Also run Debian's prometheus at HOST:PORT [127.0.0.1:9090], with our rules, reading every process.",
    )
    def up(nodes: int, sip_port: int, freeswitch: Path | None, prometheus: tuple[str, int] | None) -> None:
        """Start the platform and keep it running. Ctrl-C stops all of it; a second start finds its data again."""
        from .up import run_up

        if prometheus is not None:
            os.environ.setdefault("DIALTRACE_METRICS_LISTEN", FIRST_METRICS)
            os.environ.setdefault("DIALTRACE_PROMETHEUS_URL", f"http://{prometheus[0]}:{prometheus[1]}")
        run_up(begin("up"), nodes, sip_port, freeswitch, prometheus)

    @click.command()
    @click.option(
        "--timeout", type=click.FloatRange(1, 3600), default=180.0, show_default=True, help="Seconds to follow it for."
    )
    def restart(timeout: float) -> None:
        """Restart what `dialtrace up` runs, one process after another, each ready before the next. Nodes go on with
        their calls; bring the database up to date first."""
        from .up import run_restart

        run_restart(begin("restart"), timeout)

    return up, restart
