"""Calls by an attribution model: each is shared out over the sources that led to it, in millionths of a call, so that
sums are exact. Must not know how a model thinks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from ..attribution.comparing import share_out
from ..attribution.model import Source
from ..attribution.models import WHOLE, ModelName
from . import store
from .dictionary import SOURCE_DIMENSIONS
from .model import Key, Question

Credits = Mapping[Source | None, int]


def share_sums(
    connection: Connection, agency_id: UUID, client_id: UUID | None, question: Question, measures: Sequence[str]
) -> dict[Key, dict[str, int | Decimal]]:
    """As `store.add_up` of calls, by the question's model. Raises ModelRefused where there are too many calls."""
    assert question.model is not None
    of_client: dict[UUID, list[RowMapping]] = {}
    for row in store.find_rows(connection, agency_id, client_id, question, measures):
        of_client.setdefault(row["client_id"], []).append(row)
    sums: dict[Key, dict[str, int | Decimal]] = {}
    for client, rows in of_client.items():
        credits = _credits(connection, agency_id, client, question, question.model)
        for row in rows:
            _add(sums, question, row, credits[row["id"]])
    return {key: {name: Decimal(value) / WHOLE for name, value in of_group.items()} for key, of_group in sums.items()}


def _credits(
    connection: Connection, agency_id: UUID, client_id: UUID, question: Question, model: ModelName
) -> dict[UUID, Credits]:
    """With room on both sides for every time zone."""
    since = datetime.combine(question.first, time(), UTC) - timedelta(days=1)
    until = datetime.combine(question.last, time(), UTC) + timedelta(days=2)
    return dict(share_out(connection, agency_id, client_id, model, since, until))


def _add(sums: dict[Key, dict[str, int | Decimal]], question: Question, row: RowMapping, credits: Credits) -> None:
    added = [name for name in row if name in store.ROW_MEASURES or name.startswith("other_")]
    for source, credit in credits.items():
        words = source.as_dict() if source is not None else dict.fromkeys(SOURCE_DIMENSIONS)
        if not _passes(words, question):
            continue
        key = tuple(
            words[name] if name in SOURCE_DIMENSIONS else row[f"d{place}"] for place, name in enumerate(question.by)
        )
        of_group = sums.setdefault(key, dict.fromkeys(added, 0))
        for name in added:
            of_group[name] += row[name] * credit


def _passes(words: Mapping[str, str | None], question: Question) -> bool:
    return all(words[name] in values for name, values in question.filters.items() if name in SOURCE_DIMENSIONS)
