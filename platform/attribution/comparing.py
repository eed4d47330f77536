"""Several models side by side for the same calls. What is asked twice with the same `as_of` is answered with the same
bytes: calls, attributions and touches are read as they stood at that moment, credits are whole millionths, and rows
have one order. Must not know HTTP.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ..db.engine import Database
from . import learn_store
from .errors import ModelRefused
from .model import SOURCE_FIELDS, Source, source_of
from .models import MODELS, WHOLE, ModelName, Path, Rules, Touch, credits_of

PAGE = 1_000
#: Calls of one comparison.
MOST_CALLS = 200_000
#: Of these methods the source is known, and no path of visits led to it.
_SOURCE_ALONE = frozenset({"number", "self_reported"})
_FIRST = (datetime(1, 1, 1, tzinfo=UTC), uuid.UUID(int=0))
_LAST = datetime(9999, 1, 1, tzinfo=UTC)

DEFAULT_RULES = Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is compared."""

    since: datetime
    until: datetime
    as_of: datetime
    models: tuple[ModelName, ...] = MODELS
    rules: Rules = DEFAULT_RULES
    group_by: tuple[str, ...] = ("channel", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One group: its words (None: not known) and its credit by model, in millionths of a call."""

    group: Mapping[str, str | None]
    credits: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``is_complete``: nothing of these calls is still to be done; only then the same question has the same answer for
    ever. ``fit_ids``: what the data-driven model goes by, for each client of which something was measured.
    ``digest``: SHA-256 of the lines, to compare answers by."""

    question: Question
    calls: int
    is_complete: bool
    fit_ids: tuple[uuid.UUID, ...]
    lines: tuple[Line, ...]
    digest: str


def compare(database: Database, agency_id: uuid.UUID, client_id: uuid.UUID | None, question: Question) -> Comparison:
    """``client_id`` None: all clients of the agency. Raises ModelRefused where the span holds too many calls, or a word
    is none to group by."""
    unknown = [word for word in question.group_by if word not in SOURCE_FIELDS]
    if unknown or not question.group_by:
        wrong = ", ".join(unknown) or "nothing"
        raise ModelRefused(f"group by one or more of {', '.join(SOURCE_FIELDS)}, not by {wrong}")
    with database.tenant(agency_id, client_id) as connection:
        clients = [client_id] if client_id is not None else learn_store.find_clients(connection, agency_id)
    sums: dict[tuple[str | None, ...], dict[str, int]] = {}
    fits: list[uuid.UUID] = []
    calls = left = 0
    for one in clients:
        with database.tenant(agency_id, one) as connection:
            fit = learn_store.fit_at(connection, agency_id, one, "channels", question.as_of)
            left += learn_store.count_open(connection, agency_id, one, question.since, question.until)
        fits += [fit["id"]] if fit else []
        rules = _with_weights(question.rules, fit)
        for page in _pages(database, agency_id, one, question):
            calls += len(page)
            if calls > MOST_CALLS:
                raise ModelRefused(f"at most {MOST_CALLS} calls at a time: ask for a shorter span")
            for call, paths in page:
                _add(sums, question, rules, call, paths)
    lines = tuple(
        Line(group=dict(zip(question.group_by, key, strict=True)), credits=sums[key])
        for key in sorted(sums, key=lambda key: tuple((word is None, word or "") for word in key))
    )
    return Comparison(
        question=question,
        calls=calls,
        is_complete=left == 0,
        fit_ids=tuple(fits),
        lines=lines,
        digest=_digest(lines),
    )


def share_out(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    model: ModelName,
    since: datetime,
    until: datetime,
    rules: Rules = DEFAULT_RULES,
) -> Iterator[tuple[uuid.UUID, Mapping[Source | None, int]]]:
    """Each call of a client, as the connection's transaction sees it, with its credit by source in millionths of it.
    Raises ModelRefused where the span holds too many calls."""
    question = Question(since=since, until=until, as_of=_LAST, models=(model,), rules=rules)
    weighted = _with_weights(rules, learn_store.fit_at(connection, agency_id, client_id, "channels", _LAST))
    calls, after = 0, _FIRST
    while True:
        page, last = _page(connection, agency_id, client_id, question, after)
        calls += len(page)
        if calls > MOST_CALLS:
            raise ModelRefused(f"at most {MOST_CALLS} calls at a time: ask for a shorter span")
        for call, paths in page:
            yield call["call_id"], credits_of(model, paths, call["started_at"], weighted)
        if last is None:
            return
        after = last


def _with_weights(rules: Rules, fit: Mapping[str, Any] | None) -> Rules:
    weights = dict(fit["parameters"].get("removal_effects", {})) if fit else {}
    return Rules(
        window_days=rules.window_days,
        view_through_days=rules.view_through_days,
        half_life_days=rules.half_life_days,
        channel_weights=weights,
    )


def _add(
    sums: dict[tuple[str | None, ...], dict[str, int]],
    question: Question,
    rules: Rules,
    call: Mapping[str, Any],
    paths: Sequence[Path],
) -> None:
    for model in question.models:
        for source, credit in credits_of(model, paths, call["started_at"], rules).items():
            words = source.as_dict() if source is not None else {}
            key = tuple(words.get(name) for name in question.group_by)
            of_group = sums.setdefault(key, dict.fromkeys(question.models, 0))
            of_group[model] += credit


def _pages(
    database: Database, agency_id: uuid.UUID, client_id: uuid.UUID, question: Question
) -> Iterator[list[tuple[Mapping[str, Any], list[Path]]]]:
    after: tuple[datetime, uuid.UUID] | None = _FIRST
    while after is not None:
        with database.tenant(agency_id, client_id) as connection:
            page, after = _page(connection, agency_id, client_id, question, after)
        if page:
            yield page


def _page(
    connection: Connection,
    agency_id: uuid.UUID,
    client_id: uuid.UUID,
    question: Question,
    after: tuple[datetime, uuid.UUID],
) -> tuple[list[tuple[Mapping[str, Any], list[Path]]], tuple[datetime, uuid.UUID] | None]:
    """Some calls with their paths, and after which the next ones come; None: there are none."""
    rows = learn_store.find_compared(
        connection, agency_id, client_id, since=question.since, until=question.until, as_of=question.as_of,
        after=after, most=PAGE,
    )  # fmt: skip
    found = paths_of_calls(connection, agency_id, rows)
    last = (rows[-1]["started_at"], rows[-1]["call_id"]) if len(rows) == PAGE else None
    return [(row, found[row["call_id"]]) for row in rows], last


def paths_of_calls(
    connection: Connection, agency_id: uuid.UUID, rows: Sequence[Mapping[str, Any]]
) -> dict[uuid.UUID, list[Path]]:
    """Call → the paths that its attribution knows."""
    revisions = {row["call_id"]: row["revision"] for row in rows}
    grouped: dict[uuid.UUID, dict[int, list[Mapping[str, Any]]]] = {}
    for touch in learn_store.find_touches(connection, agency_id, list(revisions)):
        if touch["revision"] == revisions[touch["call_id"]]:
            grouped.setdefault(touch["call_id"], {}).setdefault(touch["path"], []).append(touch)
    return {row["call_id"]: _paths(row, grouped.get(row["call_id"], {})) for row in rows}


def _paths(row: Mapping[str, Any], paths: Mapping[int, Sequence[Mapping[str, Any]]]) -> list[Path]:
    source = source_of(row)
    if row["method"] in _SOURCE_ALONE or (row["method"] == "manual" and row["visit_id"] is None):
        # The number's source, or what somebody says, is the one touch that is known.
        share = row["source_probability"] if row["source_probability"] is not None else 1.0
        return (
            [Path(touches=[Touch(at=row["started_at"], source=source)], probability=share)] if source.is_known else []
        )
    return [
        Path(touches=[_touch(one) for one in touches], probability=touches[0]["probability"])
        for _, touches in sorted(paths.items())
    ]


def _touch(row: Mapping[str, Any]) -> Touch:
    return Touch(
        at=row["touched_at"], source=source_of(row), kind=row["kind"], is_lead=row["is_lead"], visit_id=row["visit_id"]
    )


def _digest(lines: Sequence[Line]) -> str:
    plain = [{"group": dict(line.group), "credits": dict(line.credits)} for line in lines]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def in_calls(credit: int) -> float:
    """Millionths as calls."""
    return credit / WHOLE
