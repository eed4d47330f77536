"""`dialtrace report advice`, `negative-keywords` and `payback`: what to do about the figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

_WHY = {
    "too_few_calls": "too few calls to judge",
    "too_few_weeks": "spend in too few weeks to judge",
    "spend_never_varied": "its spend never varied: nobody can tell what more or less of it would do",
    "not_spent_on_now": "nothing was spent on it in the last four weeks",
}
_client = click.option("--client", type=click.UUID, required=True, help="Whose.")
_agency = click.option("--agency", type=click.UUID, help="Of which agency; only the operator's key needs it.")
_currency = click.option("--currency", help="ISO 4217.")


def advice_commands(begin: Begin, api_client: MakeClient) -> Sequence[click.Command]:
    """Subcommands of `dialtrace report`."""

    def ask(client: Any, path: str, **query: object) -> dict[str, Any]:
        told = {name: str(value) for name, value in query.items() if value is not None}
        return api_client(begin("report")).get(f"/v1/clients/{client}/{path}", **told)

    @click.command("advice")
    @_client
    @_agency
    @click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Whole weeks before.  [default: yesterday]")
    @click.option("--weeks", type=int, help="How many weeks are looked at.  [default: 26]")
    @click.option("--by", help="channel, source, campaign …  [default: channel]")
    @click.option("--goal", type=click.Choice(["calls", "target_calls", "leads", "sales"]), help="What shall grow.")
    @click.option("--most-change", type=float, help="By which share each may change.  [default: 0.3]")
    @_currency
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
    def advice(
        client: Any, agency: Any, until: datetime | None, weeks: int | None, by: str | None, goal: str | None,
        most_change: float | None, currency: str | None, form: str,
    ) -> None:  # fmt: skip
        """Where the same budget would bring more, what is expected of it, and how sure that is."""
        found = ask(
            client, "advice", agency_id=agency, until=until and until.date(), weeks=weeks, by=by, goal=goal,
            most_change=most_change, currency=currency,
        )  # fmt: skip
        click.echo(json.dumps(found, ensure_ascii=False, indent=2) if form == "json" else _advice_text(found))

    @click.command("negative-keywords")
    @_client
    @_agency
    @click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="First day.  [default: 182 days]")
    @click.option("--to", type=click.DateTime(["%Y-%m-%d"]), help="Last day.  [default: yesterday]")
    @_currency
    @click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
    def negative_keywords(
        client: Any, agency: Any, from_: datetime | None, to: datetime | None, currency: str | None, form: str
    ) -> None:
        """Keywords whose calls are seldom wanted, to be excluded."""
        query = {"agency_id": agency, "from": from_ and from_.date(), "to": to and to.date(), "currency": currency}
        if form == "json":
            click.echo(json.dumps(ask(client, "negative-keywords", **query), ensure_ascii=False, indent=2))
            return
        told = {name: str(value) for name, value in query.items() if value is not None}
        path = f"/v1/clients/{client}/negative-keywords/file?{urlencode(told)}"
        found = api_client(begin("report")).download(path)
        if found is None:
            raise click.ClickException("there is no such client")
        sys.stdout.buffer.write(found[0])

    @click.command("payback")
    @_client
    @_agency
    @click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="First day.  [default: 30 days]")
    @click.option("--to", type=click.DateTime(["%Y-%m-%d"]), help="Last day.  [default: today]")
    @click.option("--before-from", type=click.DateTime(["%Y-%m-%d"]), help="Compared with.  [default: as many before]")
    @click.option("--before-to", type=click.DateTime(["%Y-%m-%d"]))
    @click.option("--tracking-cost", help="Of these days.  [default: as the client's statements say]")
    @_currency
    def payback(
        client: Any, agency: Any, from_: datetime | None, to: datetime | None, before_from: datetime | None,
        before_to: datetime | None, tracking_cost: str | None, currency: str | None,
    ) -> None:  # fmt: skip
        """What tracking costs against what the same target calls cost less than before."""
        days = {"from": from_, "to": to, "before_from": before_from, "before_to": before_to}
        query = {name: day and day.date() for name, day in days.items()}
        found = ask(client, "payback", agency_id=agency, tracking_cost=tracking_cost, currency=currency, **query)
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))

    return [advice, negative_keywords, payback]


def _advice_text(found: dict[str, Any]) -> str:
    lines = [f"{found['from']} to {found['to']}, by {found['by']}, a week, in {found['currency']}"]
    if found["verdict"] == "nothing_to_judge":
        lines.append("Fewer than two can be judged: no advice.")
    else:
        gain = found["gain"]
        word = "Move" if found["verdict"] == "move" else "Stay"
        lines.append(
            f"{word}: the best plan is expected to bring {gain['mean']:+.1f}"
            f" {found['goal']} a week ({gain['low']:+.1f} to {gain['high']:+.1f}), any gain with"
            f" {100 * found['probability']:.0f} %"
        )
    for move in found["moves"]:
        lines.append(
            f"  {move['name']}: {move['now']} → {move['then']};"
            f" {move['expected_now']['mean']:.1f} → {move['expected_then']['mean']:.1f} {found['goal']}; one more costs"
            f" {move['next_call_cost'] or 'unknown'}"
        )
    for one in found["not_judged"]:
        lines.append(
            f"  {one['name'] or '(not known)'}: {_WHY[one['reason']]}"
            f" ({one['calls_a_month']:.0f} calls a month, {one['weekly_spend']} a week)"
        )
    return "\n".join(lines)
