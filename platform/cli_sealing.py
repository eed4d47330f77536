"""`dialtrace secrets`: the keys that seal secrets in the database, and their rotation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import click

from .config import Settings
from .secrets_box.master_keys import make_master_key


def secrets_group(
    begin: Callable[..., Settings],
    any_database: Callable[[Settings], AbstractContextManager[str]],
    with_master_keys: Callable[[Settings], Settings],
) -> click.Group:
    """The commands."""

    @click.group("secrets")
    def group() -> None:
        """Keys that seal secrets in the database."""

    @group.command("key")
    def key() -> None:
        """Print a new master key: put it in front of the others in DIALTRACE_MASTER_KEYS."""
        click.echo(make_master_key())

    @group.command("reseal")
    def reseal() -> None:
        """Seal everything anew under the first of DIALTRACE_MASTER_KEYS; the others may go after that."""
        from .db.engine import Database
        from .services.resealing import reseal_all

        settings = with_master_keys(begin("secrets"))
        with any_database(settings) as url:
            database = Database(url, pool_size=1)
            try:
                counts = reseal_all(settings, database)
            finally:
                database.dispose()
        for what, count in counts.items():
            click.echo(f"{count} {what} sealed anew")

    return group
