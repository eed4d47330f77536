"""SQL of what is told for reports: a client's settings, and what its advertising cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from ..db.tables import ad_spend, report_settings
from .model import ReportSettings, SpendRow, TargetRule

_VALUES = ("impressions", "clicks", "cost")


def find_settings(connection: Connection, agency_id: UUID, client_id: UUID) -> ReportSettings | None:
    columns = report_settings.c
    query = select(report_settings).where(columns.agency_id == agency_id, columns.client_id == client_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    target = TargetRule(
        answered=row.target_answered,
        min_talk_s=row.target_min_talk_s,
        min_score=row.target_min_score,
        tags_any=tuple(row.target_tags_any),
        tags_none=tuple(row.target_tags_none),
        without_spam=row.target_without_spam,
    )
    return ReportSettings(
        target=target,
        answer_norm_s=row.answer_norm_s,
        confidence=row.confidence,
        spam_from=row.spam_from,
        currency=row.currency,
        version=row.version,
    )


def put_settings(
    connection: Connection, agency_id: UUID, client_id: UUID, made: ReportSettings, *, version: int, now: datetime
) -> bool:
    """``version`` is the one that it replaces, 0 for none. False: another came first."""
    target = made.target
    values = {
        "target_answered": target.answered,
        "target_min_talk_s": target.min_talk_s,
        "target_min_score": target.min_score,
        "target_tags_any": list(target.tags_any),
        "target_tags_none": list(target.tags_none),
        "target_without_spam": target.without_spam,
        "answer_norm_s": made.answer_norm_s,
        "confidence": made.confidence,
        "spam_from": made.spam_from,
        "currency": made.currency,
        "version": version + 1,
        "updated_at": now,
    }
    statement = (
        insert(report_settings)
        .values(agency_id=agency_id, client_id=client_id, **values)
        .on_conflict_do_update(
            index_elements=["agency_id", "client_id"], set_=values, where=report_settings.c.version == version
        )
        .returning(report_settings.c.version)
    )
    return connection.execute(statement).first() is not None


def digest_of(row: SpendRow) -> bytes:
    """What tells one kind of advertising in one currency from another."""
    return hashlib.sha256(json.dumps([*row.words, row.currency], ensure_ascii=False).encode()).digest()


def find_spend(
    connection: Connection, agency_id: UUID, client_id: UUID, rows: Sequence[SpendRow]
) -> dict[tuple[Any, bytes], Mapping[str, Any]]:
    """What is known of the same days and advertising."""
    columns = ad_spend.c
    keys = [(row.day, digest_of(row)) for row in rows]
    query = select(ad_spend).where(
        columns.agency_id == agency_id, columns.client_id == client_id, tuple_(columns.day, columns.digest).in_(keys)
    )
    return {(row["day"], bytes(row["digest"])): dict(row) for row in connection.execute(query).mappings()}


def put_spend(
    connection: Connection, agency_id: UUID, client_id: UUID, rows: Sequence[SpendRow], now: datetime
) -> None:
    """A day's advertising that is told again replaces what was told of it."""
    values = [
        {
            "agency_id": agency_id,
            "client_id": client_id,
            "digest": digest_of(row),
            "imported_at": now,
            **{name: getattr(row, name) for name in SpendRow.__dataclass_fields__},
        }
        for row in rows
    ]
    statement = insert(ad_spend).values(values)
    changed = {name: statement.excluded[name] for name in (*_VALUES, "imported_at")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["agency_id", "client_id", "day", "digest"], set_=changed)
    )
