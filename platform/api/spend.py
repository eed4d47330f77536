"""`/v1/spend`: what advertising cost, as a system or a file tells it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from apiflask import APIBlueprint
from pydantic import ConfigDict, Field

from ..reports.model import SpendRow
from ..reports.service import LONGEST_WORD, MOST_COUNT, MOST_SPEND_ROWS
from .auth import EVERYBODY, Asked
from .endpoint import endpoint
from .fields import EXAMPLE_ID, AgencyId, Answer, Body
from .money import Amount
from .owners import ClientId, owner_of

blueprint = APIBlueprint("spend", __name__, tag="Reports")

Word = Annotated[str | None, Field(default=None, min_length=1, max_length=LONGEST_WORD)]
Count = Annotated[int, Field(default=0, ge=0, le=MOST_COUNT)]


class SpendBody(Body):
    """Of one kind of advertising on one day; a channel or a source is named, in the words that visits have."""

    day: Annotated[date, Field(examples=["2026-03-01"])]
    channel: Annotated[Word, Field(examples=["paid_search"])]
    source: Annotated[Word, Field(examples=["google"])]
    medium: Annotated[Word, Field(examples=["cpc"])]
    campaign: Annotated[Word, Field(examples=["spring"])]
    content: Word
    keyword: Word
    impressions: Annotated[Count, Field(examples=[12_400])]
    clicks: Annotated[Count, Field(examples=[310])]
    cost: Annotated[Amount, Field(max_digits=16, decimal_places=4, description="Decimal.", examples=["182.40"])]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["EUR"])]


class SpendListBody(Body):
    """Rows of one client."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": EXAMPLE_ID,
                "rows": [
                    {
                        "day": "2026-03-01", "channel": "paid_search", "source": "google", "campaign": "spring",
                        "impressions": 12400, "clicks": 310, "cost": "182.40", "currency": "EUR",
                    }
                ]
            }
        }
    )  # fmt: skip

    agency_id: AgencyId
    client_id: ClientId
    dry_run: Annotated[bool, Field(default=False, description="Only tell what would become of them.", examples=[False])]
    rows: Annotated[list[SpendBody], Field(min_length=1, max_length=MOST_SPEND_ROWS)]


class SpendAnswer(Answer):
    """What became of the rows."""

    new: Annotated[int, Field(description="Not told before.", examples=[1])]
    changed: Annotated[int, Field(description="Told otherwise before; now it is so.", examples=[0])]
    same: Annotated[int, Field(description="Told just so before.", examples=[0])]


@endpoint(blueprint, "POST", "/v1/spend", roles=EVERYBODY, body=SpendListBody, answer=SpendAnswer, deed="spend.taken")
def take_spend(asked: Asked, body: SpendListBody) -> SpendAnswer:
    """Tell what advertising cost

    All rows or none. A day's advertising that is told again (the same six words and currency) replaces what was told of
    it: a file may be sent as often as one likes.
    """
    rows = [SpendRow(**one.model_dump()) for one in body.rows]
    taken = asked.services.reports.take_spend(asked.agency_id, owner_of(asked), rows, dry_run=body.dry_run)
    return SpendAnswer(new=taken.new, changed=taken.changed, same=taken.same)
