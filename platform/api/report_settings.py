"""`/v1/clients/{id}/report-settings`: what the reports of a client go by."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import ConfigDict, Field

from ..reports.model import ReportSettings
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .errors import Problem
from .fields import Answer, Body, Version, absent
from .preconditions import check_match, tag_of
from .replies import Reply

blueprint = APIBlueprint("report_settings", __name__, tag="Reports")


class TargetRuleChange(Body):
    """A merge patch of the rule that tells target calls; null is the usual."""

    answered: Annotated[bool | None, Field(default=None, description="Only answered calls.", examples=[True])]
    min_talk_s: Annotated[int | None, Field(default=None, ge=0, le=86_400, examples=[30])]
    min_score: Annotated[int | None, Field(default=None, ge=0, le=100, description="Of the assessment.")]
    tags_any: Annotated[list[str] | None, Field(default=None, max_length=50, description="One of these tags.")]
    tags_none: Annotated[list[str] | None, Field(default=None, max_length=50, description="None of these tags.")]
    without_spam: Annotated[bool | None, Field(default=None, description="Not from `spam_from` on.", examples=[True])]


class ReportSettingsChange(Body):
    """A merge patch of what a client's reports go by; null is the usual."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"target": {"min_talk_s": 45, "tags_none": ["supplier"]}, "answer_norm_s": 15}}
    )

    target: Annotated[TargetRuleChange, Field(default_factory=absent)]
    answer_norm_s: Annotated[int | None, Field(default=None, ge=1, le=3600)]
    confidence: Annotated[float | None, Field(default=None, gt=0, le=1)]
    spam_from: Annotated[int | None, Field(default=None, ge=1, le=100)]
    currency: Annotated[str | None, Field(default=None, pattern="^[A-Z]{3}$")]


class TargetRuleAnswer(Answer):
    """Which calls a client wants: all that is set must hold."""

    answered: bool
    min_talk_s: Annotated[int, Field(examples=[30])]
    min_score: Annotated[int | None, Field(examples=[None])]
    tags_any: list[str]
    tags_none: list[str]
    without_spam: bool


class ReportSettingsAnswer(Answer):
    """What a client's reports go by."""

    target: TargetRuleAnswer
    answer_norm_s: Annotated[int, Field(description="An answer later than this is slow.", examples=[20])]
    confidence: Annotated[float, Field(description="A source of at least this probability is certain.", examples=[0.8])]
    spam_from: Annotated[int, Field(description="A spam score of at least this is spam.", examples=[70])]
    currency: Annotated[str, Field(description="Of reports that name none (ISO 4217).", examples=["EUR"])]
    version: Version


@endpoint(
    blueprint, "GET", "/v1/clients/<uuid:client_id>/report-settings", roles=EVERYBODY, answer=ReportSettingsAnswer,
)  # fmt: skip
def get_report_settings(asked: Asked, client_id: UUID) -> Reply[Any]:
    """Read what a client's reports go by"""
    _known(asked, client_id)
    return _reply(asked.services.reports.get_settings(asked.agency_id, client_id))


@endpoint(
    blueprint, "PATCH", "/v1/clients/<uuid:client_id>/report-settings", roles=EVERYBODY, body=ReportSettingsChange,
    answer=ReportSettingsAnswer,
)  # fmt: skip
def change_report_settings(asked: Asked, client_id: UUID, body: ReportSettingsChange) -> Reply[Any]:
    """Change what a client's reports go by

    A JSON merge patch, inside of `target` too. Reports of the past go by it at once: the records stay as they are.
    """
    _known(asked, client_id)
    before = asked.services.reports.get_settings(asked.agency_id, client_id)
    check_match(request.headers, before.version, required=True)
    changes = body.changes()
    if "target" in changes:
        changes["target"] = changes["target"].changes()
    return _reply(asked.services.reports.change_settings(asked.agency_id, client_id, changes, version=before.version))


def _known(asked: Asked, client_id: UUID) -> None:
    """Raises Problem (404) or ClientUnknown for a client that is not there, or somebody else's."""
    if asked.client_id not in {None, client_id}:
        raise Problem("not_found", "There is no such client.")
    asked.services.tenancy.get_client(asked.agency_id, client_id)


def _reply(found: ReportSettings) -> Reply[Any]:
    return ReportSettingsAnswer.model_validate(asdict(found)), 200, {"ETag": tag_of(found.version)}
