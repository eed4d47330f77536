"""SQL of the sums of days: made from the records and compared with them. Every function takes a connection whose tenant
is set. What a measure is stands in `store` alone; here rows are only grouped otherwise.

Of the records only days are made; months, and days before which callers had called by month, are added up from those in
the same transaction, so that one is never other than the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from .dictionary import SOURCE_DIMENSIONS
from .rollup_model import CALLER_CUTS, CUTS, SUMMED, VISIT_CUTS, earliest_of, latest_of, next_month
from .store import ATTRIBUTION, CLIENT, IDENTITY, JOINS, LOCAL, ROW_DIMENSIONS, ROW_MEASURES, defaults

_ALL_DIMENSIONS = ("hour", *SOURCE_DIMENSIONS, "number", "flow", "target", "outcome")
_COLUMNS = ("cut", "day", "family", *_ALL_DIMENSIONS, "sale_currency", *SUMMED, "visits")
_ADDED = (*SUMMED, "visits")
#: All of a call's sale, in whichever currency: rows are grouped by it.
_ROW = {name: row for name, (row, _) in ROW_MEASURES.items()} | {"revenue": "m.sale_amount"}
_ADD = {name: add.format(name) for name, (_, add) in ROW_MEASURES.items()}

# --- Made from the records. ---

#: Local days as spans of records, with room for what clocks do at midnight.
_DAYS = (
    "(SELECT d.day, (d.day::timestamp AT TIME ZONE :zone) - interval '3 hours' AS from_at,"
    " least(((d.day + 1)::timestamp AT TIME ZONE :zone) + interval '3 hours', :until) AS until_at"
    " FROM unnest(CAST(:days AS date[])) AS d (day)) r"
)
_RECORDS = (
    f"{_DAYS} JOIN {{table}} c ON c.agency_id = :agency AND c.client_id = :client"
    f" AND c.started_at >= r.from_at AND c.started_at < r.until_at"
    # The same once more for all days together: by it the months are told that need not be looked at.
    f" AND c.started_at >= :from_all AND c.started_at < :until {CLIENT}"
)


def _grouping(cuts: Sequence[str], more: str) -> str:
    """GROUP BY each cut at once."""
    sets = ", ".join(f"(day{more}, {', '.join(CUTS[name])})" for name in cuts)
    return f"GROUP BY GROUPING SETS ({sets})"


def _cut_name(cuts: Sequence[str], dimensions: Sequence[str]) -> str:
    """Which cut a row is of, told by what it is not grouped by: a bit for each dimension, the last one's the lowest."""
    cases = ""
    for name in cuts:
        bits = sum(1 << place for place, one in enumerate(reversed(dimensions)) if one not in CUTS[name])
        cases += f" WHEN {bits} THEN '{name}'"
    return f"CASE GROUPING({', '.join(dimensions)}){cases} END"


def _fresh_calls() -> str:
    known = ROW_DIMENSIONS["calls"]
    rows = ", ".join(f"{known[name]} AS {name}" for name in _ALL_DIMENSIONS)
    values = ", ".join(f"{_ROW[name]} AS {name}" for name in SUMMED)
    joins = " ".join(JOINS[name] for name in ("settings", "assessment", "attribution", "earlier"))
    one = (
        f"SELECT r.day, {rows}, m.sale_currency, {values} FROM {_RECORDS.format(table='calls')} {joins}"  # noqa: S608
        f" WHERE NOT c.is_test AND ({LOCAL})::date = r.day"
    )
    sums = ", ".join(f"({_ADD[name]})::{'numeric' if name == 'revenue' else 'bigint'} AS {name}" for name in SUMMED)
    return (
        f"SELECT {_cut_name(tuple(CUTS), _ALL_DIMENSIONS)} AS cut, day, 'calls' AS family,"  # noqa: S608
        f" {', '.join(_ALL_DIMENSIONS)}, sale_currency, {sums}, 0::bigint AS visits FROM ({one}) one"
        f" {_grouping(tuple(CUTS), ', sale_currency')}"
    )


def _fresh_visits() -> str:
    known = ROW_DIMENSIONS["visits"]
    names = [name for name in _ALL_DIMENSIONS if name in known]
    rows = ", ".join(f"{known[name]} AS {name}" for name in names)
    one = (
        f"SELECT r.day, {rows} FROM {_RECORDS.format(table='visits')}"  # noqa: S608
        f" WHERE NOT c.is_bot AND NOT c.is_preview AND ({LOCAL})::date = r.day"
    )
    columns = ", ".join(name if name in names else f"NULL::text AS {name}" for name in _ALL_DIMENSIONS)
    noughts = ", ".join(f"0::{'numeric' if name == 'revenue' else 'bigint'} AS {name}" for name in SUMMED)
    return (
        f"SELECT {_cut_name(VISIT_CUTS, names)} AS cut, day, 'visits' AS family, {columns},"  # noqa: S608
        f" NULL::text AS sale_currency, {noughts}, count(*) AS visits FROM ({one}) one"
        f" {_grouping(VISIT_CUTS, '')}"
    )


#: The last call before ``o`` of the same caller, whatever the source or of the same words.
def before(words: Sequence[str], of: str = "o") -> str:
    def one(who: str) -> str:
        same = "".join(f" AND b.{word} IS NOT DISTINCT FROM {of}.{word}" for word in words)
        source = (
            " LEFT JOIN LATERAL (SELECT * FROM attributions x WHERE x.agency_id = e.agency_id AND x.call_id = e.id"
            " ORDER BY x.revision DESC LIMIT 1) b ON true"
            if words
            else ""
        )
        return (
            f"(SELECT e.started_at FROM calls e{source} WHERE e.agency_id = :agency AND e.client_id = {of}.client_id"  # noqa: S608
            f" AND {who} AND e.started_at <= {of}.started_at AND (e.started_at, e.id) < ({of}.started_at, {of}.id)"
            f" AND NOT e.is_test{same} ORDER BY e.started_at DESC LIMIT 1)"
        )

    known = one(f"e.caller = {of}.caller")
    hashed = one(f"{of}.caller IS NULL AND e.caller IS NULL AND e.caller_key = {of}.caller_key")
    return f"LEFT JOIN LATERAL ({known} UNION ALL {hashed}) p ON true"


def _fresh_callers(cut: str) -> str:
    words = CALLER_CUTS[cut]
    named = "".join(f", {word}" for word in words)
    one = (
        f"SELECT r.day, c.client_id, c.id, c.started_at, c.caller, c.caller_key, {IDENTITY} AS who"  # noqa: S608
        f"{''.join(f', a.{word}' for word in words)} FROM {_RECORDS.format(table='calls')}"
        f" {ATTRIBUTION if words else ''}"
        f" WHERE NOT c.is_test AND ({LOCAL})::date = r.day AND {IDENTITY} IS NOT NULL"
    )
    first = f"SELECT DISTINCT ON (day, who{named}) * FROM ({one}) one ORDER BY day, who{named}, started_at, id"  # noqa: S608
    shown = ", ".join(f"o.{word}" if word in words else f"NULL::text AS {word}" for word in ("channel", "source"))
    return (
        f"SELECT '{cut}' AS cut, o.day, {shown}, coalesce((p.started_at AT TIME ZONE :zone)::date, '-infinity')"  # noqa: S608
        f" AS previous_day, count(*) AS callers FROM ({first}) o {before(words)} GROUP BY 2, 3, 4, 5"
    )


@contextmanager
def nearest_first(connection: Connection) -> Iterator[None]:
    """For statements with :func:`before`. The planner takes everybody for somebody with a call or two, reads all of
    them and sorts; with a hundred thousand that takes a minute. So it has to read backwards and stop at the first."""
    connection.exec_driver_sql("SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
    yield
    connection.exec_driver_sql("SET LOCAL enable_sort = on; SET LOCAL enable_bitmapscan = on")


_FRESH_SUMS = f"{_fresh_calls()} UNION ALL {_fresh_visits()}"
_FRESH_CALLERS = " UNION ALL ".join(f"({_fresh_callers(cut)})" for cut in CALLER_CUTS)
_CALLER_COLUMNS = ("cut", "day", "channel", "source", "previous_day", "callers")
_OWN = "agency_id = :agency AND client_id = :client"
_OF_DAYS = f"{_OWN} AND span = 'day' AND day = ANY (CAST(:days AS date[]))"

# --- Added up from days. ---

_MONTH = "date_trunc('month', {0}::timestamp)::date"
_MONTH_WORDS = ("cut", "family", *_ALL_DIMENSIONS, "sale_currency")
_MONTH_SUMS = (
    f"SELECT {', '.join(_MONTH_WORDS)}, {_MONTH.format('day')} AS day,"  # noqa: S608
    f" {', '.join(f'sum({name}) AS {name}' for name in _ADDED)} FROM report_sums WHERE {_OWN} AND span = 'day'"
    f" AND {_MONTH.format('day')} = ANY (CAST(:months AS date[])) AND day BETWEEN :first AND :last"
    f" GROUP BY {', '.join(_MONTH_WORDS)}, {_MONTH.format('day')}"
)
_GATHERED_COLUMNS = ("cut", "span", "day", "previous_span", "previous_day", "channel", "source", "callers")
#: Span, the days before, and of which rows: within a month of its own nobody asks who called before.
_DAYS_BY_MONTH = ("day", "month", "day = ANY (CAST(:days AS date[]))")
_MONTHS_BY = tuple(
    ("month", previous, f"{_MONTH.format('day')} = ANY (CAST(:months AS date[])) AND day BETWEEN :first AND :last"
     f" AND previous_day < {_MONTH.format('day')}")
    for previous in ("day", "month")
)  # fmt: skip


def _gathered(span: str, previous_span: str, which: str) -> str:
    day, previous = (
        name if kind == "day" else _MONTH.format(name)
        for name, kind in (("day", span), ("previous_day", previous_span))
    )
    return (
        f"SELECT cut, '{span}' AS span, {day} AS day, '{previous_span}' AS previous_span, {previous} AS previous_day,"  # noqa: S608
        f" channel, source, sum(callers)::bigint AS callers FROM report_callers WHERE {_OWN} AND span = 'day'"
        f" AND previous_span = 'day' AND {which} GROUP BY 1, 3, 5, 6, 7"
    )


_GATHERED_DAYS = _gathered(*_DAYS_BY_MONTH)
_GATHERED_MONTHS = " UNION ALL ".join(_gathered(*one) for one in _MONTHS_BY)


def _put(table: str, columns: Sequence[str], fixed: str, within: str, query: str) -> str:
    return (
        f"INSERT INTO {table} (agency_id, client_id, place, {', '.join(columns)})"  # noqa: S608
        f" SELECT :agency, :client, row_number() OVER (PARTITION BY {within}), {fixed} FROM ({query}) made"
    )


_SUMS_COLUMNS, _CALLERS_COLUMNS = ("span", *_COLUMNS), _GATHERED_COLUMNS
_FORGET_DAYS = tuple(text(f"DELETE FROM {table} WHERE {_OF_DAYS}") for table in ("report_sums", "report_callers"))  # noqa: S608
_FORGET_MONTHS = tuple(
    text(f"DELETE FROM {table} WHERE {_OWN} AND span = 'month' AND day = ANY (CAST(:months AS date[]))")  # noqa: S608
    for table in ("report_sums", "report_callers")
)
_GATHERED_WITHIN = "cut, span, day, previous_span"
_CALLERS_OF_DAYS, _AS_DAYS = ("span", "previous_span", *_CALLER_COLUMNS), f"'day', 'day', {', '.join(_CALLER_COLUMNS)}"
_MAKE_SUMS = text(_put("report_sums", _SUMS_COLUMNS, f"'day', {', '.join(_COLUMNS)}", "cut, day, family", _FRESH_SUMS))
_MAKE_CALLERS = text(_put("report_callers", _CALLERS_OF_DAYS, _AS_DAYS, "cut, day", _FRESH_CALLERS))
_GATHER_DAYS = text(
    _put("report_callers", _CALLERS_COLUMNS, ", ".join(_CALLERS_COLUMNS), _GATHERED_WITHIN, _GATHERED_DAYS)
)
_MAKE_MONTHS = (
    text(_put("report_sums", _SUMS_COLUMNS, f"'month', {', '.join(_COLUMNS)}", "cut, day, family", _MONTH_SUMS)),
    text(_put("report_callers", _CALLERS_COLUMNS, ", ".join(_CALLERS_COLUMNS), _GATHERED_WITHIN, _GATHERED_MONTHS)),
)


def _building(agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date], until: datetime) -> dict[str, Any]:
    return {
        "agency": agency_id, "client": client_id, "zone": zone, "days": list(days), **defaults(),
        "from_all": earliest_of(min(days)), "until": min(until, latest_of(max(days))),
    }  # fmt: skip


def make_days(
    connection: Connection, agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date], until: datetime
) -> None:
    """Sums up these days anew, as far as ``until``. Their months are not: :func:`make_months`."""
    bound = _building(agency_id, client_id, zone, days, until)
    for statement in (*_FORGET_DAYS, _MAKE_SUMS):
        connection.execute(statement, bound)
    with nearest_first(connection):
        connection.execute(_MAKE_CALLERS, bound)
    connection.execute(_GATHER_DAYS, bound)


def make_months(connection: Connection, agency_id: UUID, client_id: UUID, months: Sequence[date]) -> None:
    """Adds these months up from their days."""
    if months:
        for statement in (*_FORGET_MONTHS, *_MAKE_MONTHS):
            connection.execute(statement, _adding(agency_id, client_id, months))


def _adding(agency_id: UUID, client_id: UUID, months: Sequence[date]) -> dict[str, Any]:
    return {
        "agency": agency_id, "client": client_id, "months": list(months), "first": min(months),
        "last": next_month(max(months)) - timedelta(days=1),
    }  # fmt: skip


# --- Compared. ---

_BY_DAY, _BY_MONTH = " AND previous_span = 'day'", " AND previous_span = 'month'"


def _differing(made: str, table: str, columns: Sequence[str], which: str) -> str:
    listed = ", ".join(columns)
    return (
        f"(WITH fresh AS MATERIALIZED (SELECT {listed} FROM ({made}) made),"  # noqa: S608
        f" stored AS MATERIALIZED (SELECT {listed} FROM {table} WHERE {which})"
        " SELECT day FROM ((TABLE fresh EXCEPT ALL TABLE stored) UNION ALL (TABLE stored EXCEPT ALL TABLE fresh)) d)"
    )


_WRONG_DAYS = text(
    f"{_differing(_FRESH_SUMS, 'report_sums', _COLUMNS, _OF_DAYS)} UNION"
    f" {_differing(_FRESH_CALLERS, 'report_callers', _CALLER_COLUMNS, _OF_DAYS + _BY_DAY)} UNION"
    f" {_differing(_GATHERED_DAYS, 'report_callers', _GATHERED_COLUMNS, _OF_DAYS + _BY_MONTH)} ORDER BY 1"
)
_OF_MONTHS = f"{_OWN} AND span = 'month' AND day = ANY (CAST(:months AS date[]))"
_WRONG_MONTHS = text(
    f"{_differing(_MONTH_SUMS, 'report_sums', _COLUMNS, _OF_MONTHS)} UNION"
    f" {_differing(_GATHERED_MONTHS, 'report_callers', _GATHERED_COLUMNS, _OF_MONTHS)} ORDER BY 1"
)


def find_wrong_days(
    connection: Connection, agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date], until: datetime
) -> list[date]:
    """Those of the days whose sums are not what the records say at this moment."""
    with nearest_first(connection):
        return list(connection.execute(_WRONG_DAYS, _building(agency_id, client_id, zone, days, until)).scalars())


def find_wrong_months(connection: Connection, agency_id: UUID, client_id: UUID, months: Sequence[date]) -> list[date]:
    """Those of the months that are not the sum of their days."""
    if not months:
        return []
    return list(connection.execute(_WRONG_MONTHS, _adding(agency_id, client_id, months)).scalars())
