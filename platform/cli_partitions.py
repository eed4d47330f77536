"""`dialtrace partitions`: months of records in the database, and those that have gone to the object store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import click

from .config import Settings, load_settings

if TYPE_CHECKING:
    from .archive.service import ArchiveService


def partitions_group(
    begin: Callable[..., Settings], any_database: Callable[[Settings], AbstractContextManager[str]]
) -> click.Group:
    """The commands."""

    @contextmanager
    def opened(keep_months: int | None) -> Iterator[ArchiveService]:
        """``keep_months`` goes before the setting."""
        from .services.archive import build_archive

        with any_database(begin("partitions")) as url:
            os.environ["DIALTRACE_DATABASE_URL"] = url
            if keep_months is not None:
                os.environ["DIALTRACE_PARTITIONS_KEEP_MONTHS"] = str(keep_months)
            yield build_archive(load_settings())

    @click.group("partitions")
    def group() -> None:
        """Months of records: made ahead, listed, retired (docs/howto/partitions.md)."""

    @group.command("list")
    def list_partitions() -> None:
        """Every month, in the database or gone, one line of JSON each."""
        with opened(None) as archive:
            present, retired = archive.list_partitions()
        for one in present:
            month = f"{one.month:%Y-%m}" if one.month else None
            where = "database" if month else "default"
            row = {"table": one.parent, "month": month, "where": where, "rows_about": one.row_estimate}
            click.echo(json.dumps(row | {"size_bytes": one.size_bytes}))
        for gone in retired:
            row = {"table": gone.parent, "month": f"{gone.month:%Y-%m}", "part": gone.part, "rows": gone.row_count}
            at = gone.retired_at.isoformat() if gone.retired_at else None
            click.echo(json.dumps(row | {"where": "store" if at else "begun", "retired_at": at}))

    @group.command("make")
    @click.option("--months", type=click.IntRange(0, 119), default=3, show_default=True, help="Months after this one.")
    def make(months: int) -> None:
        """Make sure of this month's partitions and of the next ones. Jobs and agents do so by themselves."""
        with opened(None) as archive:
            click.echo(f"{archive.make_ahead(months)} partitions made")

    @group.command("retire")
    @click.argument("month", required=False)
    @click.option("--keep", type=click.IntRange(2, 1200), help="Months to keep, instead of the setting's.")
    @click.option("--dry-run", is_flag=True, help="Say what would go, and what stands in the way.")
    def retire(month: str | None, keep: int | None, dry_run: bool) -> None:
        """Let MONTH (2024-01) go to the object store, or every month that the policy lets go. Exit status 1 when one
        stays."""
        with opened(keep) as archive:
            stayed = _retire(archive, month, dry_run=dry_run)
        if stayed:
            raise SystemExit(1)

    group.add_command(_read_command(begin, any_database))
    return group


def _read_command(
    begin: Callable[..., Settings], any_database: Callable[[Settings], AbstractContextManager[str]]
) -> click.Command:
    @click.command("read")
    @click.argument("month")
    @click.argument("table", default="calls")
    @click.option("--agency", required=True, type=click.UUID, help="Whose records.")
    @click.option("--client", type=click.UUID, help="Only this client's.")
    @click.option("--call", type=click.UUID, help="Only those of this call.")
    def read(month: str, table: str, agency: UUID, client: UUID | None, call: UUID | None) -> None:
        """Read TABLE (calls, legs, …) of a MONTH (2024-01) that has gone: a line of JSON a row."""
        from .archive.model import parse_month
        from .services.archive import build_reader

        with any_database(begin("partitions")) as url:
            os.environ["DIALTRACE_DATABASE_URL"] = url
            rows = build_reader(load_settings()).read(agency, parse_month(month), table, client_id=client, call_id=call)
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False))

    return read


def _retire(archive: ArchiveService, month: str | None, *, dry_run: bool) -> bool:
    """Whether a month stayed that was to go."""
    from .archive.errors import ArchiveError
    from .archive.model import month_text, parse_month

    stayed = False
    months = [parse_month(month)] if month else archive.months_due()
    if not months:
        click.echo("no month is due (DIALTRACE_PARTITIONS_KEEP_MONTHS; 0 keeps all)")
    for one in months:
        if dry_run:
            why = "; ".join(map(str, archive.list_obstacles(one)))
            click.echo(f"{month_text(one)}: " + (f"stays: {why}" if why else "goes"))
            continue
        try:
            click.echo(f"{month_text(one)}: {archive.retire(one)} rows have gone to the object store")
        except ArchiveError as error:
            stayed = True
            click.echo(f"stays: {error}", err=True)
    return stayed
