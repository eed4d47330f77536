"""`/v1/sites`: web sites of clients, and what their snippet shows to whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, StrictBool, StrictInt, WithJsonSchema

from ..sites.model import Site
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .owners import ClientId, OwnedQuery, owner_of
from .paging import Listed, each, list_page
from .preconditions import check_match, tag_of
from .replies import Reply, created, found

#: What the writes of a draft are held against.
RULES = "/v1/sites/<uuid:site_id>/rules"

blueprint = APIBlueprint("sites", __name__, tag="Sites")

SiteName = Annotated[str, Field(min_length=1, max_length=120, examples=["Windows London"])]
Domains = Annotated[
    list[Annotated[str, Field(max_length=253)]],
    Field(
        min_length=1,
        max_length=50,
        description="Hosts of its pages; whatever lies below one belongs to it.",
        examples=[["shop.example"]],
    ),
]
EXAMPLE_RULES: dict[str, Any] = {
    "places": [{"name": "sales", "numbers": ["+442079460000"]}],
    "rules": [
        {"name": "press", "on": {"pages": ["/press/*"]}, "show": {"real": True}},
        {"name": "radio", "when": {"landing_paths": ["/radio"]}, "show": {"number_id": EXAMPLE_ID}},
    ],
}
#: The room of sites checks it and names every fault; here it is any object (docs/sites.md tells what it holds).
Rules = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "description": "`places`: where the pages show which numbers; `rules`: who is shown what instead "
            "(docs/sites.md).",
            "example": EXAMPLE_RULES,
        }
    ),
]


class SettingsIn(Body):
    """How a site treats its visitors; what is left out stays, or is as it is by default."""

    consent: Annotated[
        Literal["required", "assumed"],
        Field(default_factory=absent, description="required: nothing is kept in a browser until the page says yes."),
    ]
    privacy_signal: Annotated[
        StrictBool, Field(default_factory=absent, description="A browser's Global Privacy Control counts as a refusal.")
    ]
    address: Annotated[
        Literal["none", "truncated", "hashed"],
        Field(default_factory=absent, description="What is kept of a visitor's address."),
    ]
    visitor_days: Annotated[StrictInt, Field(default_factory=absent, ge=1, le=400)]
    visit_idle_min: Annotated[StrictInt, Field(default_factory=absent, ge=5, le=480)]
    follows: Annotated[
        list[Annotated[str, Field(max_length=253)]],
        Field(default_factory=absent, max_length=100, description="Hosts that refer nobody, such as a payment page."),
    ]
    iframes: Annotated[StrictBool, Field(default_factory=absent, description="Look into frames of the same origin.")]
    shadow: Annotated[StrictBool, Field(default_factory=absent, description="Look into open shadow roots.")]
    keep_width: Annotated[StrictBool, Field(default_factory=absent, description="A shown number keeps its width.")]


class SettingsAnswer(Answer):
    """How a site treats its visitors."""

    consent: Annotated[Literal["required", "assumed"], Field(examples=["required"])]
    privacy_signal: bool
    address: Annotated[Literal["none", "truncated", "hashed"], Field(examples=["truncated"])]
    visitor_days: Annotated[int, Field(examples=[90])]
    visit_idle_min: Annotated[int, Field(examples=[30])]
    follows: Annotated[list[str], Field(examples=[["pay.example"]])]
    iframes: bool
    shadow: bool
    keep_width: bool


class NewSite(Body):
    """A site to be made."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"client_id": EXAMPLE_ID, "name": "Windows London", "domains": ["shop.example"]}}
    )

    agency_id: AgencyId
    client_id: ClientId
    name: SiteName
    domains: Domains
    settings: Annotated[SettingsIn, Field(default_factory=SettingsIn)]


class SiteChange(Body):
    """A merge patch of a site; inside `settings` too."""

    model_config = ConfigDict(json_schema_extra={"example": {"settings": {"consent": "assumed"}}})

    name: Annotated[SiteName, Field(default_factory=absent)]
    domains: Annotated[Domains, Field(default_factory=absent)]
    status: Annotated[
        Literal["active", "suspended"],
        Field(default_factory=absent, description="suspended: its pages show what they show by themselves."),
    ]
    settings: Annotated[SettingsIn, Field(default_factory=absent)]


class SiteAnswer(Answer):
    """A web site of a client."""

    id: Id
    agency_id: Id
    client_id: Id
    name: SiteName
    token: Annotated[str, Field(description="What its snippet names.", examples=["k7w2m9x4p8qatz3v"])]
    domains: Domains
    settings: SettingsAnswer
    status: Literal["active", "suspended"]
    rules_version: Annotated[int, Field(description="Counts the publications.", examples=[3])]
    has_draft: bool
    created_at: Moment
    updated_at: Moment
    version: Version


class SiteList(Listed[SiteAnswer]):
    """A page of sites."""


class RulesIn(Body):
    """Rules to draft."""

    model_config = ConfigDict(json_schema_extra={"example": {"rules": EXAMPLE_RULES}})

    rules: Rules


class RulesAnswer(Answer):
    """Rules of a site: those that are live, and the draft where there is one."""

    live: Rules
    draft: Rules | None
    rules_version: Annotated[int, Field(description="Counts the publications.", examples=[3])]
    version: Version


def show(site: Site) -> SiteAnswer:
    members = {name: getattr(site, name) for name in SiteAnswer.model_fields.keys() - {"has_draft", "settings"}}
    return SiteAnswer(
        has_draft=site.rules_draft is not None, settings=SettingsAnswer.model_validate(dict(site.settings)), **members
    )


def _show_rules(site: Site) -> tuple[RulesAnswer, int, dict[str, str]]:
    answer = RulesAnswer(
        live=dict(site.rules_live),
        draft=None if site.rules_draft is None else dict(site.rules_draft),
        rules_version=site.rules_version,
        version=site.version,
    )
    return answer, 200, {"ETag": tag_of(site.version)}


@endpoint(blueprint, "POST", "/v1/sites", roles=EVERYBODY, body=NewSite, answer=SiteAnswer, status=201)
def create_site(asked: Asked, body: NewSite) -> Reply[SiteAnswer]:
    """Make a site

    Its pages go on showing what they show until rules are published.
    """
    made = asked.services.sites.create_site(
        asked.agency_id, owner_of(asked), body.name, body.domains, settings=body.settings.changes()
    )
    return created("/v1/sites", show(made))


@endpoint(blueprint, "GET", "/v1/sites", roles=EVERYBODY, query=OwnedQuery, answer=SiteList)
def list_sites(asked: Asked, query: OwnedQuery) -> Any:
    """List sites

    In the order in which they were made.
    """
    sites = asked.services.sites
    return list_page(
        asked,
        query,
        lambda limit, after: sites.list_sites(asked.agency_id, asked.client_id, limit=limit, after=after),
        each(show),
    )


@endpoint(blueprint, "GET", "/v1/sites/<uuid:site_id>", roles=EVERYBODY, answer=SiteAnswer)
def get_site(asked: Asked, site_id: UUID) -> Reply[SiteAnswer]:
    """Read a site"""
    return found(show(_site(asked, site_id)))


@endpoint(blueprint, "PATCH", "/v1/sites/<uuid:site_id>", roles=EVERYBODY, body=SiteChange, answer=SiteAnswer)
def change_site(asked: Asked, site_id: UUID, body: SiteChange) -> Reply[SiteAnswer]:
    """Change a site

    A JSON merge patch: what is left out stays. It holds for the next page that asks, within five seconds.
    """
    before = _site(asked, site_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    if "settings" in changes:
        changes["settings"] = changes["settings"].changes()
    changed = asked.services.sites.change_site(
        asked.agency_id, site_id, changes, client_id=asked.client_id, version=before.version
    )
    return found(show(changed))


@endpoint(blueprint, "DELETE", "/v1/sites/<uuid:site_id>", roles=EVERYBODY, status=204)
def delete_site(asked: Asked, site_id: UUID) -> Response:
    """Delete a site

    Its snippet does nothing any more, and its pages show what they show by themselves. Its visits stay.
    """
    asked.services.sites.delete_site(asked.agency_id, site_id, client_id=asked.client_id)
    return Response(status=204)


@endpoint(blueprint, "GET", RULES, roles=EVERYBODY, answer=RulesAnswer)
def get_site_rules(asked: Asked, site_id: UUID) -> Any:
    """Read a site's rules

    Those that are live, and the draft.
    """
    return _show_rules(_site(asked, site_id))


@endpoint(
    blueprint, "PUT", "/v1/sites/<uuid:site_id>/rules/draft", roles=EVERYBODY, body=RulesIn, answer=RulesAnswer,
    read_at=RULES,
)  # fmt: skip
def draft_site_rules(asked: Asked, site_id: UUID, body: RulesIn) -> Any:
    """Draft a site's rules

    What is live stays as it is. Every fault is answered with its place. `If-Match` may be sent.
    """
    before = _matched(asked, site_id)
    version = before.version if "If-Match" in request.headers else None
    return _show_rules(
        asked.services.sites.draft_rules(
            asked.agency_id, site_id, body.rules, client_id=asked.client_id, version=version
        )
    )


@endpoint(
    blueprint, "DELETE", "/v1/sites/<uuid:site_id>/rules/draft", roles=EVERYBODY, answer=RulesAnswer, read_at=RULES,
    problems=("version_mismatch",),
)  # fmt: skip
def discard_site_draft(asked: Asked, site_id: UUID) -> Any:
    """Discard a site's draft

    `If-Match` may be sent: then it is the draft that was read.
    """
    before = _matched(asked, site_id)
    version = before.version if "If-Match" in request.headers else None
    return _show_rules(
        asked.services.sites.discard_draft(asked.agency_id, site_id, client_id=asked.client_id, version=version)
    )


@endpoint(
    blueprint, "POST", "/v1/sites/<uuid:site_id>/rules/publish", roles=EVERYBODY, answer=RulesAnswer,
    problems=("version_mismatch",),
)  # fmt: skip
def publish_site_rules(asked: Asked, site_id: UUID) -> Any:
    """Publish a site's draft

    It is live for the next page that asks, within five seconds. `If-Match` may be sent: then it is the draft that was
    read.
    """
    before = _matched(asked, site_id)
    version = before.version if "If-Match" in request.headers else None
    return _show_rules(
        asked.services.sites.publish_rules(asked.agency_id, site_id, client_id=asked.client_id, version=version)
    )


def _site(asked: Asked, site_id: UUID) -> Site:
    return asked.services.sites.get_site(asked.agency_id, site_id, client_id=asked.client_id)


def _matched(asked: Asked, site_id: UUID) -> Site:
    before = _site(asked, site_id)
    check_match(request.headers, before.version, required=False)
    return before
