"""`dialtrace export`: records into a file, as any partner would fetch them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .config import Settings
from .errors import DialtraceError

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]
ASK_EVERY_S = 0.5


class ExportFailed(DialtraceError):
    """The export could not be made."""


def export_command(begin: Begin, api_client: MakeClient) -> click.Command:
    """`dialtrace export …`."""

    @click.command("export")
    @click.argument("content", type=click.Choice(["calls", "events", "audit"]))
    @click.option("--client", type=click.UUID, required=True, help="Whose rows.")
    @click.option("--agency", type=click.UUID, help="Its agency; only the operator's key needs it.")
    @click.option("--format", "form", type=click.Choice(["csv", "ndjson", "parquet"]), default="csv", show_default=True)
    @click.option("--from", "from_", type=click.DateTime(), required=True, help="From this moment on, UTC.")
    @click.option("--to", "to", type=click.DateTime(), required=True, help="To this moment, itself left out, UTC.")
    @click.option("--bom", is_flag=True, help="Begin a CSV with a byte order mark, as Excel wants it.")
    @click.option("--timeout", type=click.FloatRange(1), default=3600.0, show_default=True, help="Seconds to wait.")
    @click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file.")
    def export(
        content: str, client: Any, agency: Any, form: str, from_: datetime, to: datetime, bom: bool, timeout: float,
        output: Path,
    ) -> None:  # fmt: skip
        """Fetch CONTENT of a client as a file: calls, events or the audit log. It is there whole or not at all."""
        api = api_client(begin("export"))
        body: dict[str, Any] = {
            "client_id": str(client), "content": content, "format": form, "bom": bom, "from": _moment(from_),
            "until": _moment(to),
        }  # fmt: skip
        query = {"agency_id": str(agency)} if agency else {}
        made = _await(api, api.post("/v1/exports", body | query)["id"], query, timeout)
        (file,) = made["files"]
        api.fetch(file["href"] + (f"?agency_id={agency}" if agency else ""), output, sha256=file["sha256"])
        if made["archived_until"]:
            click.echo(
                f"calls that began before {made['archived_until']} may have gone to the archive and are not in it:"
                " dialtrace partitions read",
                err=True,
            )
        click.echo(f"{output}: {file['rows']} rows, {file['size_bytes']} bytes, SHA-256 {file['sha256']}")

    return export


def _moment(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _await(api: ApiClient, export_id: str, query: dict[str, str], timeout_s: float) -> dict[str, Any]:
    until_s = time.monotonic() + timeout_s
    while True:
        found = api.get(f"/v1/exports/{export_id}", **query)
        if found["state"] == "done":
            return found
        if found["state"] == "failed":
            raise ExportFailed(f"export {export_id} failed: {found['error']}")
        if time.monotonic() > until_s:
            raise ExportFailed(
                f"export {export_id} is {found['state']} after {timeout_s:g} s; does `dialtrace work jobs` run?"
            )
        time.sleep(ASK_EVERY_S)
