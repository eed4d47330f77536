"""`/v1/report-subscriptions`: who gets which report by e-mail, and the way out that stands in every letter."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ..reports.errors import LinkInvalid
from ..reports.subscription_model import Subscription, SubscriptionValues
from ..reports.texts import say
from .auth import EVERYBODY, Asked
from .endpoint import endpoint, public, services
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment, Version, absent
from .owners import OwnedQuery
from .paging import Listed, each, list_page
from .preconditions import check_match
from .replies import Reply, created, found
from .reporting import language_of

blueprint = APIBlueprint("report_subscriptions", __name__, tag="Reports")

Client = Annotated[UUID | None, Field(description="null: all clients of the agency.", examples=[EXAMPLE_ID])]
Kind = Annotated[Literal["daily", "weekly", "monthly"], Field(examples=["weekly"])]
Hour = Annotated[
    StrictInt,
    Field(ge=0, le=23, description="Where the person is; weekly on Mondays, monthly on the first day.", examples=[8]),
]
Zone = Annotated[str, Field(max_length=64, description="IANA name of the hour's zone.", examples=["Europe/Berlin"])]
LetterLanguage = Annotated[
    Literal["en", "ru"] | None, Field(description="null: the person's own, or the brand's.", examples=["en"])
]
Files = Annotated[
    list[Literal["pdf", "xlsx"]], Field(max_length=2, description="That are attached.", examples=[["pdf", "xlsx"]])
]


class NewReportSubscription(Body):
    """A subscription to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "user_id": EXAMPLE_ID, "client_id": EXAMPLE_ID, "kind": "weekly", "hour": 8,
                "time_zone": "Europe/Berlin", "files": ["pdf"],
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    client_id: Annotated[Client, Field(default=None)]
    user_id: Annotated[UUID, Field(description="Who gets it: somebody who signs in here.", examples=[EXAMPLE_ID])]
    kind: Kind
    hour: Annotated[Hour, Field(default=8)]
    time_zone: Annotated[Zone, Field(default="UTC")]
    language: Annotated[LetterLanguage, Field(default=None)]
    files: Annotated[Files, Field(default_factory=list)]
    enabled: Annotated[StrictBool, Field(default=True)]


class ReportSubscriptionChange(Body):
    """A merge patch. The person and the client stay."""

    model_config = ConfigDict(json_schema_extra={"example": {"hour": 7, "enabled": True}})

    kind: Annotated[Kind, Field(default_factory=absent)]
    hour: Annotated[Hour, Field(default_factory=absent)]
    time_zone: Annotated[Zone, Field(default_factory=absent)]
    language: Annotated[LetterLanguage, Field(default=None)]
    files: Annotated[Files, Field(default_factory=absent)]
    enabled: Annotated[StrictBool, Field(default_factory=absent)]


class ReportSubscriptionAnswer(Answer):
    """Who gets which report."""

    id: Id
    agency_id: Id
    client_id: Client
    user_id: Id
    kind: Kind
    hour: Hour
    time_zone: Zone
    language: LetterLanguage
    files: Files
    enabled: Annotated[bool, Field(description="false: nothing is sent, as after the way out of a letter.")]
    next_at: Annotated[Moment, Field(description="Of the next letter, where `enabled`.")]
    last_sent_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: Version


class ReportSubscriptionList(Listed[ReportSubscriptionAnswer]):
    """In the order in which they were made."""


def _show(one: Subscription) -> ReportSubscriptionAnswer:
    own = {name: getattr(one, name) for name in Subscription.__dataclass_fields__ if name not in {"values", "secret"}}
    values = {name: getattr(one.values, name) for name in SubscriptionValues.__dataclass_fields__}
    return ReportSubscriptionAnswer(**own, **values | {"files": list(one.values.files)})


def _person(asked: Asked) -> UUID | None:
    """Whose subscriptions are meant: of who may change the people, everybody's; else one's own."""
    principal = asked.principal
    return principal.key_id if principal.kind == "user" and "people.write" not in principal.permissions else None


@endpoint(
    blueprint, "POST", "/v1/report-subscriptions", roles=EVERYBODY, permission="calls.read",
    body=NewReportSubscription, answer=ReportSubscriptionAnswer, status=201,
)  # fmt: skip
def create_report_subscription(asked: Asked, body: NewReportSubscription) -> Reply[ReportSubscriptionAnswer]:
    """Subscribe to a report

    The daily, weekly or monthly report of the last days that are over, by e-mail, in the person's language and at an
    hour where the person is. Whoever may not change the agency's people subscribes himself only. Nobody is sent what he
    could not look at.
    """
    own = _person(asked)
    values = SubscriptionValues(
        **body.model_dump(exclude={"agency_id", "files", "client_id", "user_id"}),
        client_id=asked.client_id if asked.client_id is not None else body.client_id,
        user_id=own or body.user_id,
        files=tuple(body.files),
    )
    made = asked.services.report_subscriptions.create(asked.agency_id, asked.client_id, values)
    return created("/v1/report-subscriptions", _show(made))


@endpoint(
    blueprint, "GET", "/v1/report-subscriptions", roles=EVERYBODY, permission="calls.read", query=OwnedQuery,
    answer=ReportSubscriptionList,
)  # fmt: skip
def list_report_subscriptions(asked: Asked, query: OwnedQuery) -> Any:
    """List subscriptions of reports

    One's own; of who may change the agency's people, everybody's.
    """
    return list_page(
        asked,
        query,
        lambda limit, after: asked.services.report_subscriptions.list_all(
            asked.agency_id, asked.client_id, _person(asked), limit=limit, after=after
        ),
        each(_show),
    )


@endpoint(
    blueprint, "GET", "/v1/report-subscriptions/<uuid:subscription_id>", roles=EVERYBODY, permission="calls.read",
    answer=ReportSubscriptionAnswer,
)  # fmt: skip
def get_report_subscription(asked: Asked, subscription_id: UUID) -> Reply[ReportSubscriptionAnswer]:
    """Read a subscription of a report"""
    subscriptions = asked.services.report_subscriptions
    return found(_show(subscriptions.get(asked.agency_id, asked.client_id, _person(asked), subscription_id)))


@endpoint(
    blueprint, "PATCH", "/v1/report-subscriptions/<uuid:subscription_id>", roles=EVERYBODY, permission="calls.read",
    body=ReportSubscriptionChange, answer=ReportSubscriptionAnswer,
)  # fmt: skip
def change_report_subscription(
    asked: Asked, subscription_id: UUID, body: ReportSubscriptionChange
) -> Reply[ReportSubscriptionAnswer]:
    """Change a subscription of a report

    A JSON merge patch: what is left out stays.
    """
    subscriptions = asked.services.report_subscriptions
    before = subscriptions.get(asked.agency_id, asked.client_id, _person(asked), subscription_id)
    check_match(request.headers, before.version, required=True)
    changed = subscriptions.change(
        asked.agency_id, asked.client_id, _person(asked), subscription_id, body.changes(), version=before.version
    )
    return found(_show(changed))


@endpoint(
    blueprint, "DELETE", "/v1/report-subscriptions/<uuid:subscription_id>", roles=EVERYBODY, permission="calls.read",
    status=204,
)  # fmt: skip
def delete_report_subscription(asked: Asked, subscription_id: UUID) -> Response:
    """Remove a subscription of a report"""
    asked.services.report_subscriptions.delete(asked.agency_id, asked.client_id, _person(asked), subscription_id)
    return Response(status=204)


@endpoint(
    blueprint, "POST", "/v1/report-subscriptions/<uuid:subscription_id>/send", roles=EVERYBODY,
    permission="calls.read", answer=ReportSubscriptionAnswer, status=202, deed="report_subscription.sent",
)  # fmt: skip
def send_report_subscription(asked: Asked, subscription_id: UUID) -> tuple[ReportSubscriptionAnswer, int]:
    """Send a subscribed report now

    Of the last days that are over; the hour of the next one stays.
    """
    subscriptions = asked.services.report_subscriptions
    return _show(subscriptions.send_now(asked.agency_id, asked.client_id, _person(asked), subscription_id)), 202


@public(
    blueprint,
    "/v1/report-subscriptions/way-out",
    summary="A page that asks whether no more letters are wanted",
    answers={200: "A page with one button, which sends the form to this address."},
    media_types=("text/html",),
)
def ask_way_out() -> Response:
    return _page("Do you want no more of these letters?", button=True)


@public(
    blueprint,
    "/v1/report-subscriptions/way-out",
    method="POST",
    summary="End a subscription by the link of a letter",
    answers={200: "Nothing is sent any more.", 404: "The link is none of ours."},
    media_types=("text/html",),
    refusals="text/html",
)
def take_way_out() -> Response:
    try:
        services().report_subscriptions.unsubscribe(request.args.get("token", ""))
    except LinkInvalid:
        return _page("This link is none of ours.", status=404)
    return _page("No more letters of this report are sent.")


def _page(text: str, *, button: bool = False, status: int = 200) -> Response:
    """A page that needs no script and no style of ours. The form goes to the address that it stands at."""
    language = language_of(None)
    form = f'<form method="post"><button>{escape(say("No more of these letters", language))}</button></form>'
    made = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(say(text, language))}</title></head>'
        f"<body><main><h1>{escape(say(text, language))}</h1>{form if button else ''}</main></body></html>"
    )
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; form-action 'self'"}
    return Response(made, status=status, mimetype="text/html", headers=headers)
