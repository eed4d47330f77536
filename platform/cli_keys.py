"""`dialtrace key`: API keys. The operator's is made in the database; all others are the API's matter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from .cli_options import agency_option
from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient


def key_group(
    begin: Callable[..., Settings],
    any_database: Callable[[Settings], AbstractContextManager[str]],
    api_client: Callable[[Settings], ApiClient],
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

    @key.command("list")
    @agency_option
    def key_list(agency: Any) -> None:
        """List keys: role, whether and until when they are valid, last use, permissions, name."""
        for row in api_client(begin("key")).read_all("/v1/keys", **({"agency_id": str(agency)} if agency else {})):
            until = "revoked" if row["revoked_at"] else f"until {row['expires_at'] or 'revoked'}"
            used = f"used {row['last_used_at'] or 'never'} from {row['last_used_from'] or '-'}"
            scopes = " ".join(row["scopes"]) if row["scopes"] is not None else "everything"
            click.echo(f"{row['id']}  {row['role']}  {until}  {used}  {scopes}  {row['name']}")

    @key.command("rotate")
    @click.argument("key_id", type=click.UUID)
    @click.option("--overlap-s", type=click.IntRange(0, 2_592_000), default=86_400, show_default=True,
                  help="For how long the old key stays valid.")  # fmt: skip
    @agency_option
    def key_rotate(key_id: Any, overlap_s: int, agency: Any) -> None:
        """Make a key like KEY_ID and print it once."""
        body = {"overlap_s": overlap_s} | ({"agency_id": str(agency)} if agency else {})
        click.echo(api_client(begin("key")).post(f"/v1/keys/{key_id}/rotate", body)["token"])

    @key.command("revoke")
    @click.argument("key_id", type=click.UUID)
    @agency_option
    def key_revoke(key_id: Any, agency: Any) -> None:
        """End KEY_ID at once."""
        api_client(begin("key")).delete(f"/v1/keys/{key_id}", **({"agency_id": str(agency)} if agency else {}))

    return key
