"""`dialtrace events`: the log, followed as any partner would follow it, and the schemas of what it holds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

#: The API is away: so long until it is asked again; it is not known whether it comes back soon.
REST_S = 2.0


def events_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace events …`."""

    @click.group()
    def events() -> None:
        """What happened, as one log for each agency."""

    @events.command("tail")
    @click.option("--agency", type=click.UUID, help="Whose log; only the operator's key needs it.")
    @click.option("--client", type=click.UUID, help="Only this client's events.")
    @click.option("--types", help="Only these, with commas between: call.ended,recording.*")
    @click.option("--after", default="now", show_default=True, help="A cursor; `start` for the log's start.")
    @click.option("--no-follow", is_flag=True, help="End with the log instead of waiting for more.")
    def tail(agency: Any, client: Any, types: str | None, after: str, no_follow: bool) -> None:
        """Print events as they come, one line of JSON each. Ctrl-C ends it; the last cursor is on standard error."""
        query = {"agency_id": agency, "client_id": client, "types": types}
        asked = {name: str(value) for name, value in query.items() if value is not None}
        try:
            for line in _follow(api_client(begin("events")), asked, after, follow=not no_follow):
                click.echo(line)
        except KeyboardInterrupt:
            sys.exit(130)

    @events.command("schemas")
    @click.option("--markdown", is_flag=True, help="Print docs/events.md.")
    def schemas(markdown: bool) -> None:
        """Print the JSON Schema of every type of event."""
        from .messages.model import BODIES, schema_of
        from .messages.page import events_page

        if markdown:
            click.echo(events_page(), nl=False)
            return
        click.echo(json.dumps({type_: schema_of(type_) for type_ in BODIES}, indent=2))

    return events


def _follow(client: ApiClient, asked: dict[str, str], after: str, *, follow: bool) -> Iterator[str]:
    from .apiclient import ApiAway

    cursor = "" if after == "start" else after
    try:
        while True:
            waits = {"wait": "10"} if follow and cursor != "now" else {}
            try:
                page = client.get("/v1/events", **asked, **waits, **({"after": cursor} if cursor else {}), limit=500)
            except ApiAway as fault:
                if not follow or not cursor:
                    raise
                click.echo(f"dialtrace: {fault}; it is asked again", err=True)
                time.sleep(REST_S)
                continue
            started = cursor != "now"
            cursor = page["next_cursor"]
            yield from (json.dumps(event, ensure_ascii=False) for event in page["data"])
            if page["has_more"] or not started:
                continue
            if not follow:
                return
            if not page["data"]:
                # Others may have taken all places to wait.
                time.sleep(0.5)
    finally:
        click.echo(f"cursor {cursor}", err=True)
