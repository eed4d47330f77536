"""`dialtrace tenant …`: a client as code. Asks the API as a partner would."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

agency_option = click.option("--agency", type=click.UUID, help="Whose it is; only the operator's key needs it.")
remove_option = click.option("--remove", is_flag=True, help="What FILE does not name goes; numbers are released.")
file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
client_argument = click.argument("client_id", metavar="CLIENT", type=click.UUID)


def tenant_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace tenant …`."""

    def client() -> ApiClient:
        return api_client(begin("tenant"))

    @click.group()
    def tenant() -> None:
        """A client as code: everything that is set for it, as one document."""

    @tenant.command("export")
    @client_argument
    @click.option("--file", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
    @agency_option
    def export(client_id: Any, target: Path | None, agency: Any) -> None:
        """Print CLIENT as a document."""
        fetched = client().download(_path(client_id, agency))
        if fetched is None:
            whose = "" if agency else "; an operator's key needs --agency"
            raise click.ClickException(f"there is no client {client_id}{whose}")
        if target is None:
            click.echo(fetched[0].decode(), nl=False)
        else:
            target.write_bytes(fetched[0])

    @tenant.command("diff")
    @client_argument
    @file_argument
    @remove_option
    @agency_option
    def diff(client_id: Any, file: Path, remove: bool, agency: Any) -> None:
        """Tell what applying FILE to CLIENT would do; it is tried and undone. Exit status 1 if it would do anything."""
        steps = _put(client(), client_id, agency, file, remove=remove, dry_run=True)
        _tell(steps)
        if any(step["action"] != "keep" for step in steps):
            sys.exit(1)

    @tenant.command("apply")
    @client_argument
    @file_argument
    @remove_option
    @agency_option
    def apply(client_id: Any, file: Path, remove: bool, agency: Any) -> None:
        """Make CLIENT what FILE says, whole or not at all."""
        _tell(_put(client(), client_id, agency, file, remove=remove, dry_run=False))

    @tenant.command("copy")
    @client_argument
    @click.argument("name")
    @agency_option
    def copy(client_id: Any, name: str, agency: Any) -> None:
        """Make a client NAME like CLIENT, without its numbers; print its id."""
        path = f"/v1/clients/{client_id}/copy" + (f"?agency_id={agency}" if agency else "")
        click.echo(client().post(path, {"name": name})["id"])

    return tenant


def _path(client_id: Any, agency: Any) -> str:
    return f"/v1/clients/{client_id}/document" + (f"?agency_id={agency}" if agency else "")


def _put(
    api: ApiClient, client_id: Any, agency: Any, file: Path, *, remove: bool, dry_run: bool
) -> list[dict[str, Any]]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{file} is not JSON: {error}") from error
    path = _path(client_id, agency)
    asked = f"{path}{'&' if '?' in path else '?'}dry_run={str(dry_run).lower()}&remove={str(remove).lower()}"
    steps: list[dict[str, Any]] = api.put(asked, document)["steps"]
    return steps


def _tell(steps: list[dict[str, Any]]) -> None:
    signs = {"create": "+", "change": "~", "remove": "-", "keep": " "}
    for step in steps:
        key = f"/{step['key']}" if step["key"] else ""
        members = [one for one in step["members"] if one]
        told = f": {', '.join(members)}" if members else ""
        kept = " (stays: it is not in the document)" if step["action"] == "keep" else ""
        click.echo(f"{signs[step['action']]} {step['kind']}{key}{told}{kept}")
    if not steps:
        click.echo("nothing to do")
