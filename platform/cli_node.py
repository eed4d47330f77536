"""`dialtrace node`: the embedded switch as a process; and the operator's nodes, listed, drained and put back: what is
printed, and how one waits. Must not know how a node is drained."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_options import HostPort, metrics_option
from .errors import DialtraceError

if TYPE_CHECKING:
    from rich.console import Console

    from .calls.nodes import Node, NodeDirectory

LOOK_EVERY_S = 0.5
#: The monitor looks every second; a longer silence is told.
SLOW_MONITOR_S = 15.0


Opened = Callable[[], AbstractContextManager["NodeDirectory"]]


class NotInTime(DialtraceError):
    """The node is not where it was to be."""


def node_group(begin: Callable[..., Any], opened: Opened) -> click.Group:
    """The command and those below it; ``begin`` is what a process does first, ``opened`` gives the nodes' rows for as
    long as a command runs."""

    @click.group(invoke_without_command=True)
    @click.option("--name", default="node-1", show_default=True)
    @click.option("--sip", type=HostPort(), default="127.0.0.1:5060", show_default=True, help="SIP over UDP.")
    @click.option("--event-socket", type=HostPort(), default="127.0.0.1:8021", show_default=True)
    @click.option("--worker", default="127.0.0.1:8040", show_default=True, help="Where call workers await the switch.")
    @click.option("--spool", type=click.Path(path_type=Path), help="Folder for CDRs, recordings and plans.")
    @click.option("--rtp", default="20000-21999", show_default=True, help="RTP ports, FIRST-LAST.")
    @click.option("--max-calls", type=click.IntRange(1, 5000), default=500, show_default=True)
    @metrics_option
    @click.pass_context
    def node(ctx: click.Context, /, spool: Path | None, **values: Any) -> None:
        """List, drain and undrain nodes. Without a command: run the embedded switch, for development, demonstration and
        tests only; the event socket's password is read from DIALTRACE_NODE_PASSWORD."""
        if ctx.invoked_subcommand is not None:
            return
        if spool is None:
            raise click.UsageError("name a command (list, drain, undrain), or --spool to run the embedded switch")
        run_embedded(begin, spool, **values)

    add_node_commands(node, opened)
    return node


def run_embedded(
    begin: Callable[..., Any], spool: Path, *, name: str, sip: tuple[str, int], event_socket: tuple[str, int],
    worker: str, rtp: str, max_calls: int, metrics: tuple[str, int] | None,
) -> None:  # fmt: skip
    """The embedded switch, until it is told to stop. Raises click's usage errors."""
    from .node.main import run_node
    from .node.model import DEFAULT_MAX_RATE, NodeConfig
    from .priority import go_first

    begin(name, metrics=metrics)
    go_first()
    password = os.environ.get("DIALTRACE_NODE_PASSWORD", "")
    if len(password) < 8:
        raise click.UsageError("set DIALTRACE_NODE_PASSWORD to at least 8 characters")
    first, dash, last = rtp.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65_535):
        raise click.BadParameter("must look like 20000-21999", param_hint="--rtp")
    run_node(
        NodeConfig(
            name=name, sip_host=sip[0], sip_port=sip[1], event_socket_host=event_socket[0],
            event_socket_port=event_socket[1], event_socket_password=password, spool=spool.absolute(), worker=worker,
            rtp_first=int(first), rtp_last=int(last), max_calls=max_calls,
            test_token=os.environ.get("DIALTRACE_NODE_TEST_TOKEN", ""),
            edges=os.environ.get("DIALTRACE_NODE_EDGES", "") or "none",
            max_rate=os.environ.get("DIALTRACE_NODE_MAX_RATE", "") or DEFAULT_MAX_RATE,
        )
    )  # fmt: skip


def add_node_commands(node: click.Group, opened: Opened) -> None:
    """The commands below `dialtrace node`."""
    wait = click.option("--wait", is_flag=True, help="Follow it to its end; exit status 1 if that takes too long.")
    seconds = click.FloatRange(1, 86_400)
    timeout = click.option("--timeout", type=seconds, default=600.0, show_default=True, help="Seconds to wait at most.")

    @node.command("list")
    def list_nodes() -> None:
        """Every node with its state, and what one that drains still holds."""
        from rich.console import Console

        with opened() as nodes:
            show_nodes(nodes, Console(width=None if sys.stdout.isatty() else 120))

    @node.command("drain")
    @click.argument("name")
    @wait
    @timeout
    def drain_node(name: str, wait: bool, timeout: float) -> None:
        """Let NAME take no new call, until it is undrained. It is drained when no call stands on it and every record
        and recording of it is stored."""
        with opened() as nodes:
            drain(nodes, name, wait_s=timeout if wait else None, say=click.echo)

    @node.command("undrain")
    @click.argument("name")
    @wait
    @timeout
    def undrain_node(name: str, wait: bool, timeout: float) -> None:
        """Let NAME take calls again."""
        with opened() as nodes:
            undrain(nodes, name, wait_s=timeout if wait else None, say=click.echo)


def show_nodes(directory: NodeDirectory, console: Console) -> None:
    """All nodes as a table."""
    from rich.table import Table

    from .calls.nodes import say_waits

    table = Table(box=None, pad_edge=False)
    for heading in ("node", "kind", "sip", "state", "legs", "holds"):
        table.add_column(heading, no_wrap=heading != "holds")
    after: tuple[object, ...] | None = None
    while True:
        page = directory.list_nodes(limit=200, after=after)
        for node in page.items:
            holds = say_waits(node.waits) if node.drain_asked_at is not None else ""
            legs = "" if node.sessions is None else str(node.sessions)
            table.add_row(node.name, node.kind, node.sip_address, node.state, legs, holds)
        after = page.next
        if after is None:
            break
    console.print(table if table.row_count else "no node yet: its monitor makes its row when it starts")


def drain(directory: NodeDirectory, name: str, *, wait_s: float | None, say: Callable[[str], None]) -> Node:
    """Ask for it; with ``wait_s`` follow it until it is drained. Raises NodeUnknown, NotInTime."""
    asked = directory.drain(name)
    say(f"{name} takes no new call")
    if wait_s is None:
        say(f"follow it with `dialtrace node list`; now: {_progress(asked)}")
        return asked
    return _follow(directory, name, wait_s, say, lambda node: node.is_drained)


def undrain(directory: NodeDirectory, name: str, *, wait_s: float | None, say: Callable[[str], None]) -> Node:
    """Ask for it; with ``wait_s`` follow it until it takes calls. Raises NodeUnknown, NotInTime."""
    asked = directory.undrain(name)
    if wait_s is None:
        say(f"{name} takes calls again as soon as its monitor has told the switch")
        return asked
    return _follow(directory, name, wait_s, say, lambda node: node.state == "up")


def _follow(
    directory: NodeDirectory, name: str, wait_s: float, say: Callable[[str], None], there: Callable[[Node], bool]
) -> Node:
    began_s, told = time.monotonic(), ""
    while True:
        node = directory.get_node(name)
        if there(node):
            say(f"{name} is {node.state} after {time.monotonic() - began_s:.0f} s")
            return node
        progress = _progress(node)
        if progress != told:
            say(progress)
            told = progress
        if time.monotonic() - began_s >= wait_s:
            hint = "; does its monitor run?" if node.waits is None and wait_s >= SLOW_MONITOR_S else ""
            raise NotInTime(f"{name} is {node.state} after {wait_s:g} s. {progress}{hint}. It goes on all the same")
        time.sleep(LOOK_EVERY_S)


def _progress(node: Node) -> str:
    from .calls.nodes import say_waits

    if node.drain_asked_at is None:
        return f"{node.state}: its monitor has not told the switch yet"
    return f"{node.state}: {say_waits(node.waits) or 'nothing is left on it'}"
