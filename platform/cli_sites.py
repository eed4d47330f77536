"""`dialtrace site …`: sites, their rules and snippets, and where visits come from. Asks the API as a partner would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_options import agency_option
from .config import Settings

if TYPE_CHECKING:
    from .apiclient import ApiClient

Begin = Callable[..., Settings]
MakeClient = Callable[[Settings], "ApiClient"]

_FIELDS = ("channel", "source", "medium", "campaign", "content", "keyword")


def site_group(begin: Begin, api_client: MakeClient) -> click.Group:
    """`dialtrace site …`."""

    def client() -> ApiClient:
        return api_client(begin("site"))

    @click.group()
    def site() -> None:
        """Web sites of clients: what their pages show to whom."""

    @site.command("list")
    @agency_option
    def list_(agency: Any) -> None:
        """List sites: token, rules that are live, name, domains."""
        for row in client().read_all("/v1/sites", **_named(agency)):
            draft = ", draft" if row["has_draft"] else ""
            rules = f"rules {row['rules_version']}{draft}"
            click.echo(f"{row['id']}  {row['status']}  {rules}  {row['name']}  {' '.join(row['domains'])}")

    @site.command("snippet")
    @click.argument("site_id", type=click.UUID)
    @agency_option
    def snippet(site_id: Any, agency: Any) -> None:
        """Print what goes into the head of SITE_ID's pages."""
        click.echo(client().get(f"/v1/sites/{site_id}/snippet", **_named(agency))["html"])

    @site.command("rules")
    @click.argument("site_id", type=click.UUID)
    @click.option("--draft", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON file to draft.")
    @click.option("--publish", is_flag=True, help="Make the draft live.")
    @agency_option
    def rules(site_id: Any, draft: Path | None, publish: bool, agency: Any) -> None:
        """Print SITE_ID's rules, after drafting or publishing some if asked to."""
        api, path = client(), f"/v1/sites/{site_id}/rules"
        if draft is not None:
            api.put(_asked(f"{path}/draft", agency), {"rules": _document(draft)})
        if publish:
            api.post(_asked(f"{path}/publish", agency), {})
        found = api.get(path, **_named(agency))
        click.echo(json.dumps({"live": found["live"], "draft": found["draft"]}, indent=2, ensure_ascii=False))

    @site.command("preview")
    @click.argument("site_id", type=click.UUID)
    @click.argument("page")
    @agency_option
    def preview(site_id: Any, page: str, agency: Any) -> None:
        """Print a link that shows PAGE with SITE_ID's draft, for a day."""
        click.echo(client().post(_asked(f"/v1/sites/{site_id}/preview", agency), {"page": page})["link"])

    @site.command("classify")
    @click.argument("landing_page")
    @click.option("--referrer", help="Who led there.")
    @click.option("--client", "client_id", type=click.UUID, required=True, help="Whose rules count.")
    @agency_option
    def classify(landing_page: str, referrer: str | None, client_id: Any, agency: Any) -> None:
        """Tell what a visit that begins at LANDING_PAGE would be taken for."""
        body = {"client_id": str(client_id), "landing_page": landing_page, "referrer": referrer}
        found = client().post(_asked("/v1/sources/classify", agency), body)
        for name in (*_FIELDS, "classified_by"):
            if found[name] is not None:
                click.echo(f"{name}: {found[name]}")

    return site


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{path} is not JSON: {error}") from error


def _named(agency: Any) -> dict[str, str]:
    return {"agency_id": str(agency)} if agency else {}


def _asked(path: str, agency: Any) -> str:
    return f"{path}?agency_id={agency}" if agency else path
