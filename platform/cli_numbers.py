"""`dialtrace number source`: what calls to a static number come from, said by the API as a partner would."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .config import Settings
from .errors import DialtraceError

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]
WORDS = ("channel", "source", "medium", "campaign", "content", "keyword")


class NoSuchNumber(DialtraceError):
    """No number of this installation, or none that this key may see."""


def add_source_command(number: click.Group, begin: Begin, api_client: MakeClient) -> None:
    """To the other commands about numbers."""

    @number.command("source")
    @click.argument("e164", metavar="NUMBER")
    @click.option("--channel", help="Such as offline, partner, maps: docs/sites.md lists them.")
    @click.option("--source", help="Its name, such as radio.")
    @click.option("--medium")
    @click.option("--campaign")
    @click.option("--content")
    @click.option("--keyword")
    @click.option("--clear", is_flag=True, help="Nothing is known of it any more; what you say besides, is.")
    @click.option("--agency", type=click.UUID, help="Whose it is; only the operator's key needs it.")
    def source(e164: str, agency: Any, *, clear: bool, **said: str | None) -> None:
        """Say what calls to the static NUMBER come from, or without options show what is known."""
        api = api_client(begin("number"))
        query = {"agency_id": str(agency)} if agency else {}
        found = _number(api, e164, query)
        changes = {name: said[name] for name in WORDS if clear or said[name] is not None}
        if changes:
            where = f"/v1/numbers/{found['id']}" + (f"?agency_id={agency}" if agency else "")
            found = api.patch(where, changes)
        for name in WORDS:
            if found[name] is not None:
                click.echo(f"{name}: {found[name]}")


def _number(api: ApiClient, e164: str, query: dict[str, str]) -> dict[str, Any]:
    """Raises NoSuchNumber."""
    wanted = "+" + "".join(sign for sign in e164 if sign.isdigit())
    for one in api.read_all("/v1/numbers", number=wanted, **query):
        if one["status"] != "released":
            return one
    raise NoSuchNumber(f"{e164}: there is no such number, or this key may not see it; write it as +442079460123")
