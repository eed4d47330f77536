"""`dialtrace key`: API keys of the operator; other keys are made by the API."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import click

from .config import Settings


def key_group(
    begin: Callable[..., Settings], any_database: Callable[[Settings], AbstractContextManager[str]]
) -> click.Group:
    """The commands."""

    @click.group("key")
    def key() -> None:
        """API keys."""

    @key.command("create")
    @click.option("--operator", is_flag=True, required=True, help="A key for the operator of the platform.")
    @click.option("--name", required=True, help="What the key is for.")
    def key_create(operator: bool, name: str) -> None:
        """Make an operator's API key and print it once. Other keys are made by the API."""
        from .clock import SystemClock
        from .db.engine import Database
        from .db.tables import OPERATOR_AGENCY
        from .tenancy.service import TenancyService

        with any_database(begin("key")) as url:
            database = Database(url, pool_size=1)
            try:
                service = TenancyService(database, SystemClock())
                _, token = service.create_key(OPERATOR_AGENCY, role="operator", name=name)
            finally:
                database.dispose()
        click.echo(token)

    return key
