"""`dialtrace pool …` and `dialtrace work pools`: the first shows what is planned and how pools stand, the second looks
after them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from .cli_options import agency_option, metrics_option
from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient
    from .db.engine import Database

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]
Opened = Callable[[str], AbstractContextManager[tuple[Settings, "Database"]]]


class NodeWeightText(click.ParamType[tuple[str, int]]):
    """NAME=WEIGHT on the command line."""

    name = "name=weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        name, _, weight = value.partition("=")
        if not name or not weight.isdigit():
            self.fail(f"{value!r} must be a node's name and a weight of 0 or more, such as node-3=100", param, ctx)
        return name, int(weight)


def add_pool_commands(
    cli: click.Group,
    work: click.Group,
    begin: Begin,
    need: Callable[[Settings], str],
    api_client: MakeClient,
    opened: Opened,
) -> None:
    """Both, to where they belong."""
    cli.add_command(pool_group(begin, api_client, opened))
    work.add_command(_work_command(begin, need))


def pool_group(begin: Begin, api_client: MakeClient, opened: Opened) -> click.Group:
    """`dialtrace pool …`."""

    @click.group()
    def pool() -> None:
        """Sets of dynamic numbers that visits are given in turn."""

    @pool.command("plan")
    @click.option("--node", "weights", type=NodeWeightText(), multiple=True, help="A new node, or another weight.")
    @click.option("--without", multiple=True, help="Name of a node that is to go.")
    def plan(weights: tuple[tuple[str, int], ...], without: tuple[str, ...]) -> None:
        """Show which numbers would move to another node, before they move. Without options: what the pool manager is
        about to do."""
        from .pool.placing import Placer
        from .pool.plan import with_changes

        with opened("pool") as (_, database):
            placer = Placer(database)
            nodes = with_changes(placer.nodes(), weights=dict(weights), without=without)
            found = placer.plan(nodes)
        for name in sorted(set(found.before) | set(found.after)):
            shown = name or "(not placed yet)"
            click.echo(f"{shown:20} {found.before[name]:>9} -> {found.after[name]:>9}")
        click.echo(f"{found.moved} of {found.numbers} numbers move; {found.relisted} get another list")

    @pool.command("list")
    @agency_option
    def list_(agency: Any) -> None:
        """List pools: how each stands at this moment."""
        api = api_client(begin("pool"))
        query = {"agency_id": str(agency)} if agency else {}
        for row in api.read_all("/v1/pools", **query):
            stands = api.get(f"/v1/pools/{row['id']}/standing", **query)
            click.echo(
                f"{row['id']}  {row['status']:6}  numbers {stands['numbers']:>6}  free {stands['free']:>6}  "
                f"live {stands['live']:>6}  {row['name']}"
            )

    @pool.command("forecast")
    @click.argument("pool_id", type=click.UUID)
    @click.option("--numbers", type=click.IntRange(0, 1_000_000), help="What if it had so many; left out: as it is.")
    @agency_option
    def forecast(pool_id: Any, numbers: int | None, agency: Any) -> None:
        """Say how many visits POOL_ID would lose in its busiest hour, and how many numbers it should have."""
        query = {"agency_id": str(agency)} if agency else {}
        if numbers is not None:
            query["numbers"] = str(numbers)
        told = api_client(begin("pool")).get(f"/v1/pools/{pool_id}/forecast", **query)
        click.echo(told["advice"])

    return pool


def _work_command(begin: Begin, need_database: Callable[[Settings], str]) -> click.Command:
    """`dialtrace work pools`."""

    @click.command("pools")
    @metrics_option
    def pools(metrics: tuple[str, int] | None) -> None:
        """Look after the pools: where numbers are served, how many a pool has, which are clean."""
        settings = begin("pools", metrics=metrics)
        need_database(settings)
        from .priority import step_back
        from .services.pools import build_pool_work
        from .workers.pools import PoolManager, run_pool_manager

        step_back()
        run_pool_manager(PoolManager(*build_pool_work(settings)))

    return pools
