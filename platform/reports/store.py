"""SQL of reports. Every function takes a connection whose tenant is set; the statements are put together from the words
of the dictionary only, and every value is bound.

One row per call is made first (`one`), with what is asked for and nothing else; then the rows are added up. Days and
hours are those of the client's time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from .dictionary import MEASURES, SOURCE_DIMENSIONS, Family
from .model import Key, Question, ReportSettings
from .rollup_model import Span

#: The client's rule, with what is set by nobody filled in from ReportSettings' defaults by the service.
SETTINGS = (
    "LEFT JOIN report_settings rs ON rs.agency_id = c.agency_id AND rs.client_id = c.client_id "
    "CROSS JOIN LATERAL (SELECT coalesce(rs.answer_norm_s, :d_norm) AS answer_norm_s,"
    " coalesce(rs.confidence, :d_confidence) AS confidence, coalesce(rs.spam_from, :d_spam) AS spam_from,"
    " coalesce(rs.target_answered, :d_answered) AS target_answered,"
    " coalesce(rs.target_min_talk_s, :d_talk) AS target_min_talk_s, rs.target_min_score,"
    " coalesce(rs.target_tags_any, '{}') AS target_tags_any, coalesce(rs.target_tags_none, '{}') AS target_tags_none,"
    " coalesce(rs.target_without_spam, :d_without_spam) AS target_without_spam) s"
)
_ASSESSMENT = "LEFT JOIN call_assessments m ON m.agency_id = c.agency_id AND m.call_id = c.id"
ATTRIBUTION = (
    "LEFT JOIN LATERAL (SELECT * FROM attributions x WHERE x.agency_id = c.agency_id AND x.call_id = c.id"
    " ORDER BY x.revision DESC LIMIT 1) a ON true"
)
_VISIT = "LEFT JOIN visits v ON v.agency_id = c.agency_id AND v.id = a.visit_id AND v.started_at = a.visit_started_at"
_EARLIER = (
    "LEFT JOIN LATERAL (SELECT true AS yes FROM calls e WHERE e.agency_id = c.agency_id AND e.client_id = c.client_id"
    " AND e.caller = c.caller AND e.started_at < c.started_at AND NOT e.is_test LIMIT 1) e ON c.caller IS NOT NULL"
)
#: In the order in which they need one another.
JOINS = {"settings": SETTINGS, "assessment": _ASSESSMENT, "attribution": ATTRIBUTION, "visit": _VISIT,
          "earlier": _EARLIER}  # fmt: skip

CLIENT = "JOIN clients k ON k.agency_id = c.agency_id AND k.id = c.client_id"
_TENANT = "c.agency_id = :agency AND (CAST(:client AS uuid) IS NULL OR c.client_id = :client)"

_IS_ANSWERED = "c.outcome = 'answered'"
_IS_SPAM = "coalesce(c.spam_score, 0) >= s.spam_from"
#: What a flow tagged the call with stands in its facts, what people say of it in the assessment.
_TAGS = (
    "(coalesce(m.tags, '{}') || ARRAY(SELECT jsonb_array_elements_text("
    "CASE jsonb_typeof(c.facts->'tags') WHEN 'array' THEN c.facts->'tags' ELSE '[]' END)))"
)
_IS_TARGET = (
    f"(NOT s.target_answered OR {_IS_ANSWERED}) AND coalesce(c.talk_ms, 0) >= s.target_min_talk_s * 1000"
    " AND (s.target_min_score IS NULL OR coalesce(m.score, -1) >= s.target_min_score)"
    f" AND (s.target_tags_any = '{{}}' OR s.target_tags_any && {_TAGS})"
    f" AND NOT s.target_tags_none && {_TAGS} AND NOT (s.target_without_spam AND {_IS_SPAM})"
)
IDENTITY = "coalesce(c.caller, encode(c.caller_key, 'hex'))"
_WAITED_MS = "extract(epoch FROM c.connected_at - c.started_at) * 1000"


def _count(condition: str) -> tuple[str, str]:
    return f"({condition})", "count(*) FILTER (WHERE {0})"


#: Measure → its value in the row of one call, and how the rows are added up.
ROW_MEASURES: Mapping[str, tuple[str, str]] = {
    "calls": ("true", "count(*)"),
    "callers": (f"c.client_id::text || {IDENTITY}", "count(DISTINCT {0})"),
    "first_calls": _count("c.caller IS NOT NULL AND e.yes IS NULL"),
    "repeat_calls": _count("c.caller IS NOT NULL AND e.yes"),
    "answered": _count(_IS_ANSWERED),
    "missed": _count("c.outcome NOT IN ('answered', 'blocked')"),
    "blocked": _count("c.outcome = 'blocked'"),
    "answer_ms": (f"CASE WHEN {_IS_ANSWERED} THEN round({_WAITED_MS}) END", "coalesce(sum({0}), 0)"),
    "slow_answers": _count(f"{_IS_ANSWERED} AND {_WAITED_MS} > s.answer_norm_s * 1000"),
    "talk_ms": ("c.talk_ms", "coalesce(sum({0}), 0)"),
    "target_calls": _count(_IS_TARGET),
    "leads": _count(f"c.caller IS NOT NULL AND e.yes IS NULL AND {_IS_TARGET}"),
    "sales": _count("m.sale_amount IS NOT NULL"),
    "revenue": ("CASE WHEN m.sale_currency = :currency THEN m.sale_amount END", "coalesce(sum({0}), 0)"),
    "revenue_sales": _count("m.sale_amount IS NOT NULL AND m.sale_currency = :currency"),
    "spam_calls": _count(_IS_SPAM),
    "confident_calls": _count("coalesce(a.source_probability, 0) >= s.confidence"),
    "visits": ("true", "count(*)"),
    "impressions": ("c.impressions", "coalesce(sum({0}), 0)"),
    "clicks": ("c.clicks", "coalesce(sum({0}), 0)"),
    "cost": ("CASE WHEN c.currency = :currency THEN c.cost END", "coalesce(sum({0}), 0)"),
}
#: What was left out because of its currency, counted beside the measure.
OTHER = {
    "revenue": ("(m.sale_currency <> :currency)", "count(*) FILTER (WHERE {0})"),
    "cost": ("(c.currency <> :currency)", "count(*) FILTER (WHERE {0})"),
}

#: What a row adds, where it is not one or nothing.
_TYPE = {"answer_ms": "bigint", "talk_ms": "bigint", "revenue": "numeric"}

LOCAL = "c.started_at AT TIME ZONE k.time_zone"


def _times(day: str, local: str | None) -> dict[str, str]:
    found = {
        "client": "c.client_id::text",
        "date": f"{day}::text",
        "week": f"date_trunc('week', {day})::date::text",
        "month": f"date_trunc('month', {day})::date::text",
        "weekday": f"extract(isodow FROM {day})::int",
    }
    return found if local is None else found | {"hour": f"extract(hour FROM {local})::int"}


ROW_DIMENSIONS: Mapping[Family, Mapping[str, str]] = {
    "calls": {
        **_times(f"({LOCAL})::date", LOCAL),
        **{word: f"a.{word}" for word in SOURCE_DIMENSIONS},
        "site": "v.site_id::text",
        "landing_page": "v.landing_page",
        "visit_region": "v.region",
        "device": "v.device",
        "number": "c.number",
        "flow": "c.flow_id::text",
        "target": "c.target_id::text",
        "outcome": "c.outcome",
        "repeat": "CASE WHEN c.caller IS NULL THEN NULL WHEN e.yes THEN 'repeat' ELSE 'first_time' END",
        "node": "c.node",
    },
    "visits": {
        **_times(f"({LOCAL})::date", LOCAL),
        **{word: f"c.{word}" for word in SOURCE_DIMENSIONS},
        "site": "c.site_id::text",
        "landing_page": "c.landing_page",
        "visit_region": "c.region",
        "device": "c.device",
    },
    "spend": {**_times("c.day", None), **{word: f"c.{word}" for word in SOURCE_DIMENSIONS}},
}
#: Tables that a dimension of calls needs.
_NEEDS = {
    **dict.fromkeys(SOURCE_DIMENSIONS, ("attribution",)),
    **dict.fromkeys(("site", "landing_page", "visit_region", "device"), ("attribution", "visit")),
    "repeat": ("earlier",),
}
_BY_TIME = f"c.started_at >= :from_at AND c.started_at < :until_at AND ({LOCAL})::date BETWEEN :first AND :last"
_SOURCES: Mapping[Family, tuple[str, str]] = {
    "calls": ("calls", f"NOT c.is_test AND {_BY_TIME}"),
    "visits": ("visits", f"NOT c.is_bot AND NOT c.is_preview AND {_BY_TIME}"),
    "spend": ("ad_spend", "c.day BETWEEN :first AND :last"),
}


#: Records of these spans only (rollup_model.Span).
SPANS = (
    "unnest(CAST(:span_clients AS uuid[]), CAST(:span_froms AS timestamptz[]), CAST(:span_untils AS timestamptz[]),"
    " CAST(:span_days AS date[])) AS r (client_id, from_at, until_at, day) JOIN {0} c ON c.agency_id = :agency"
    " AND c.client_id = r.client_id AND c.started_at >= r.from_at AND c.started_at < r.until_at"
    " AND c.started_at >= :from_at AND c.started_at < :until_at"
)
OF_SPAN = f"(r.day IS NULL OR ({LOCAL})::date = r.day)"


def statement_of(family: Family, question: Question, measures: Sequence[str], *, in_spans: bool = False) -> str:
    """One family's sums, by the question's dimensions, if it has any. ``in_spans``: of the records of SPANS only."""
    by = question.by
    used = (*by, *question.filters)
    needs = {need for name in used for need in _NEEDS.get(name, ())} if family == "calls" else set()
    needs |= {need for name in measures for need in MEASURES[name].needs}
    if "visit" in needs:
        needs.add("attribution")
    others = {f"other_{name}": OTHER[name] for name in measures if name in OTHER}
    kinds = {name: ROW_MEASURES[name] for name in measures} | others
    known = ROW_DIMENSIONS[family]
    table, where = _SOURCES[family]
    joins = " ".join(join for name, join in JOINS.items() if name in needs)
    inner = [f"{known[name]} AS d{place}" for place, name in enumerate(by)]
    inner += [f"{row} AS {name}" for name, (row, _) in kinds.items()]
    outer = [f"d{place}" for place in range(len(by))]
    outer += [f"{add.format(name)} AS {name}" for name, (_, add) in kinds.items()]
    where += "".join(f" AND {let_through(known[name], place)}" for place, name in enumerate(question.filters))
    rows = f"{table} c"
    if in_spans:
        rows, where = SPANS.format(table), f"{where} AND {OF_SPAN}"
    query = (
        f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM {rows} {CLIENT}"  # noqa: S608
        f" {joins} WHERE {_TENANT} AND {where}) one"
    )
    return query + (f" GROUP BY {', '.join(str(place + 1) for place in range(len(by)))}" if by else "")


def find_rows(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    measures: Sequence[str],
) -> Iterator[RowMapping]:
    """Call by call: its id, its client, what it is grouped by (``d0`` and so on) and what it adds to each measure; by
    sources it is neither grouped nor filtered here."""
    known = ROW_DIMENSIONS["calls"]
    by = [(place, name) for place, name in enumerate(question.by) if name not in SOURCE_DIMENSIONS]
    passing = [(place, name) for place, name in enumerate(question.filters) if name not in SOURCE_DIMENSIONS]
    needs = {need for _, name in (*by, *passing) for need in _NEEDS.get(name, ())}
    needs |= {need for name in measures for need in MEASURES[name].needs}
    if "visit" in needs:
        needs.add("attribution")
    joins = " ".join(join for name, join in JOINS.items() if name in needs)
    kinds = {name: ROW_MEASURES[name] for name in measures}
    kinds |= {f"other_{name}": OTHER[name] for name in measures if name in OTHER}
    columns = ["c.id", "c.client_id", *(f"{known[name]} AS d{place}" for place, name in by)]
    # What is counted adds one, or nothing.
    columns += [f"coalesce(({row})::{_TYPE.get(name, 'int')}, 0) AS {name}" for name, (row, _) in kinds.items()]
    where = _SOURCES["calls"][1] + "".join(f" AND {let_through(known[name], place)}" for place, name in passing)
    query = f"SELECT {', '.join(columns)} FROM calls c {CLIENT} {joins} WHERE {_TENANT} AND {where}"  # noqa: S608
    yield from connection.execute(text(query), bound_of(agency_id, client_id, question)).mappings()


def let_through(expression: str, place: int) -> str:
    """Values are compared as text; `null` has a mark of its own."""
    return f"(({expression})::text = ANY (:f{place}) OR (:n{place} AND ({expression}) IS NULL))"


def add_up(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    *,
    family: Family,
    measures: Sequence[str],
    spans: Sequence[Span] | None = None,
) -> dict[Key, dict[str, int | Decimal]]:
    """Key → measure → its sum; the empty key where there is nothing to group by. ``spans``: of these records only."""
    statement = statement_of(family, question, measures, in_spans=spans is not None)
    rows = connection.execute(text(statement), bound_of(agency_id, client_id, question, spans or ())).mappings()
    count = len(question.by)
    names = [*measures, *(f"other_{name}" for name in measures if name in OTHER)]
    return {tuple(row[f"d{place}"] for place in range(count)): {name: row[name] for name in names} for row in rows}


def bound_of(agency_id: UUID, client_id: UUID | None, question: Question, spans: Sequence[Span] = ()) -> dict[str, Any]:
    """What the statements of a question are bound with."""
    bound: dict[str, Any] = {
        "agency": agency_id,
        "client": client_id,
        "first": question.first,
        "last": question.last,
        # A day of any zone begins within fourteen hours of UTC's; whole days more let the partitions be told.
        "from_at": question.first - timedelta(days=1),
        "until_at": question.last + timedelta(days=2),
        "currency": question.currency,
        "span_clients": [str(one.client_id) for one in spans],
        "span_froms": [one.from_at for one in spans],
        "span_untils": [one.until_at for one in spans],
        "span_days": [one.day for one in spans],
        **defaults(),
    }
    for place, values in enumerate(question.filters.values()):
        bound[f"f{place}"] = [value for value in values if value is not None]
        bound[f"n{place}"] = None in values
    return bound


def defaults() -> dict[str, Any]:
    usual = ReportSettings()
    return {
        "d_norm": usual.answer_norm_s,
        "d_confidence": usual.confidence,
        "d_spam": usual.spam_from,
        "d_answered": usual.target.answered,
        "d_talk": usual.target.min_talk_s,
        "d_without_spam": usual.target.without_spam,
    }


def find_calls(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    question: Question,
    most: int,
    after: tuple[datetime, UUID] | None,
) -> list[RowMapping]:
    """The calls that the question's days and filters let through, the latest first, beginning after one of them."""
    known = ROW_DIMENSIONS["calls"]
    needs = {"attribution"} | {need for name in question.filters for need in _NEEDS.get(name, ())}
    joins = " ".join(join for name, join in JOINS.items() if name in needs)
    where = _SOURCES["calls"][1]
    where += "".join(f" AND {let_through(known[name], place)}" for place, name in enumerate(question.filters))
    bound = bound_of(agency_id, client_id, question) | {"most": most}
    if after is not None:
        where += " AND (c.started_at, c.id) < (:after_at, :after_id)"
        bound |= {"after_at": after[0], "after_id": after[1]}
    query = (
        "SELECT c.id, c.client_id, c.started_at, c.number, c.outcome, c.talk_ms, a.channel, a.source, a.campaign,"  # noqa: S608
        f" a.keyword, c.target_id FROM calls c {CLIENT} {joins} WHERE {_TENANT} AND {where}"
        " ORDER BY c.started_at DESC, c.id DESC LIMIT :most"
    )
    return list(connection.execute(text(query), bound).mappings())


_MISSED = (
    f"WITH missed AS (SELECT c.client_id, c.caller, c.id, c.number, c.started_at FROM calls c {CLIENT}"  # noqa: S608
    " {joins}"
    f" WHERE {_TENANT} AND NOT c.is_test"
    f" AND c.caller IS NOT NULL AND c.outcome NOT IN ('answered', 'blocked') AND {_BY_TIME}"
    " AND NOT coalesce(m.tags, '{{}}') && ARRAY['called back']"
    " AND NOT EXISTS (SELECT FROM calls l WHERE l.agency_id = c.agency_id AND l.client_id = c.client_id"
    " AND l.caller = c.caller AND l.started_at > c.started_at AND l.outcome = 'answered' AND NOT l.is_test){passing})"
    " SELECT client_id, caller, count(*) AS calls, min(started_at) AS first_at, max(started_at) AS last_at,"
    " (array_agg(id ORDER BY started_at DESC))[1] AS last_call_id,"
    " (array_agg(number ORDER BY started_at DESC))[1] AS number FROM missed GROUP BY client_id, caller"
    " ORDER BY max(started_at) DESC LIMIT :most"
)


def find_missed(
    connection: Connection, agency_id: UUID, client_id: UUID | None, question: Question, most: int
) -> list[RowMapping]:
    """Who was missed on the question's days, by calls that its filters let through, and has not been spoken with since;
    the latest first."""
    known = ROW_DIMENSIONS["calls"]
    needs = {"assessment"} | {need for name in question.filters for need in _NEEDS.get(name, ())}
    joins = " ".join(join for name, join in JOINS.items() if name in needs)
    passing = "".join(f" AND {let_through(known[name], place)}" for place, name in enumerate(question.filters))
    query = _MISSED.format(joins=joins, passing=passing)
    bound = bound_of(agency_id, client_id, question) | {"most": most}
    return list(connection.execute(text(query), bound).mappings())
