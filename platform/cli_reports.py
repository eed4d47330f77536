"""`dialtrace report` and `dialtrace spend`: figures at the terminal, whether the sums of days are right, and what
advertising cost from a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_advice import advice_commands
from .config import Settings
from .spendfile import FIELDS, parse_mapping, read_spend
from .spreadsheets import guarded

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]
AnyDatabase = Callable[[Settings], AbstractContextManager[str]]
#: Rows of one request.
BATCH = 1_000
_MODEL_HELP = "Share calls out over sources: first, last, linear, position … (docs/howto/attribution.md)."


def report_command(begin: Begin, api_client: MakeClient, any_database: AnyDatabase | None = None) -> click.Group:
    """`dialtrace report …`."""

    @click.group("report", invoke_without_command=True)
    @click.option("--client", type=click.UUID, help="Only this client's.")
    @click.option("--agency", type=click.UUID, help="Whose; only the operator's key needs it.")
    @click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="First day.  [default: 30 days]")
    @click.option("--to", "to", type=click.DateTime(["%Y-%m-%d"]), help="Last day.  [default: today]")
    @click.option("--metrics", help="Comma between them (docs/metric-dictionary.md).")
    @click.option("--by", default="", help="Dimensions, comma between them.")
    @click.option("--compare", type=click.Choice(["none", "previous", "last_year"]), default="none", show_default=True)
    @click.option("--where", multiple=True, metavar="DIMENSION=VALUE", help="Only these; - is what is not known.")
    @click.option("--compare-from", type=click.DateTime(["%Y-%m-%d"]), help="First day to compare with.")
    @click.option("--compare-to", type=click.DateTime(["%Y-%m-%d"]), help="Last day to compare with.")
    @click.option("--model", help=_MODEL_HELP)
    @click.option("--currency", help="ISO 4217.")
    @click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
    @click.pass_context
    def report(
        context: click.Context, client: Any, agency: Any, from_: datetime | None, to: datetime | None,
        metrics: str | None, by: str, compare: str, where: tuple[str, ...], compare_from: datetime | None,
        compare_to: datetime | None, model: str | None, currency: str | None, form: str,
    ) -> None:  # fmt: skip
        """Any metrics by any dimensions, right to the last call."""
        if context.invoked_subcommand is not None:
            return
        query: dict[str, Any] = {
            "client_id": client, "agency_id": agency, "metrics": metrics, "by": by or None, "compare": compare,
            "currency": currency, "from": from_ and from_.date(), "to": to and to.date(), "model": model,
            "compare_from": compare_from and compare_from.date(), "compare_to": compare_to and compare_to.date(),
            **_filters(where),
        }  # fmt: skip
        api = api_client(begin("report"))
        told = {name: str(value) for name, value in query.items() if value is not None}
        _show(api.get("/v1/reports/figures", **told), form)

    for kind in ("daily", "weekly", "monthly"):
        report.add_command(_named_command(begin, api_client, kind))
    for command in advice_commands(begin, api_client):
        report.add_command(command)
    for make in (_subscribe_command, _subscriptions_command, _unsubscribe_command):
        report.add_command(make(begin, api_client))
    if any_database is not None:
        report.add_command(_check_command(begin, any_database))
    return report


def _named_command(begin: Begin, api_client: MakeClient, kind: str) -> click.Command:
    @click.command(kind, help=f"The {kind} report: its sections one after another.")
    @click.option("--client", type=click.UUID, help="Only this client's.")
    @click.option("--agency", type=click.UUID, help="Whose; only the operator's key needs it.")
    @click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="A day of it.  [default: yesterday]")
    @click.option(
        "--compare", type=click.Choice(["none", "previous", "last_year"]), default="previous", show_default=True
    )
    @click.option("--compare-day", type=click.DateTime(["%Y-%m-%d"]), help="A day of what it is compared with.")
    @click.option("--where", multiple=True, metavar="DIMENSION=VALUE", help="Only these; - is what is not known.")
    @click.option("--model", help=_MODEL_HELP)
    @click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True, help="Of titles.")
    @click.option("--currency", help="ISO 4217.")
    @click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
    def named(
        client: Any, agency: Any, day: datetime | None, compare: str, compare_day: datetime | None,
        where: tuple[str, ...], model: str | None, language: str, currency: str | None, form: str,
    ) -> None:  # fmt: skip
        query = {
            "client_id": client, "agency_id": agency, "day": day and day.date(), "compare": compare,
            "compare_day": compare_day and compare_day.date(), "model": model, "currency": currency,
            "language": language, **_filters(where),
        }  # fmt: skip
        told = {name: str(value) for name, value in query.items() if value is not None}
        found = api_client(begin("report")).get(f"/v1/reports/{kind}", **told)
        if form == "json":
            click.echo(json.dumps(found, ensure_ascii=False, indent=2))
            return
        before = f", compared with {found['compared_from']} to {found['compared_to']}" if found["compared_from"] else ""
        click.echo(f"{found['title']}, {found['from']} to {found['to']}{before}")
        for section in found["sections"]:
            click.echo(f"\n{section['title']}")
            _show(section["report"], "table")
        if found["not_called_back"]:
            click.echo("\nNot called back")
            for one in found["not_called_back"]:
                click.echo(f"{one['caller']}  {one['calls']} calls, the last {one['last_at']} to {one['number']}")

    return named


def _subscribe_command(begin: Begin, api_client: MakeClient) -> click.Command:
    @click.command("subscribe")
    @click.argument("kind", type=click.Choice(["daily", "weekly", "monthly"]))
    @click.option("--user", required=True, type=click.UUID, help="Who gets it.")
    @click.option("--client", type=click.UUID, help="Of this client.  [default: all of the agency]")
    @click.option("--agency", type=click.UUID, help="Whose; only the operator's key needs it.")
    @click.option("--hour", type=click.IntRange(0, 23), default=8, show_default=True, help="Where the person is.")
    @click.option("--time-zone", default="UTC", show_default=True, help="Of the hour: an IANA name.")
    @click.option("--language", type=click.Choice(["en", "ru"]), help="[default: the person's own]")
    @click.option("--file", "files", multiple=True, type=click.Choice(["pdf", "xlsx"]), help="Attached too.")
    def subscribe(
        kind: str, user: Any, client: Any, agency: Any, hour: int, time_zone: str, language: str | None,
        files: tuple[str, ...],
    ) -> None:  # fmt: skip
        """Send somebody a report by e-mail whenever its days are over."""
        body = {
            "kind": kind, "user_id": str(user), "client_id": str(client) if client else None, "hour": hour,
            "time_zone": time_zone, "language": language, "files": list(files),
        } | ({"agency_id": str(agency)} if agency else {})  # fmt: skip
        click.echo(json.dumps(api_client(begin("report")).post("/v1/report-subscriptions", body), indent=2))

    return subscribe


def _subscriptions_command(begin: Begin, api_client: MakeClient) -> click.Command:
    @click.command("subscriptions")
    @click.option("--agency", type=click.UUID, help="Whose; only the operator's key needs it.")
    def subscriptions(agency: Any) -> None:
        """Who gets which report, a line of JSON each."""
        query = {"agency_id": str(agency)} if agency else {}
        for one in api_client(begin("report")).read_all("/v1/report-subscriptions", **query):
            click.echo(json.dumps(one, ensure_ascii=False))

    return subscriptions


def _unsubscribe_command(begin: Begin, api_client: MakeClient) -> click.Command:
    @click.command("unsubscribe")
    @click.argument("subscription", type=click.UUID)
    @click.option("--agency", type=click.UUID, help="Whose; only the operator's key needs it.")
    def unsubscribe(subscription: Any, agency: Any) -> None:
        """Remove a subscription."""
        query = {"agency_id": str(agency)} if agency else {}
        api_client(begin("report")).delete(f"/v1/report-subscriptions/{subscription}", **query)
        click.echo("removed")

    return unsubscribe


def _filters(where: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for one in where:
        name, separator, value = one.partition("=")
        if not separator:
            raise click.BadParameter(f"{one!r} is not DIMENSION=VALUE", param_hint="--where")
        found[name] = value
    return found


def _check_command(begin: Begin, any_database: AnyDatabase) -> click.Command:
    @click.command("check")
    @click.option("--agency", type=click.UUID, help="Only this agency's clients.")
    @click.option("--client", type=click.UUID, help="Only this client; needs --agency.")
    @click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="First day.  [default: 62 days]")
    @click.option("--to", "to", type=click.DateTime(["%Y-%m-%d"]), help="Last day.  [default: today]")
    @click.option("--repair", is_flag=True, help="Make wrong days anew.")
    def check(agency: Any, client: Any, from_: datetime | None, to: datetime | None, repair: bool) -> None:
        """Compare the sums of days that reports read with the records, a line of JSON each client. Exit status 1 when a
        day was wrong."""
        from .clock import SystemClock
        from .db.engine import Database
        from .reports.rolling import CHECKED_DAYS, Roller

        if client is not None and agency is None:
            raise click.UsageError("--client needs --agency")
        wrong, clock = False, SystemClock()
        last = to.date() if to else clock.now().date()
        first = from_.date() if from_ else last - timedelta(days=CHECKED_DAYS)
        if last < first:
            raise click.UsageError("--to lies before --from")
        with any_database(begin("report")) as url:
            roller = Roller(Database(url, pool_size=1, statement_timeout_ms=1_800_000), clock)
            for one in roller.check(first=first, last=last, agency_id=agency, client_id=client, repair=repair):
                wrong = wrong or bool(one.wrong)
                days = [day.isoformat() for day in one.wrong]
                told = {"agency": str(one.agency_id), "client": str(one.client_id), "days": one.days, "wrong": days}
                click.echo(json.dumps(told | {"repaired": repair and bool(days)}))
        raise SystemExit(1 if wrong else 0)

    return check


def _show(found: dict[str, Any], form: str) -> None:
    if form == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    metrics = list(found["total"]["figures"])
    rows = [_cells(found["by"], metrics, line) for line in found["lines"]]
    words = max(1, len(found["by"]))
    rows.append(["total", *[""] * (words - 1), *_figures(found["total"], metrics)])
    header = [*(found["by"] or [""]), *metrics]
    if form == "csv":
        safe = [[*map(guarded, row[:words]), *row[words:]] for row in rows]
        csv.writer(sys.stdout).writerows([header, *safe])
        return
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]
    for row in [header, *rows]:
        click.echo(
            "  ".join(
                cell.ljust(width) if place < words else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )
    if found["archived_until"]:
        click.echo(f"calls before {found['archived_until']} may have gone to the archive and are not in it", err=True)
    if found["unknown"]:
        click.echo(f"cannot be told by these dimensions: {', '.join(found['unknown'])}", err=True)
    if found["other_currencies"]:
        click.echo(f"in another currency than {found['currency']}, left out: {found['other_currencies']}", err=True)


def _cells(by: list[str], metrics: list[str], line: dict[str, Any]) -> list[str]:
    if line["is_rest"]:
        words = ["all others", *[""] * (len(by) - 1)]
    else:
        words = ["-" if line["group"][name] is None else str(line["group"][name]) for name in by]
    return [*words, *_figures(line, metrics)]


def _figures(line: dict[str, Any], metrics: list[str]) -> list[str]:
    shown = []
    for name in metrics:
        figure = line["figures"][name]
        text = "-" if figure is None else f"{figure:.3f}" if isinstance(figure, float) else str(figure)
        if line["before"] is not None:
            before = line["before"][name]
            text += f" ({'-' if before is None else f'{before:.3f}' if isinstance(before, float) else before})"
        shown.append(text)
    return shown


def spend_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace spend …`."""

    @click.group("spend")
    def group() -> None:
        """What advertising cost (docs/howto/reports.md)."""

    @group.command("import")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--client", type=click.UUID, required=True, help="Whose advertising.")
    @click.option("--agency", type=click.UUID, help="Its agency; only the operator's key needs it.")
    @click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help=f"Fields: {', '.join(FIELDS)}.")
    @click.option("--set", "fixed", multiple=True, metavar="FIELD=VALUE", help="The same for every line.")
    @click.option("--delimiter", default=",", show_default=True)
    @click.option("--date-format", default="%Y-%m-%d", show_default=True)
    @click.option("--decimal-comma", is_flag=True, help="1.234,56 instead of 1,234.56.")
    @click.option("--encoding", default="utf-8", show_default=True)
    @click.option("--dry-run", is_flag=True, help="Only tell what would become of it.")
    def import_(
        file: Path, client: Any, agency: Any, mapping: tuple[str, ...], fixed: tuple[str, ...], delimiter: str,
        date_format: str, decimal_comma: bool, encoding: str, dry_run: bool,
    ) -> None:  # fmt: skip
        """Take a CSV FILE of spend. What is sent again replaces what was told; a fault, and nothing is sent."""
        with file.open(encoding=encoding, newline="") as lines:
            rows = read_spend(
                lines, columns=parse_mapping(mapping), fixed=parse_mapping(fixed), delimiter=delimiter,
                date_format=date_format, decimal_comma=decimal_comma,
            )  # fmt: skip
        api = api_client(begin("spend"))
        owner = {"client_id": str(client)} | ({"agency_id": str(agency)} if agency else {})
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        # What would be refused is refused before anything is taken.
        sums = _send(api, owner, batches, dry_run=True)
        if not dry_run:
            sums = _send(api, owner, batches, dry_run=False)
        told = ", ".join(f"{count} {name}" for name, count in sums.items())
        click.echo(f"{len(rows)} rows{' (dry run)' if dry_run else ''}: {told}")

    return group


def _send(
    api: ApiClient, owner: dict[str, str], batches: list[list[dict[str, Any]]], *, dry_run: bool
) -> dict[str, int]:
    sums = {"new": 0, "changed": 0, "same": 0}
    for rows in batches:
        taken = api.post("/v1/spend", owner | {"dry_run": dry_run, "rows": rows})
        sums = {name: sums[name] + taken[name] for name in sums}
    return sums
