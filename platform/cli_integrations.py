"""`dialtrace integration …` and `dialtrace work integrations`: the first asks the platform as a partner would, through
the API with a key, the second tells other systems.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .cli_options import agency_option, metrics_option
from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]
_ID = click.argument("integration_id", type=click.UUID)


def integration_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace integration …`."""

    def client() -> ApiClient:
        return api_client(begin("integration"))

    @click.group()
    def integration() -> None:
        """Other systems that are told of calls: CRM, analytics, notices."""

    @integration.command("systems")
    def systems() -> None:
        """List the systems that can be integrated."""
        for row in client().get("/v1/integration-systems")["data"]:
            click.echo(f"{row['name']:12} {row['title']}: {row['summary']}")

    @integration.command("list")
    @agency_option
    def list_(agency: Any) -> None:
        """List integrations: state, system, name, last fault."""
        for row in client().read_all("/v1/integrations", **_named(agency)):
            why = f" ({row['reason']}: {row['detail'] or ''})" if row["reason"] else ""
            failing = f"  failing since {row['failing_since']}: {row['last_fault']}" if row["failing_since"] else ""
            click.echo(f"{row['id']}  {row['state']}{why}  {row['system']}  {row['name']}{failing}")

    @integration.command("test")
    @_ID
    @agency_option
    def test(integration_id: Any, agency: Any) -> None:
        """Ask the other system whether all is well; exit status 1 unless it is."""
        found = _post(client(), f"/v1/integrations/{integration_id}/test", agency)
        for check in found["checks"]:
            click.echo(f"{'well' if check['is_well'] else 'NOT '}  {check['name']}  {check['detail']}".rstrip())
        sys.exit(0 if found["is_well"] else 1)

    @integration.command("preview")
    @_ID
    @click.argument("call_id", type=click.UUID)
    @click.option("--type", "type_", default="call.ended", show_default=True, help="Of what would be told.")
    @agency_option
    def preview(integration_id: Any, call_id: Any, type_: str, agency: Any) -> None:
        """Show what CALL_ID would make the integration send; nothing leaves."""
        body = {"call_id": str(call_id), "type": type_}
        found = _post(client(), f"/v1/integrations/{integration_id}/preview", agency, body)
        click.echo(f"{found['outcome']}  {found['detail']}".rstrip())
        for request in found["requests"]:
            click.echo(f"{request['method']} {request['url']}")
            click.echo(json.dumps(request["body"], ensure_ascii=False, indent=2))

    _operating(integration, client)
    return integration


def _operating(group: click.Group, client: Callable[[], ApiClient]) -> None:
    @group.command("pause")
    @_ID
    @agency_option
    def pause(integration_id: Any, agency: Any) -> None:
        """Tell INTEGRATION_ID nothing until it is resumed."""
        click.echo(_post(client(), f"/v1/integrations/{integration_id}/pause", agency)["state"])

    @group.command("resume")
    @_ID
    @agency_option
    def resume(integration_id: Any, agency: Any) -> None:
        """Go on with INTEGRATION_ID and tell it what it missed."""
        click.echo(_post(client(), f"/v1/integrations/{integration_id}/resume", agency)["state"])

    @group.command("deliveries")
    @_ID
    @click.option("--state", help="Only these: due, sent, done, given_up, …")
    @agency_option
    def deliveries(integration_id: Any, state: str | None, agency: Any) -> None:
        """List what INTEGRATION_ID was told, the latest first."""
        named = _named(agency) | ({"state": state} if state else {})
        for row in client().read_all(f"/v1/integrations/{integration_id}/deliveries", **named):
            why = f"  {row['reason']}: {row['detail'] or ''}" if row["reason"] else ""
            click.echo(f"{row['id']}  {row['state']}  {row['type']}  call {row['call_id']}{why}")

    @group.command("backfill")
    @_ID
    @click.option("--since", required=True, help="RFC 3339, such as 2026-03-01T09:00:00Z.")
    @click.option("--until", help="Left out: now.")
    @agency_option
    def backfill(integration_id: Any, since: str, until: str | None, agency: Any) -> None:
        """Tell INTEGRATION_ID of calls of a span, as far as it was not told."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"since": since, "until": until or now}
        found = _post(client(), f"/v1/integrations/{integration_id}/backfill", agency, body)
        click.echo(f"{found['count']} deliveries are made")


def _named(agency: Any) -> dict[str, str]:
    return {"agency_id": str(agency)} if agency else {}


def _post(api: ApiClient, path: str, agency: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    query = f"?agency_id={agency}" if agency else ""
    return api.post(path + query, body if body is not None else {})


def integration_work_command(begin: Begin, need_database: Callable[[Settings], str]) -> click.Command:
    """`dialtrace work integrations`."""

    @click.command("integrations")
    @metrics_option
    def integrations(metrics: tuple[str, int] | None) -> None:
        """Tell other systems what happened."""
        settings = begin("integrations", metrics=metrics)
        need_database(settings)
        from .launch import master_keys
        from .priority import step_back
        from .services.integrating import build_integration_work
        from .workers.integrations import IntegrationWorker, run_integration_worker

        step_back()
        claims, deliverer, reader = build_integration_work(settings, master_keys(settings))
        kept_s = settings["DIALTRACE_INTEGRATION_LOG_DAYS"] * 86_400.0
        run_integration_worker(lambda: IntegrationWorker(claims, deliverer, reader, kept_s=kept_s))

    return integrations
