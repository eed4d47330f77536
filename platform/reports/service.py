"""Use cases of reports: answer a question, list whom nobody called back, keep a client's settings and its spend.

Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..attribution.models import ModelName
from ..clock import Clock
from ..db.engine import Database
from ..paging import Page, cut
from . import said_store, store
from .adding import Sums, both_sums
from .dictionary import MEASURES, METRICS, SOURCE_DIMENSIONS
from .errors import SettingsRefused, SpendRefused, VersionMismatch
from .model import (
    Compare,
    Key,
    Line,
    MissedCaller,
    Question,
    Report,
    ReportCall,
    ReportSettings,
    SpendRow,
    TargetRule,
    figures_of,
)
from .named import RECIPES, Kind, NamedReport, Section, compared_days, days_of, question_of

MOST_SPEND_ROWS, LONGEST_WORD = 1_000, 500
MOST_COST, MOST_COUNT = Decimal("999999999999.9999"), 2**53
#: All figures of one report come from one state of the database.
_ONE_STATE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SPEND_VALUES = ("impressions", "clicks", "cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendTaken:
    """What became of rows of spend."""

    new: int
    changed: int
    same: int


class ReportService:
    """The reports of one database. ``client_id`` None stands for all clients of the agency."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def answer(self, agency_id: UUID, client_id: UUID | None, question: Question) -> Report:
        """All figures of one report come from one state of the database."""
        with self._database.tenant(agency_id, client_id) as connection:
            connection.exec_driver_sql(_ONE_STATE)
            return _answer(connection, agency_id, client_id, question)

    def make_named(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        kind: Kind,
        day: date,
        *,
        compare: Compare = "previous",
        compare_day: date | None = None,
        currency: str | None = None,
        filters: Mapping[str, tuple[str | None, ...]] | None = None,
        model: ModelName | None = None,
        most_missed: int = 100,
    ) -> NamedReport:
        """The report of the day, the week or the month in which ``day`` lies. ``currency`` None: the client's own."""
        first, last = days_of(kind, day)
        compared = compared_days(kind, first, compare, compare_day)
        passing = dict(filters or {})
        with self._database.tenant(agency_id, client_id) as connection:
            connection.exec_driver_sql(_ONE_STATE)
            settings = said_store.find_settings(connection, agency_id, client_id) if client_id is not None else None
            settings = settings or ReportSettings()
            money = currency or settings.currency
            sections = [
                Section(
                    name=recipe.name,
                    title=recipe.title,
                    report=_answer(
                        connection,
                        agency_id,
                        client_id,
                        question_of(recipe, first, last, compared, money, passing, model),
                    ),
                )
                for recipe in RECIPES[kind]
            ]
            days = Question(first=first, last=last, metrics=("calls",), filters=passing)
            missed = store.find_missed(connection, agency_id, client_id, days, most_missed) if kind == "daily" else []
        return NamedReport(
            kind=kind,
            first=first,
            last=last,
            compared=compared,
            currency=money,
            sections=sections,
            missed=[MissedCaller(**row) for row in missed],
            answer_norm_s=settings.answer_norm_s if client_id is not None else None,
            model=model,
        )

    def list_calls(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        question: Question,
        most: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> Page[ReportCall]:
        """The calls that `calls` of this question counts, the latest first."""
        with self._database.tenant(agency_id, client_id) as connection:
            rows = store.find_calls(connection, agency_id, client_id, question, most + 1, after)
        return cut([ReportCall(**row) for row in rows], most, "started_at", "id")

    def find_missed(
        self, agency_id: UUID, client_id: UUID | None, first: date, last: date, most: int
    ) -> list[MissedCaller]:
        """Who was missed on these days and has not been spoken with since: no later answered call of theirs, and nobody
        tagged the call `called back`."""
        days = Question(first=first, last=last, metrics=("calls",))
        with self._database.tenant(agency_id, client_id) as connection:
            return [MissedCaller(**row) for row in store.find_missed(connection, agency_id, client_id, days, most)]

    def get_settings(self, agency_id: UUID, client_id: UUID) -> ReportSettings:
        """The usual ones where nobody has set any."""
        with self._database.tenant(agency_id, client_id) as connection:
            return said_store.find_settings(connection, agency_id, client_id) or ReportSettings()

    def change_settings(
        self, agency_id: UUID, client_id: UUID, patch: Mapping[str, Any], *, version: int | None = None
    ) -> ReportSettings:
        """A merge patch, inside of `target` too; null sets the usual value. Raises SettingsRefused, VersionMismatch."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = said_store.find_settings(connection, agency_id, client_id) or ReportSettings()
            if version is not None and version != before.version:
                raise VersionMismatch(before.version)
            made = _patched(before, patch)
            if made == before:
                return before
            if not said_store.put_settings(
                connection, agency_id, client_id, made, version=before.version, now=self._clock.now()
            ):
                raise VersionMismatch(before.version + 1)
        return replace(made, version=before.version + 1)

    def take_spend(
        self, agency_id: UUID, client_id: UUID, rows: Sequence[SpendRow], *, dry_run: bool = False
    ) -> SpendTaken:
        """All rows or none. The same day and advertising told again replaces what was told. Raises SpendRefused."""
        _check_spend(rows, self._clock.now().date())
        with self._database.tenant(agency_id, client_id) as connection:
            known = said_store.find_spend(connection, agency_id, client_id, rows)
            found = [known.get((row.day, said_store.digest_of(row))) for row in rows]
            same = sum(
                1
                for row, old in zip(rows, found, strict=True)
                if old is not None and all(old[name] == getattr(row, name) for name in _SPEND_VALUES)
            )
            new = sum(old is None for old in found)
            if not dry_run:
                said_store.put_spend(connection, agency_id, client_id, rows, self._clock.now())
        return SpendTaken(new=new, changed=len(rows) - new - same, same=same)


def _answer(connection: Connection, agency_id: UUID, client_id: UUID | None, question: Question) -> Report:
    groups, total = both_sums(connection, agency_id, client_id, question)
    compared = question.compared()
    groups_before, total_before = None, None
    if compared is not None:
        earlier = replace(question, first=compared[0], last=compared[1], compare="none", against=None)
        groups_before, total_before = both_sums(connection, agency_id, client_id, earlier)
    others = sum(int(value) for name, value in total.items() if name.startswith("other_"))
    return Report(
        question=question,
        lines=_lines(question, groups, groups_before),
        total=_line(question, (), total, total_before),
        unknown=tuple(name for name in question.metrics if not _is_known(question, name)),
        other_currencies=others,
    )


def _is_known(question: Question, metric: str) -> bool:
    told = {name for measures in question.measures.values() for name in measures}
    return told.issuperset(METRICS[metric].measures)


def _line(question: Question, key: Key, sums: Sums, before: Sums | None, *, is_rest: bool = False) -> Line:
    return Line(
        key=key,
        figures=figures_of(question.metrics, sums),
        before=figures_of(question.metrics, before) if before is not None else None,
        is_rest=is_rest,
    )


def _lines(question: Question, groups: Mapping[Key, Sums], before: Mapping[Key, Sums] | None) -> list[Line]:
    """Days and hours in their order, everything else by the first metric, the largest first; a group that is only in
    the days before stands there too. What is beyond the limit is added up in one line, but for what does not add up."""
    keys = set(groups) | set(before or {})
    nought: Sums = {name: 0 for measures in question.measures.values() for name in measures}
    by_time = all(name in {"date", "week", "month", "weekday", "hour"} for name in question.by)
    made = [
        _line(question, key, groups.get(key, nought), None if before is None else before.get(key, nought))
        for key in keys
    ]
    made.sort(key=lambda line: _place(line, question.metrics[0], by_time=by_time))
    if len(made) <= question.most:
        return made
    kept = made[: question.most]
    rest = [line.key for line in made[question.most :]]
    return [*kept, _rest(question, rest, groups, before)]


def _place(line: Line, metric: str, *, by_time: bool) -> tuple[Any, ...]:
    words = tuple((value is None, value if isinstance(value, int) else 0, str(value)) for value in line.key)
    if by_time:
        return words
    figure = line.figures[metric]
    return (figure is None, -figure if figure is not None else 0, words)


def _rest(
    question: Question, keys: Sequence[Key], groups: Mapping[Key, Sums], before: Mapping[Key, Sums] | None
) -> Line:
    def added(of: Mapping[Key, Sums]) -> Sums:
        names = {name for measures in question.measures.values() for name in measures if MEASURES[name].adds_up}
        return {name: sum((of[key][name] for key in keys if key in of), start=0) for name in names}

    return _line(question, (), added(groups), added(before) if before is not None else None, is_rest=True)


def _patched(before: ReportSettings, patch: Mapping[str, Any]) -> ReportSettings:
    usual = ReportSettings()
    changes = {name: getattr(usual, name) if value is None else value for name, value in patch.items()}
    if "target" in changes and not isinstance(changes["target"], TargetRule):
        told: dict[str, Any] = {
            name: getattr(usual.target, name) if value is None else tuple(value) if isinstance(value, list) else value
            for name, value in changes["target"].items()
        }
        changes["target"] = replace(before.target, **told)
    unknown = set(changes) - set(ReportSettings.__dataclass_fields__) | ({"version"} & set(changes))
    if unknown:
        raise SettingsRefused(sorted(unknown)[0], "is no setting")
    return replace(before, **changes)


def _check_spend(rows: Sequence[SpendRow], today: date) -> None:
    if not 1 <= len(rows) <= MOST_SPEND_ROWS:
        raise SpendRefused(0, "", f"come at least one and at most {MOST_SPEND_ROWS} at a time")
    seen: dict[tuple[date, bytes], int] = {}
    for place, row in enumerate(rows):
        if not date(2000, 1, 1) <= row.day <= date(today.year + 1, today.month, 1):
            raise SpendRefused(place, "day", f"cannot be {row.day}")
        if row.channel is None and row.source is None:
            raise SpendRefused(place, "source", "or a channel is named")
        for name in SOURCE_DIMENSIONS:
            word = getattr(row, name)
            if word is not None and not 1 <= len(word) <= LONGEST_WORD:
                raise SpendRefused(place, name, f"has 1 to {LONGEST_WORD} characters")
        for name in ("impressions", "clicks"):
            if not 0 <= getattr(row, name) <= MOST_COUNT:
                raise SpendRefused(place, name, f"is from 0 to {MOST_COUNT}")
        if not row.cost.is_finite() or not 0 <= row.cost <= MOST_COST:
            raise SpendRefused(place, "cost", f"is from 0 to {MOST_COST}")
        key = (row.day, said_store.digest_of(row))
        if key in seen:
            raise SpendRefused(place, "", f"tells of the same day and advertising as row {seen[key]}")
        seen[key] = place
