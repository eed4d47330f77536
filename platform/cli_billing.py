"""`dialtrace billing …`: accounts, payments, statements, rating anew. Asks the API as a partner would."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

agency_option = click.option("--agency", type=click.UUID, help="Whose it is; only the operator's key needs it.")
client_option = click.option(
    "--client", "client_id", type=click.UUID, help="Of this client; else of the agency itself."
)


def billing_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace billing …`."""

    def client() -> ApiClient:
        return api_client(begin("billing"))

    @click.group()
    def billing() -> None:
        """Money: accounts, payments, statements, rating anew."""

    @billing.command("accounts")
    @click.option("--agency", type=click.UUID, required=True, help="Whose clients.")
    def accounts(agency: Any) -> None:
        """List accounts: payer, mode, state, balance."""
        for row in client().get(f"/v1/agencies/{agency}/billing/accounts")["accounts"]:
            who = row["client_id"] or f"{row['agency_id']} (the agency itself)"
            click.echo(f"{who}  {row['mode']}  {row['state']}  {row['balance']} {row['currency']}")

    @billing.command("pay")
    @click.argument("amount")
    @click.argument("reference")
    @client_option
    @agency_option
    def pay(amount: str, reference: str, client_id: Any, agency: Any) -> None:
        """Book a payment of AMOUNT. The same REFERENCE again is the same payment."""
        body = {"kind": "payment", "amount": amount, "reference": reference}
        made = client().post(_asked(f"{_account(client_id, agency)}/entries", client_id and agency), body)
        click.echo(f"booked as {made['place']}; the balance is {made['balance']} {made['currency']}")

    @billing.command("statement")
    @click.argument("month")
    @click.option(
        "--file", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write it there: .csv or .pdf."
    )
    @click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True)
    @client_option
    @agency_option
    def statement(month: str, target: Path | None, language: str, client_id: Any, agency: Any) -> None:
        """Print the statement of MONTH (such as 2026-11), or write it into a file."""
        path = f"{_account(client_id, agency)}/statements/{month}"
        if target is None:
            found = client().get(path, **_named(client_id and agency))
            click.echo(json.dumps(found, indent=2, ensure_ascii=False))
            return
        form = target.suffix.removeprefix(".")
        if form not in {"csv", "pdf"}:
            raise click.ClickException(f"{target} must end in .csv or .pdf")
        asked = f"{path}/file?format={form}&language={language}"
        fetched = client().download(asked + (f"&agency_id={agency}" if client_id and agency else ""))
        if fetched is None:
            raise click.ClickException(f"there is no statement of {month}")
        target.write_bytes(fetched[0])
        click.echo(f"{target}: {len(fetched[0])} bytes")

    _add_rerating(billing, client)
    return billing


def _add_rerating(billing: click.Group, client: Callable[[], ApiClient]) -> None:
    """Rating anew, and looking how far it is."""

    @billing.command("rerate")
    @click.argument("from_", metavar="FROM", type=click.DateTime())
    @click.argument("until", type=click.DateTime())
    @click.option("--book", type=click.UUID, help="By this price book, instead of those that the accounts have.")
    @click.option("--apply", is_flag=True, help="Else it only tells what would change.")
    @client_option
    @agency_option
    def rerate(from_: datetime, until: datetime, book: Any, apply: bool, client_id: Any, agency: Any) -> None:
        """Rate calls that began between FROM and UNTIL (UTC) anew; a job does it."""
        body = {"from": f"{from_.isoformat()}Z", "until": f"{until.isoformat()}Z", "dry_run": not apply}
        body |= {"client_id": str(client_id)} if client_id else {}
        body |= {"price_book_id": str(book)} if book else {}
        made = client().post(_asked("/v1/billing/reratings", agency), body)
        click.echo(f"{made['id']}  {made['state']}")

    @billing.command("rerating")
    @click.argument("rerating_id", type=click.UUID)
    @agency_option
    def rerating(rerating_id: Any, agency: Any) -> None:
        """Tell how far rating anew is, and what it changes."""
        found = client().get(f"/v1/billing/reratings/{rerating_id}", **_named(agency))
        click.echo(f"{found['state']}: {found['changed']} of {found['calls']} calls get another price")
        for side, sums in sorted(found["difference"].items()):
            for currency, amount in sorted(sums.items()):
                click.echo(f"{side}: {amount} {currency}")


def _account(client_id: Any, agency: Any) -> str:
    if client_id:
        return f"/v1/clients/{client_id}/billing"
    if agency:
        return f"/v1/agencies/{agency}/billing"
    raise click.ClickException("say whose account: --client, or --agency for the agency itself")


def _named(agency: Any) -> dict[str, str]:
    return {"agency_id": str(agency)} if agency else {}


def _asked(path: str, agency: Any) -> str:
    return f"{path}?agency_id={agency}" if agency else path
