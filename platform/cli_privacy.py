"""`dialtrace privacy`: what persons ask for, legal holds, how long what is kept, and receipts; asked of the API as any
partner would. `run` does at once, on this machine, what the job process does by itself.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .config import Settings
from .errors import DialtraceError

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

_LOOK_EVERY_S = 1.0
_CLASSES = ("cdr", "recording", "caller", "visit")


class NotInTime(DialtraceError):
    """The request is not done yet; it goes on by itself."""


class ReceiptUnverified(DialtraceError):
    """The receipt names a key that is not among the published ones."""


agency_option = click.option("--agency", type=click.UUID, help="Whose; only the operator's key needs it.")
client_option = click.option("--client", type=click.UUID, help="Only with this client.")


def _named(agency: Any, client: Any = None, **more: Any) -> dict[str, Any]:
    values = {"agency_id": agency, "client_id": client, **more}
    return {name: str(value) for name, value in values.items() if value is not None}


def privacy_group(begin: Begin, api_client: MakeClient, prepare: Callable[[Settings], Settings]) -> click.Group:
    """`dialtrace privacy …`. ``prepare``: the settings with the keys that sign receipts."""

    @click.group()
    def privacy() -> None:
        """What is kept of people: requests, holds, retention, receipts (docs/howto/privacy.md)."""

    _add_requests(privacy, begin, api_client)
    _add_holds(privacy, begin, api_client)
    _add_retention(privacy, begin, api_client)
    _add_receipts(privacy, begin, api_client)

    @privacy.command("run")
    def run() -> None:
        """Go on with every request and delete what is due, now and here. The job process does so by itself."""
        settings = prepare(begin("privacy"))
        from .services.persons import build_privacy_work

        work = build_privacy_work(settings)
        click.echo(json.dumps({"requests": work.requests.run_due(), "deleted": work.retention.run()}))

    return privacy


def _add_requests(privacy: click.Group, begin: Begin, api_client: MakeClient) -> None:
    @privacy.group("request")
    def request() -> None:
        """What persons ask for, by telephone number."""

    @request.command("make")
    @click.argument("kind", type=click.Choice(["export", "erase"]))
    @click.argument("phone")
    @agency_option
    @client_option
    @click.option("--wait", type=click.FloatRange(0, 86_400), help="Seconds to follow it for; exit status 1 if longer.")
    def make(kind: str, phone: str, agency: Any, client: Any, wait: float | None) -> None:
        """Export or erase all that is held of PHONE (E.164)."""
        api = api_client(begin("privacy"))
        made = api.post("/v1/subject-requests", _named(agency, client, kind=kind, phone=phone))
        if wait:
            made = _follow(api, made, agency, wait)
        click.echo(json.dumps(made, indent=2, ensure_ascii=False))

    @request.command("list")
    @agency_option
    @client_option
    def list_requests(agency: Any, client: Any) -> None:
        """Every request, oldest first, one line of JSON each."""
        api = api_client(begin("privacy"))
        for row in api.read_all("/v1/subject-requests", **_named(agency, client)):
            click.echo(json.dumps(row, ensure_ascii=False))

    @request.command("show")
    @click.argument("request_id", type=click.UUID)
    @agency_option
    def show(request_id: Any, agency: Any) -> None:
        """One request: its state, what it waits for, what was done."""
        found = api_client(begin("privacy")).get(f"/v1/subject-requests/{request_id}", **_named(agency))
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))

    @request.command("file")
    @click.argument("request_id", type=click.UUID)
    @click.argument("path", type=click.Path(dir_okay=False, writable=True, path_type=Path))
    @agency_option
    def fetch(request_id: Any, path: Path, agency: Any) -> None:
        """Fetch what was exported into PATH (a ZIP file, readable by its owner only)."""
        address = f"/v1/subject-requests/{request_id}/file" + (f"?agency_id={agency}" if agency else "")
        found = api_client(begin("privacy")).download(address)
        if found is None:
            raise click.ClickException("there is no such file: not an export, not done, or older than seven days")
        path.touch(mode=0o600)
        path.write_bytes(found[0])
        click.echo(f"{path}: {len(found[0])} bytes")


def _follow(api: ApiClient, made: dict[str, Any], agency: Any, wait_s: float) -> dict[str, Any]:
    """Raises NotInTime."""
    until_s = time.monotonic() + wait_s
    while made["state"] != "done":
        if time.monotonic() > until_s:
            raise NotInTime(f"request {made['id']} is {made['state']}; it waits for {made['waits'] or 'its turn'}")
        time.sleep(_LOOK_EVERY_S)
        made = api.get(f"/v1/subject-requests/{made['id']}", **_named(agency))
    return made


def _add_holds(privacy: click.Group, begin: Begin, api_client: MakeClient) -> None:
    @privacy.group("hold")
    def hold() -> None:
        """Legal holds: what nobody may delete."""

    @hold.command("place")
    @click.argument("kind", type=click.Choice(["call", "caller", "client"]))
    @click.argument("thing", required=False)
    @click.option("--reason", required=True, help="Why; it is kept with the hold.")
    @agency_option
    @client_option
    def place(kind: str, thing: str | None, reason: str, agency: Any, client: Any) -> None:
        """Hold a call (its id), a caller (the number), or the client that --client names."""
        member = {"call": "call_id", "caller": "phone"}.get(kind)
        if (member is None) != (thing is None):
            raise click.UsageError("a call and a caller are named; a client is named by --client alone")
        body = _named(agency, client, kind=kind, reason=reason) | ({member: thing} if member and thing else {})
        made = api_client(begin("privacy")).post("/v1/legal-holds", body)
        click.echo(json.dumps(made, indent=2, ensure_ascii=False))

    @hold.command("list")
    @agency_option
    @client_option
    def list_holds(agency: Any, client: Any) -> None:
        """Every hold, lifted ones too, one line of JSON each."""
        for row in api_client(begin("privacy")).read_all("/v1/legal-holds", **_named(agency, client)):
            click.echo(json.dumps(row, ensure_ascii=False))

    @hold.command("lift")
    @click.argument("hold_id", type=click.UUID)
    @agency_option
    def lift(hold_id: Any, agency: Any) -> None:
        """Lift a hold: what waited for it goes on."""
        api_client(begin("privacy")).delete(f"/v1/legal-holds/{hold_id}", **_named(agency))
        click.echo(f"hold {hold_id} is lifted")


def _add_retention(privacy: click.Group, begin: Begin, api_client: MakeClient) -> None:
    @privacy.group("retention")
    def retention() -> None:
        """How long what is kept."""

    @retention.command("show")
    @agency_option
    @client_option
    def show(agency: Any, client: Any) -> None:
        """What was said for an agency or (--client) a client, and what holds."""
        found = api_client(begin("privacy")).get(_address(agency, client), **_named(agency if client else None))
        click.echo(json.dumps(found, indent=2))

    @retention.command("set")
    @agency_option
    @client_option
    @click.option("--cdr", type=click.IntRange(1, 36_500), help="Days; left out: as the level above says.")
    @click.option("--recording", type=click.IntRange(1, 36_500))
    @click.option("--caller", type=click.IntRange(1, 36_500))
    @click.option("--visit", type=click.IntRange(1, 36_500))
    @click.option("--caller-becomes", type=click.Choice(["key", "nothing"]))
    def set_rules(agency: Any, client: Any, caller_becomes: str | None, **days: int | None) -> None:
        """Set all rules of one level anew. What is older than they say is deleted by the next run, for good."""
        body: dict[str, Any] = {f"{one}_days": days[one] for one in _CLASSES} | {"caller_becomes": caller_becomes}
        body |= _named(agency if client else None)
        found = api_client(begin("privacy")).put(_address(agency, client), body)
        click.echo(json.dumps(found, indent=2))


def _address(agency: Any, client: Any) -> str:
    if client is None and agency is None:
        raise click.UsageError("name --agency, or --client")
    return f"/v1/clients/{client}/retention" if client else f"/v1/agencies/{agency}/retention"


def _add_receipts(privacy: click.Group, begin: Begin, api_client: MakeClient) -> None:
    @privacy.group("receipt")
    def receipt() -> None:
        """Proofs of what was deleted or given out."""

    @receipt.command("list")
    @agency_option
    @client_option
    def list_receipts(agency: Any, client: Any) -> None:
        """Every receipt, oldest first, one line of JSON each."""
        for row in api_client(begin("privacy")).read_all("/v1/privacy/receipts", **_named(agency, client)):
            click.echo(json.dumps(row, ensure_ascii=False))

    @receipt.command("verify")
    @click.argument("path", type=click.File("r", encoding="utf-8"))
    @click.option("--keys", type=click.File("r", encoding="utf-8"), help="Published keys, as a file instead of asked.")
    def verify(path: Any, keys: Any) -> None:
        """Check a receipt, as the API gives it (- reads standard input): whether its text is what was signed."""
        published = json.load(keys) if keys else api_client(begin("privacy")).get("/v1/privacy/keys")
        document = verify_receipt(json.load(path), published)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def verify_receipt(receipt: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    """What the receipt says. Raises ReceiptUnverified, ReceiptForged."""
    from .privacy.receipts import verify

    keys = {key["kid"]: base64.urlsafe_b64decode(key["x"] + "==") for key in published["keys"]}
    if receipt["key_id"] not in keys:
        raise ReceiptUnverified(f"{ReceiptUnverified.__doc__} It says {receipt['key_id']}.")
    verify(receipt["document"], base64.b64decode(receipt["signature"]), keys[receipt["key_id"]])
    found: dict[str, Any] = json.loads(receipt["document"])
    return found
