"""`/v1/visits`: who came to a client's sites, from where, and what they pressed."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..sites.model import TelClick, Visit
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, Answer, Id, Moment, MomentIn
from .owners import OwnedQuery
from .paging import Listed, each, list_page
from .sources import SourceAnswer

blueprint = APIBlueprint("visits", __name__, tag="Sites")


class VisitAnswer(SourceAnswer):
    """A browsing session of one visitor on a site."""

    id: Id
    agency_id: Id
    client_id: Id
    site_id: Id
    visitor_id: Annotated[UUID, Field(description="Of whoever refused: of this visit alone.", examples=[EXAMPLE_ID])]
    started_at: Moment
    last_seen_at: Moment
    left_at: Moment | None
    landing_page: Annotated[
        str, Field(description="Without parameters that say nothing of a source.", examples=["https://shop.example/"])
    ]
    referrer: Annotated[str | None, Field(examples=["https://www.google.com/"])]
    device: Annotated[Literal["desktop", "mobile", "tablet", "bot", "other"], Field(examples=["mobile"])]
    region: Annotated[str | None, Field(examples=["GB"])]
    consent: Literal["given", "refused", "not_asked"]
    pages: Annotated[int, Field(examples=[3])]
    rules_version: Annotated[int, Field(examples=[1])]
    is_bot: bool
    is_preview: bool
    analytics_ids: Annotated[
        dict[str, Any],
        Field(
            description="Who the visitor is to analytics systems, with consent only: `ga` the client id of Google "
            "Analytics, `ga_sessions` its sessions by stream, `ym` the client id of Yandex.Metrica.",
            examples=[{"ga": "1000000001.1787200000", "ga_sessions": {"ABC123DEF4": "1787209900"}}],
        ),
    ]


class TelClickAnswer(Answer):
    """A telephone link was pressed."""

    number_id: Annotated[UUID | None, Field(description="null: of a number that is not the client's.")]
    clicked_at: Moment


class OneVisitAnswer(VisitAnswer):
    """A visit with what was pressed in it."""

    tel_clicks: list[TelClickAnswer]


class VisitList(Listed[VisitAnswer]):
    """A page of visits."""


class VisitQuery(OwnedQuery):
    """Filters of the list of visits."""

    site_id: Annotated[UUID | None, Field(default=None, examples=[EXAMPLE_ID])]
    visitor_id: Annotated[UUID | None, Field(default=None, examples=[EXAMPLE_ID])]
    channel: Annotated[str | None, Field(default=None, max_length=40, examples=["paid_search"])]
    source: Annotated[str | None, Field(default=None, max_length=300, examples=["google"])]
    bots: Annotated[Literal["leave_out", "include"], Field(default="leave_out")]
    since: Annotated[MomentIn | None, Field(default=None)]
    until: Annotated[MomentIn | None, Field(default=None)]


def _members(visit: Visit) -> dict[str, Any]:
    said = {name: getattr(visit.source, name) for name in SourceAnswer.model_fields}
    own = {name: getattr(visit, name) for name in VisitAnswer.model_fields.keys() - said.keys()}
    return {**own, **said}


def show(visit: Visit) -> VisitAnswer:
    return VisitAnswer(**_members(visit))


def _show_click(click: TelClick) -> TelClickAnswer:
    return TelClickAnswer.model_validate(click)


@endpoint(blueprint, "GET", "/v1/visits", roles=EVERYBODY, query=VisitQuery, answer=VisitList)
def list_visits(asked: Asked, query: VisitQuery) -> Any:
    """List visits

    The newest first.
    """
    named = ("site_id", "visitor_id", "channel", "source")
    wanted = {name: getattr(query, name) for name in named if getattr(query, name) is not None}
    if query.bots == "leave_out":
        wanted["is_bot"] = False
    visits = asked.services.visits
    return list_page(
        asked,
        query,
        lambda limit, after: visits.list_visits(
            asked.agency_id, asked.client_id, wanted=wanted, since=query.since, until=query.until, limit=limit,
            after=after,
        ),
        each(show),
    )  # fmt: skip


@endpoint(blueprint, "GET", "/v1/visits/<uuid:visit_id>", roles=EVERYBODY, answer=OneVisitAnswer)
def get_visit(asked: Asked, visit_id: UUID) -> OneVisitAnswer:
    """Read a visit"""
    visits = asked.services.visits
    visit = visits.get_visit(asked.agency_id, visit_id, client_id=asked.client_id)
    clicks = visits.list_clicks(asked.agency_id, visit_id, client_id=asked.client_id)
    return OneVisitAnswer(**_members(visit), tel_clicks=[_show_click(click) for click in clicks])
