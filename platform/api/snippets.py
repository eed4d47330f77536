"""`/v1/sites/{id}/snippet` and `/preview`: what a site's owner puts into its pages, and a look at a draft."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field

from ..sites.addresses import is_below, read_address
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Fault, Problem
from .fields import AgencyId, Answer, Body
from .previews import LIFE_S, PARAMETER, write_preview
from .problems import validation_problem
from .scripts import newest

blueprint = APIBlueprint("snippets", __name__, tag="Sites")

EXAMPLE_SCRIPT = "https://calls.example/t/swap/1.0.0-0123456789abcdef.js"


class SnippetAnswer(Answer):
    """What goes into the head of every page."""

    html: Annotated[str, Field(examples=["<script async …></script>"])]
    script: Annotated[
        str, Field(description="Its address; what stands there never changes.", examples=[EXAMPLE_SCRIPT])
    ]
    integrity: Annotated[
        str, Field(examples=["sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"])
    ]
    release: Annotated[str, Field(description="The script's own version.", examples=["1.0.0"])]


class PreviewAsked(Body):
    """The page to look at."""

    model_config = ConfigDict(json_schema_extra={"example": {"page": "https://shop.example/contacts"}})

    agency_id: AgencyId
    page: Annotated[str, Field(max_length=2000, examples=["https://shop.example/contacts"])]


class PreviewAnswer(Answer):
    """A link that shows the page with the site's draft, to whoever opens it."""

    link: Annotated[str, Field(examples=["https://shop.example/contacts?dialtrace_preview=IjAx…"])]
    valid_s: Annotated[int, Field(examples=[LIFE_S])]


@endpoint(blueprint, "GET", "/v1/sites/<uuid:site_id>/snippet", roles=EVERYBODY, answer=SnippetAnswer)
def get_site_snippet(asked: Asked, site_id: UUID) -> SnippetAnswer:
    """Read a site's snippet

    With the newest release of the script. Older snippets go on working.
    """
    site = asked.services.sites.get_site(asked.agency_id, site_id, client_id=asked.client_id)
    release = newest()
    base = asked.services.pages_url or request.host_url.rstrip("/")
    script = f"{base}/t/swap/{release.name}"
    html = (
        f'<script async src="{escape(script)}" integrity="{release.integrity}" crossorigin="anonymous" '
        f'data-site="{escape(site.token)}"></script>'
    )
    return SnippetAnswer(html=html, script=script, integrity=release.integrity, release=release.version)


@endpoint(
    blueprint, "POST", "/v1/sites/<uuid:site_id>/preview",
    roles=EVERYBODY, keeps_nothing=True, permission="sites.read", body=PreviewAsked,
    answer=PreviewAnswer,
    problems=("no_draft",),
)  # fmt: skip
def preview_site(asked: Asked, site_id: UUID, body: PreviewAsked) -> PreviewAnswer:
    """Look at a draft

    Answers a link to one of the site's pages. Numbers are leased as for anybody, and the visit is marked as a preview.
    """
    site = asked.services.sites.get_site(asked.agency_id, site_id, client_id=asked.client_id)
    if site.rules_draft is None:
        raise Problem("no_draft")
    host = read_address(body.page).host
    if not any(is_below(host, domain) for domain in site.domains):
        fault = Fault(code="invalid", detail="must be an address on one of the site's domains", pointer="#/page")
        raise validation_problem([fault])
    parts = urlsplit(body.page)
    said = urlencode({PARAMETER: write_preview(asked.services.secret_key, site.id)})
    query = f"{parts.query}&{said}" if parts.query else said
    return PreviewAnswer(link=parts._replace(query=query).geturl(), valid_s=LIFE_S)
