"""SQL that reads the sums of days for a report, and counts callers among records that are in no sum yet. Every function
takes a connection whose tenant is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from .dictionary import Family
from .model import Key, Question
from .rollup_make_store import before, nearest_first
from .rollup_model import CALLER_CUTS, Reading, Unit, units_of
from .store import ATTRIBUTION, CLIENT, IDENTITY, LOCAL, OF_SPAN, ROW_DIMENSIONS, SPANS, bound_of, let_through

_OF_DAY = {
    "client": "s.client_id::text",
    "date": "s.day::text",
    "week": "date_trunc('week', s.day)::date::text",
    "month": "date_trunc('month', s.day)::date::text",
    "weekday": "extract(isodow FROM s.day)::int",
}
#: Of clients whose days are summed up.
_OF_COVERED = (
    "s.agency_id = :agency AND s.client_id = ANY (CAST(:covered AS uuid[])) AND s.cut = :cut AND s.span = u.span"
    " AND s.day = u.day"
)
#: Without what has changed since; in the months that are read, nothing has.
_BUT_CHANGED = (
    " AND NOT EXISTS (SELECT FROM unnest(CAST(:changed_clients AS uuid[]), CAST(:changed_days AS date[]))"
    " AS y (client_id, day) WHERE y.client_id = s.client_id AND y.day = s.day AND s.span = 'day')"
)
_UNITS = "unnest(CAST(:unit_spans AS text[]), CAST(:unit_days AS date[])) AS u (span, day)"
#: Each unit with the days, or months, on which callers had called who are new to it.
_UNITS_BEFORE = (
    "unnest(CAST(:unit_spans AS text[]), CAST(:unit_days AS date[]), CAST(:before_spans AS text[]),"
    " CAST(:before_froms AS date[]), CAST(:before_untils AS date[]))"
    " AS u (span, day, previous_span, from_day, until_day)"
)
#: Of sums in one currency, what is asked for in the report's.
_READ = {
    "revenue": "sum(s.revenue) FILTER (WHERE s.sale_currency = :currency)",
    "revenue_sales": "sum(s.sales) FILTER (WHERE s.sale_currency = :currency)",
    "other_revenue": "sum(s.sales) FILTER (WHERE s.sale_currency <> :currency)",
}


def _expression(name: str) -> str:
    return _OF_DAY.get(name, f"s.{name}")


def _reading(agency_id: UUID, client_id: UUID | None, question: Question, reading: Reading, cut: str) -> dict[str, Any]:
    return bound_of(agency_id, client_id, question, reading.spans) | {
        "first": max(question.first, reading.kept_from or question.first),
        "covered": [str(one) for one in reading.covered],
        "changed_clients": [str(client) for client, _ in reading.changed],
        "changed_days": [day for _, day in reading.changed],
        "cut": cut,
    }


def _units(units: Sequence[Unit]) -> dict[str, Any]:
    return {
        "unit_spans": ["month" if one.is_month else "day" for one in units],
        "unit_days": [one.day for one in units],
    }


def _units_before(units: Sequence[Unit]) -> dict[str, Any]:
    """Of each unit: months before the one in which its group begins, and this one's days before it."""
    rows = []
    for unit in units:
        month = unit.begins.replace(day=1)
        rows.append((unit, "month", "-infinity", month.isoformat()))
        if month < unit.begins:
            rows.append((unit, "day", month.isoformat(), unit.begins.isoformat()))
    names = ("before_spans", "before_froms", "before_untils")
    return _units([row[0] for row in rows]) | {
        name: [row[place] for row in rows] for place, name in enumerate(names, start=1)
    }


def _passing(question: Question) -> str:
    return "".join(f" AND {let_through(_expression(name), place)}" for place, name in enumerate(question.filters))


def _grouped(query: str, count: int) -> str:
    return query + (f" GROUP BY {', '.join(str(place + 1) for place in range(count))}" if count else "")


def read_sums(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    reading: Reading,
    *,
    cut: str,
    family: Family,
    measures: Sequence[str],
) -> dict[Key, dict[str, int | Decimal]]:
    """As `store.add_up`, of the days that are summed up."""
    by = question.by
    names = [*measures, *(["other_revenue"] if "revenue" in measures else [])]
    columns = [f"{_expression(name)} AS d{place}" for place, name in enumerate(by)]
    columns += [f"coalesce({_READ.get(name, f'sum(s.{name})')}, 0) AS {name}" for name in names]
    query = (
        f"SELECT {', '.join(columns)} FROM {_UNITS} JOIN report_sums s ON {_OF_COVERED}"  # noqa: S608
        f" WHERE s.family = :family{_passing(question)}{_BUT_CHANGED if reading.changed else ''}"
    )
    bound = _reading(agency_id, client_id, question, reading, cut) | _units(units_of(question, reading))
    bound["family"] = family
    rows = connection.execute(text(_grouped(query, len(by))), bound).mappings()
    return {tuple(row[f"d{place}"] for place in range(len(by))): {name: row[name] for name in names} for row in rows}


_BEGINNING = {
    "date": "{day}",
    "week": "date_trunc('week', {day})::date",
    "month": "date_trunc('month', {day})::date",
}


def _beginning(by: Sequence[str], day: str) -> str:
    """The first day of the group in which a row stands."""
    spans = [_BEGINNING[name].format(day=day) for name in by if name in _BEGINNING]
    return f"greatest({', '.join(['CAST(:first AS date)', *spans])})"


def read_callers(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    reading: Reading,
    *,
    cut: str,
) -> dict[Key, int]:
    """Callers whose first call within the group lies in a day that is summed up."""
    by = question.by
    columns = [*(f"{_expression(name)} AS d{place}" for place, name in enumerate(by)), "sum(s.callers) AS callers"]
    query = (
        f"SELECT {', '.join(columns)} FROM {_UNITS_BEFORE} JOIN report_callers s ON {_OF_COVERED}"  # noqa: S608
        " AND s.previous_span = u.previous_span AND s.previous_day >= u.from_day AND s.previous_day < u.until_day"
        f" WHERE true{_passing(question)}{_BUT_CHANGED if reading.changed else ''}"
    )
    bound = _reading(agency_id, client_id, question, reading, cut) | _units_before(units_of(question, reading))
    return _by_key(connection, _grouped(query, len(by)), bound, len(by))


def count_callers(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    reading: Reading,
    *,
    cut: str,
) -> dict[Key, int]:
    """Callers whose first call within the group is among the records of the reading's spans."""
    by = question.by
    known = ROW_DIMENSIONS["calls"]
    words = CALLER_CUTS[cut]
    columns = [f"{known[name]} AS d{place}" for place, name in enumerate(by)]
    named = "".join(f", a.{word}" for word in words)
    passing = "".join(f" AND {let_through(known[name], place)}" for place, name in enumerate(question.filters))
    one = (
        f"SELECT {''.join(f'{column}, ' for column in columns)}c.client_id, c.id, c.started_at, c.caller, c.caller_key,"  # noqa: S608
        f" ({LOCAL})::date AS day, k.time_zone AS zone{named} FROM {SPANS.format('calls')} {CLIENT}"
        f" {ATTRIBUTION if words else ''} WHERE {IDENTITY} IS NOT NULL AND NOT c.is_test AND {OF_SPAN}"
        f" AND ({LOCAL})::date BETWEEN :first AND :last{passing}"
    )
    query = (
        f"SELECT {''.join(f'd{place}, ' for place in range(len(by)))}count(*) AS callers FROM ({one}) o"  # noqa: S608
        f" {before(words)} WHERE p.started_at IS NULL"
        f" OR (p.started_at AT TIME ZONE o.zone)::date < {_beginning(by, 'o.day')}"
    )
    bound = _reading(agency_id, client_id, question, reading, cut)
    with nearest_first(connection):
        return _by_key(connection, _grouped(query, len(by)), bound, len(by))


def _by_key(connection: Connection, query: str, bound: dict[str, Any], count: int) -> dict[Key, int]:
    rows = connection.execute(text(query), bound).mappings()
    return {tuple(row[f"d{place}"] for place in range(count)): int(row["callers"] or 0) for row in rows}
