"""`dialtrace edge prepare` and `dialtrace work edge`: the files of an edge (Kamailio), and what keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .cli_options import HostPort, metrics_option
from .config import Settings

Begin = Callable[..., Settings]

folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/var/lib/dialtrace/edge"),
    show_default=True,
    help="Where the edge's configuration and tables are.",
)


class LimitText(click.ParamType[tuple[str, int]]):
    """ADDRESS=CALLS on the command line."""

    name = "address=calls"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        address, _, most = value.partition("=")
        if not address or not most.isdigit():
            self.fail(f"{value!r} must be an address and calls a second, such as 192.0.2.7=100", param, ctx)
        return address, int(most)


def add_edge_commands(cli: click.Group, work: click.Group, begin: Begin, need: Callable[[Settings], str]) -> None:
    """Both, to where they belong."""
    cli.add_command(_edge_group())
    work.add_command(_work_command(begin, need))


def _edge_group() -> click.Group:
    """`dialtrace edge …`."""

    @click.group()
    def edge() -> None:
        """The edge: Kamailio in front of the nodes."""

    @edge.command("prepare")
    @folder_option
    @click.option("--listen", type=HostPort(), required=True, help="HOST:PORT for carriers (UDP).")
    @click.option(
        "--calls-per-s", type=click.IntRange(1, 100_000), default=50, show_default=True, help="From one address."
    )
    @click.option("--limit", "limits", type=LimitText(), multiple=True, help="ADDRESS=CALLS a second for one carrier.")
    def prepare(folder: Path, listen: tuple[str, int], calls_per_s: int, limits: tuple[tuple[str, int], ...]) -> None:
        """Write Kamailio's configuration and its tables; tables that are there stay."""
        from .workers.edge import EdgeFolder

        place = EdgeFolder(folder.absolute())
        place.prepare(listen=f"{listen[0]}:{listen[1]}", calls_per_s=calls_per_s, limits=dict(limits))
        click.echo(f"kamailio -DD -E -m 512 -M 64 -f {place.folder / 'kamailio.cfg'}")

    return edge


def _work_command(begin: Begin, need_database: Callable[[Settings], str]) -> click.Command:
    """`dialtrace work edge`."""

    @click.command("edge")
    @folder_option
    @metrics_option
    def edge(folder: Path, metrics: tuple[str, int] | None) -> None:
        """Keep the tables of this machine's edge: which nodes serve a number, and where they are."""
        settings = begin("edge", metrics=metrics)
        need_database(settings)
        from .services.databases import build_database
        from .workers.edge import EdgeFolder, EdgeKeeper, run_edge_keeper

        database = build_database(settings, pool_size=1, statement_timeout_ms=60_000)
        run_edge_keeper(EdgeKeeper(database, EdgeFolder(folder.absolute())))

    return edge
