"""Where visits come from: a client's own rules for it, and a look at what an address would be taken for."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field, WithJsonSchema

from ..sites.classify import classify
from ..sites.model import SourceRules
from ..sites.source_rules import read_source_rules
from ..sites.sources import source_book
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import EXAMPLE_ID, AgencyId, Answer, Body, Id, Moment
from .owners import ClientId, owner_of
from .preconditions import tag_of

blueprint = APIBlueprint("sources", __name__, tag="Sites")

EXAMPLE_SOURCE_RULES: list[Any] = [
    {
        "name": "bank",
        "when": {"parameters": {"partner": ["bank-1"]}},
        "set": {"channel": "partner", "source": "bank-1", "campaign": {"parameter": "offer"}},
    }
]
RuleList = Annotated[
    list[Any],
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "object"},
            "description": "The first rule that fits counts (docs/sites.md).",
            "example": EXAMPLE_SOURCE_RULES,
        }
    ),
]


class SourceRulesIn(Body):
    """A client's own rules for telling sources."""

    model_config = ConfigDict(json_schema_extra={"example": {"rules": EXAMPLE_SOURCE_RULES}})

    agency_id: AgencyId
    rules: RuleList


class SourceRulesAnswer(Answer):
    """A client's own rules for telling sources; they go before all others."""

    client_id: Id
    rules: RuleList
    updated_at: Moment | None
    version: Annotated[int, Field(description="0: none were ever made.", examples=[1])]


class ToClassify(Body):
    """A landing page and who referred."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "landing_page": "https://shop.example/?gclid=Cj0KCQ&utm_campaign=spring",
                "referrer": "https://www.google.com/",
            }
        }
    )

    agency_id: AgencyId
    client_id: ClientId
    landing_page: Annotated[str, Field(max_length=4000, examples=["https://shop.example/?gclid=Cj0KCQ"])]
    referrer: Annotated[str | None, Field(default=None, max_length=4000, examples=["https://www.google.com/"])]
    rules: Annotated[
        RuleList | None, Field(default=None, description="To try instead of the client's own; null: the client's own.")
    ]


class SourceAnswer(Answer):
    """Where a visit came from."""

    channel: Annotated[str, Field(examples=["paid_search"])]
    source: Annotated[str, Field(examples=["google"])]
    medium: Annotated[str | None, Field(examples=["cpc"])]
    campaign: Annotated[str | None, Field(examples=["spring"])]
    content: Annotated[str | None, Field(examples=[None])]
    keyword: Annotated[str | None, Field(examples=["windows london"])]
    click_ids: Annotated[dict[str, str], Field(examples=[{"gclid": "Cj0KCQ"}])]
    classified_by: Annotated[str, Field(description="The rule that told it.", examples=["click_id:gclid"])]


@endpoint(blueprint, "GET", "/v1/clients/<uuid:client_id>/source-rules", roles=EVERYBODY, answer=SourceRulesAnswer)
def get_source_rules(asked: Asked, client_id: UUID) -> Any:
    """Read a client's own rules for sources"""
    _own_client(asked, client_id)
    return _show_source_rules(asked.services.sites.get_source_rules(asked.agency_id, client_id))


@endpoint(
    blueprint, "PUT", "/v1/clients/<uuid:client_id>/source-rules", roles=EVERYBODY, body=SourceRulesIn,
    answer=SourceRulesAnswer, problems=("version_mismatch",),
)  # fmt: skip
def put_source_rules(asked: Asked, client_id: UUID, body: SourceRulesIn) -> Any:
    """Set a client's own rules for sources

    They go before all others, for visits that begin from now on. `If-Match` may be sent.
    """
    _own_client(asked, client_id)
    before = asked.services.sites.get_source_rules(asked.agency_id, client_id)
    version = before.version if "If-Match" in request.headers else None
    return _show_source_rules(
        asked.services.sites.put_source_rules(asked.agency_id, client_id, body.rules, version=version)
    )


@endpoint(
    blueprint, "POST", "/v1/sources/classify",
    roles=EVERYBODY, keeps_nothing=True, permission="sites.read", body=ToClassify,
    answer=SourceAnswer,
)  # fmt: skip
def classify_source(asked: Asked, body: ToClassify) -> SourceAnswer:
    """Tell a source

    What a visit with this landing page and referrer would be taken for. Keeps nothing.
    """
    owner = owner_of(asked)
    if body.rules is not None:
        rules = read_source_rules(body.rules)
    else:
        rules = read_source_rules(list(asked.services.sites.get_source_rules(asked.agency_id, owner).rules))
    return SourceAnswer.model_validate(classify(body.landing_page, body.referrer, book=source_book(), own_rules=rules))


def _show_source_rules(rules: SourceRules) -> tuple[SourceRulesAnswer, int, dict[str, str]]:
    answer = SourceRulesAnswer(
        client_id=rules.client_id, rules=list(rules.rules), updated_at=rules.updated_at, version=rules.version
    )
    return answer, 200, {"ETag": tag_of(rules.version)}


def _own_client(asked: Asked, client_id: UUID) -> None:
    """Raises Problem (404) or ClientUnknown."""
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    asked.services.tenancy.get_client(asked.agency_id, client_id)
