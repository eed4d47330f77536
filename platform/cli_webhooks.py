"""`dialtrace webhook …` and `dialtrace work webhooks`: the first asks the platform as a partner would, through the API
with a key, the second sends.
"""

from __future__ import annotations

import sys
import time
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

#: A test message is tried once, so its outcome is known within a request's own bound.
TEST_TIMEOUT_S = 25.0


def webhook_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace webhook …`."""

    def client() -> ApiClient:
        return api_client(begin("webhook"))

    @click.group()
    def webhook() -> None:
        """Endpoints that are told what happens."""

    @webhook.command("list")
    @agency_option
    def list_(agency: Any) -> None:
        """List webhooks: state, last fault, address."""
        for row in client().read_all("/v1/webhooks", **_named(agency)):
            why = f" ({row['reason']})" if row["reason"] else ""
            failing = f"  failing since {row['failing_since']}: {row['last_fault']}" if row["failing_since"] else ""
            click.echo(f"{row['id']}  {row['state']}{why}  {row['url']}{failing}")

    @webhook.command("test")
    @click.argument("webhook_id", type=click.UUID)
    @agency_option
    def test(webhook_id: Any, agency: Any) -> None:
        """Send a test message to WEBHOOK_ID and tell the answer; exit status 1 unless it was taken."""
        found = _tested(client(), webhook_id, agency)
        click.echo(_outcome(found))
        sys.exit(0 if found["state"] == "delivered" else 1)

    @webhook.command("pause")
    @click.argument("webhook_id", type=click.UUID)
    @agency_option
    def pause(webhook_id: Any, agency: Any) -> None:
        """Send nothing to WEBHOOK_ID until it is resumed."""
        click.echo(_post(client(), f"/v1/webhooks/{webhook_id}/pause", agency)["state"])

    @webhook.command("resume")
    @click.argument("webhook_id", type=click.UUID)
    @agency_option
    def resume(webhook_id: Any, agency: Any) -> None:
        """Go on with WEBHOOK_ID and send it what it missed."""
        click.echo(_post(client(), f"/v1/webhooks/{webhook_id}/resume", agency)["state"])

    @webhook.command("replay")
    @click.argument("webhook_id", type=click.UUID)
    @click.option("--delivery", type=click.UUID, help="One delivery.")
    @click.option("--since", help="RFC 3339, such as 2026-03-01T09:00:00Z.")
    @click.option("--until", help="Left out: now.")
    @click.option("--types", help="Only these, with commas between.")
    @click.option("--only-failed", is_flag=True, help="Only what was given up.")
    @agency_option
    def replay(
        webhook_id: Any, delivery: Any, since: str | None, until: str | None, types: str | None, only_failed: bool,
        agency: Any,
    ) -> None:  # fmt: skip
        """Send one message, or everything of a span, to WEBHOOK_ID again."""
        if (delivery is None) == (since is None):
            raise click.UsageError("say --delivery, or --since")
        path = f"/v1/webhooks/{webhook_id}"
        if delivery is not None:
            click.echo(_post(client(), f"{path}/deliveries/{delivery}/replay", agency)["state"])
            return
        assert since is not None, "one of the two was said"
        body = _span(since, until, types, only_failed=only_failed)
        click.echo(f"{_post(client(), f'{path}/replay', agency, body)['count']} messages are sent again")

    return webhook


def _tested(api: ApiClient, webhook_id: Any, agency: Any) -> dict[str, Any]:
    """The delivery of a test message, once its outcome is known."""
    sent = _post(api, f"/v1/webhooks/{webhook_id}/test", agency)
    until_s = time.monotonic() + TEST_TIMEOUT_S
    while True:
        found = api.get(f"/v1/webhooks/{webhook_id}/deliveries/{sent['id']}", **_named(agency))
        if found["state"] in {"delivered", "failed"} or time.monotonic() > until_s:
            return found
        time.sleep(0.2)


def _outcome(delivery: dict[str, Any]) -> str:
    if not delivery["attempts"]:
        return f"{delivery['state']}  not sent yet: does `dialtrace work webhooks` run?"
    last = delivery["attempts"][-1]
    answer = str(last["status"] or last["fault"])
    return f"{delivery['state']}  {answer}  {last['ms']} ms  {last['body'] or ''}".rstrip()


def _span(since: str, until: str | None, types: str | None, *, only_failed: bool) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    span: dict[str, Any] = {"since": since, "until": until or now, "only_failed": only_failed}
    return span | ({"event_types": [word.strip() for word in types.split(",")]} if types else {})


def _named(agency: Any) -> dict[str, str]:
    return {"agency_id": str(agency)} if agency else {}


def _post(api: ApiClient, path: str, agency: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    query = f"?agency_id={agency}" if agency else ""
    return api.post(path + query, body if body is not None else {})


def work_command(begin: Begin, need_database: Callable[[Settings], str]) -> click.Command:
    """`dialtrace work webhooks`."""

    @click.command("webhooks")
    @metrics_option
    def webhooks(metrics: tuple[str, int] | None) -> None:
        """Send what happened to those who want to be told."""
        settings = begin("webhooks", metrics=metrics)
        need_database(settings)
        from .launch import master_keys
        from .priority import step_back
        from .services.webhook_sending import build_webhook_sending
        from .workers.webhooks import WebhookWorker, run_webhook_worker

        step_back()
        claims, sender = build_webhook_sending(settings, master_keys(settings))
        kept_s = settings["DIALTRACE_WEBHOOK_LOG_DAYS"] * 86_400.0
        run_webhook_worker(lambda: WebhookWorker(claims, sender, kept_s=kept_s))

    return webhooks
