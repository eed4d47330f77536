"""Options and kinds of values that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .config import host_port


class HostPort(click.ParamType[tuple[str, int]]):
    """HOST:PORT on the command line."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        try:
            return host_port(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


freeswitch_option = click.option(
    "--freeswitch",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Binary of a real FreeSWITCH to run instead of the embedded switch.",
)
agency_option = click.option("--agency", type=click.UUID, help="Whose it is; only the operator's key needs it.")
metrics_option = click.option("--metrics", type=HostPort(), help="Serve this process's metrics at HOST:PORT.")
