"""What comes back from another system: a deal that was won there becomes the sale of the call that it came from, and a
stage may tag the call. Pure. Must not know any system.

A sale that somebody else has set on the call is left as it is: ours is known by its reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ..assessments.model import LONGEST_TAG, Assessment
from .model import Values

#: Deals that one look asks for at most.
MOST_READ = 500


class SalesSettings(Values):
    """What is read back, where a system has deals."""

    read_sales: Annotated[
        bool,
        Field(
            default=False,
            description="Whether deals of leads that we made come back: one that is won becomes its call's sale.",
        ),
    ]
    sold_stages: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(
            default_factory=list, max_length=100,
            description="Stages at which a deal is sold; none: at the stage that the other side itself calls won.",
            examples=[["C1:WON"]],
        ),
    ]  # fmt: skip
    tags_by_stage: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)]],
        Field(
            default_factory=dict, max_length=100,
            description="By a stage: a tag that a call gets when its deal comes there. Target calls may go by tags.",
            examples=[{"C1:PREPARATION": "qualified"}],
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """What a deal came from: something that we made, by its name in the journal and its id there."""

    name: str
    remote_id: str
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A deal as the other system has it now. ``call_id``: our id, where the deal itself carries it."""

    reference: str
    changed_at: datetime
    stage: str
    is_won: bool
    amount: Decimal
    currency: str
    sold_at: datetime | None = None
    call_id: UUID | None = None
    origins: Sequence[Origin] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where it was read: what changed at ``since`` or later is next, but for ``skip`` of them."""

    since: datetime
    skip: int = 0


def next_mark(mark: Mark, deals: Sequence[Deal], *, is_last: bool) -> Mark:
    """After a page, oldest change first. Those of its last moment are read again: more may have changed in it."""
    latest = max((one.changed_at for one in deals), default=mark.since)
    if latest > mark.since:
        return Mark(latest)
    return Mark(mark.since, 0 if is_last else mark.skip + len(deals))


def patch_of(before: Assessment, deal: Deal, settings: SalesSettings) -> dict[str, Any]:
    """What a deal changes of what is said of its call; empty: nothing."""
    patch: dict[str, Any] = {}
    tag = settings.tags_by_stage.get(deal.stage)
    if tag is not None and tag not in before.tags:
        patch["tags"] = [*before.tags, tag]
    is_ours = before.sale is not None and before.sale.reference == deal.reference
    is_sold = deal.stage in settings.sold_stages if settings.sold_stages else deal.is_won
    if is_sold and (is_ours or before.sale is None):
        patch["sale"] = {
            "amount": deal.amount, "currency": deal.currency, "sold_at": deal.sold_at, "reference": deal.reference,
        }  # fmt: skip
    elif is_ours and not is_sold:
        patch["sale"] = None
    return patch


def mark_of(values: Mapping[str, Any]) -> Mark:
    """As it is kept."""
    return Mark(datetime.fromisoformat(values["since"]), int(values.get("skip", 0)))
