"""`dialtrace attribution`: where calls came from, corrected and compared, asked as any partner would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

_agency = click.option("--agency", type=click.UUID, help="Whose call it is; only the operator's key needs it.")
_WORDS = ("channel", "source", "medium", "campaign", "content", "keyword")


def attribution_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace attribution …`."""

    @click.group()
    def attribution() -> None:
        """Where calls came from."""

    @attribution.command("show")
    @click.argument("call_id", type=click.UUID)
    @_agency
    @click.option("--json", "as_json", is_flag=True, help="The API's answer as it is.")
    def show(call_id: Any, agency: Any, as_json: bool) -> None:
        """Tell where the call CALL_ID came from, with every candidate and what speaks for it."""
        query = {"agency_id": str(agency)} if agency else {}
        found = api_client(begin("attribution")).get(f"/v1/calls/{call_id}/attribution", **query)
        if as_json:
            click.echo(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for line in told(found):
            click.echo(line)

    @attribution.command("correct")
    @click.argument("call_id", type=click.UUID)
    @_agency
    @click.option("--visit", type=click.UUID, help="It belongs to this visit.")
    @click.option("--code", help="The promo code that the caller named.")
    @click.option("--said", is_flag=True, help="The caller said so; else you know it.")
    @click.option("--channel", help="It came from this channel …")
    @click.option("--source", help="… and this source.")
    @click.option("--campaign", help="Of this campaign.")
    @click.option("--nobody", is_flag=True, help="It belongs to no visit and no source.")
    @click.option("--withdraw", is_flag=True, help="What was corrected by hand holds no more.")
    @click.option("--note", help="For people.")
    def correct(call_id: Any, agency: Any, note: str | None, **said: Any) -> None:
        """Add one more fact about the call CALL_ID; nothing is overwritten."""
        body = correction(**said) | ({"note": note} if note else {}) | ({"agency_id": str(agency)} if agency else {})
        path = f"/v1/calls/{call_id}/attribution/corrections"
        for line in told(api_client(begin("attribution")).post(path, body)):
            click.echo(line)

    @attribution.command("compare")
    @_agency
    @click.option("--client", type=click.UUID, required=True)
    @click.option("--from", "since", required=True, help="Calls from this moment on, such as 2026-11-01T00:00:00Z.")
    @click.option("--until", required=True, help="And before this one.")
    @click.option("--as-of", help="As all was known at that moment.")
    @click.option("--models", help="With commas between; else all of them.")
    @click.option("--window-days", type=click.IntRange(1, 90), default=30, show_default=True)
    @click.option("--view-through-days", type=click.IntRange(0, 90), default=0, show_default=True)
    @click.option("--group-by", default="channel,source", show_default=True)
    def compare(agency: Any, client: Any, since: str, **asked: Any) -> None:
        """Print several attribution models side by side for the same calls."""
        given = {"agency_id": agency, "client_id": client, "from": since, **asked}
        query = {name: str(value) for name, value in given.items() if value is not None}
        for line in compared(api_client(begin("attribution")).get("/v1/attribution/comparison", **query)):
            click.echo(line)

    return attribution


def correction(
    *,
    visit: Any,
    code: str | None,
    said: bool,
    channel: str | None,
    source: str | None,
    campaign: str | None,
    nobody: bool,
    withdraw: bool,
) -> dict[str, Any]:
    """The body of a correction. Raises UsageError where the options say nothing, or several things at once."""
    named = {name: value for name, value in (("channel", channel), ("source", source), ("campaign", campaign)) if value}
    ways = [visit is not None, code is not None, bool(named), nobody, withdraw]
    if sum(ways) != 1:
        raise click.UsageError("say one of --visit, --code, --channel/--source, --nobody and --withdraw")
    if said and not named:
        raise click.UsageError("--said goes with --channel or --source")
    if withdraw:
        return {"kind": "withdrawn"}
    if code is not None:
        return {"kind": "promo_code", "code": code}
    if visit is not None:
        return {"kind": "manual", "visit_id": str(visit)}
    if not named:
        return {"kind": "manual"}
    return {"kind": "self_reported" if said else "manual", "source": named}


def words(source: dict[str, str | None]) -> str:
    """A source in one line."""
    return " / ".join(value for name in _WORDS if (value := source.get(name))) or "unknown"


def told(found: dict[str, Any]) -> list[str]:
    """An attribution as text."""
    last = found["current"]
    if last is None:
        return [f"{found['call_id']}: nothing is known of where it came from"]
    sure = "" if last["source_probability"] is None else f", {last['source_probability']:.1%}"
    lines = [f"{found['call_id']}: {words(last['source'])}{sure} ({last['method']}, revision {last['revision']})"]
    for one in last["candidates"]:
        why = ", ".join(f"{name} {value}" for name, value in one["why"].items() if value is not None)
        lines.append(f"  {one['probability']:7.2%}  visit {one['visit_id']}  {words(one['source'])}  [{why}]")
    if last["nobody"]:
        lines.append(f"  {last['nobody']:7.2%}  none of these")
    return lines


def compared(found: dict[str, Any]) -> list[str]:
    """A comparison as a table."""
    models = list(found["lines"][0]["calls"]) if found["lines"] else []
    names = [" / ".join(value or "-" for value in line["group"].values()) for line in found["lines"]]
    width = max([len(name) for name in names] + [12])
    lines = [" " * width + "".join(f"{model:>16}" for model in models)]
    for name, line in zip(names, found["lines"], strict=True):
        lines.append(f"{name:<{width}}" + "".join(f"{line['calls'][model]:>16.2f}" for model in models))
    state = "complete" if found["is_complete"] else "not complete yet: ask again in some minutes"
    return [*lines, f"{found['calls']} calls as of {found['as_of']}, {state}; sha256 {found['digest'][:16]}…"]
