"""`dialtrace user …`: who signs in. Asks the API as a partner would."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .cli_options import agency_option
from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]


def user_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace user …`."""

    def client() -> ApiClient:
        return api_client(begin("user"))

    @click.group()
    def user() -> None:
        """People who sign in: with the operator's key the operator's own, unless an agency is named."""

    @user.command("list")
    @agency_option
    def list_(agency: Any) -> None:
        """List users: state, role, whose they are, e-mail address, name."""
        for row in client().read_all("/v1/users", **({"agency_id": str(agency)} if agency else {})):
            role, factor = row["role"] or row["role_id"], ", second factor" if row["has_second_factor"] else ""
            whose = f"client {row['client_id']}" if row["client_id"] else "agency"
            click.echo(f"{row['id']}  {row['state']}{factor}  {role}  {whose}  {row['email']}  {row['name']}")

    @user.command("invite")
    @click.argument("email")
    @click.option("--name", required=True, help="How letters address the user.")
    @click.option("--role", help="A built-in role: owner, manager, analyst, listener, read_only.")
    @click.option("--role-id", type=click.UUID, help="Instead: one of the agency's own roles.")
    @click.option("--client", "client_id", type=click.UUID, help="The one client whose things the user sees.")
    @click.option("--language", type=click.Choice(["en", "ru"]), help="Of letters. Default: the agency's.")
    @agency_option
    def invite(
        email: str, name: str, role: str | None, role_id: Any, client_id: Any, language: str | None, agency: Any
    ) -> None:
        """Send EMAIL a letter with a link to choose a password."""
        said = {
            "email": email, "name": name, "role": role, "role_id": role_id and str(role_id), "language": language,
            "client_id": client_id and str(client_id), "agency_id": agency and str(agency),
        }  # fmt: skip
        made = client().post("/v1/users", {key: value for key, value in said.items() if value is not None})
        click.echo(made["id"])

    @user.command("remove")
    @click.argument("user_id", type=click.UUID)
    @agency_option
    def remove(user_id: Any, agency: Any) -> None:
        """Remove USER_ID with sessions and links."""
        client().delete(f"/v1/users/{user_id}", **({"agency_id": str(agency)} if agency else {}))

    return user
