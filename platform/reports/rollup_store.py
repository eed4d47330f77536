"""SQL of the sums of days: made from the records and compared with them, and how far they go. Every function takes a
connection whose tenant is set. What a measure is stands in `store` alone; here rows are only grouped otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from .dictionary import SOURCE_DIMENSIONS
from .rollup_model import CALLER_CUTS, CUTS, EDITION, SUMMED, VISIT_CUTS, earliest_of, latest_of
from .store import (
    ATTRIBUTION,
    CLIENT,
    IDENTITY,
    JOINS,
    LOCAL,
    ROW_DIMENSIONS,
    ROW_MEASURES,
    defaults,
)

_ALL_DIMENSIONS = ("hour", *SOURCE_DIMENSIONS, "number", "flow", "target", "outcome")
_COLUMNS = ("cut", "day", "family", *_ALL_DIMENSIONS, "sale_currency", *SUMMED, "visits")
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


def _cut_name(cuts: Sequence[str]) -> str:
    """Which cut a row is of: the last, whose own dimension is grouped by."""
    own = {"source": "keyword", "hour": "hour", "handling": "outcome"}
    cases = " ".join(f"WHEN GROUPING({own[name]}) = 0 THEN '{name}'" for name in cuts if name in own)
    return f"CASE {cases} ELSE 'channel' END"


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
        f"SELECT {_cut_name(tuple(CUTS))} AS cut, day, 'calls' AS family,"  # noqa: S608
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
        f"SELECT {_cut_name(VISIT_CUTS)} AS cut, day, 'visits' AS family, {columns},"  # noqa: S608
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
        f"SELECT '{cut}' AS cut, o.day, {shown}, (p.started_at AT TIME ZONE :zone)::date AS previous_day,"  # noqa: S608
        f" count(*) AS callers FROM ({first}) o {before(words)} GROUP BY 2, 3, 4, 5"
    )


_FRESH_SUMS = f"{_fresh_calls()} UNION ALL {_fresh_visits()}"
_FRESH_CALLERS = " UNION ALL ".join(f"({_fresh_callers(cut)})" for cut in CALLER_CUTS)
_CALLER_COLUMNS = ("cut", "day", "channel", "source", "previous_day", "callers")
_OWN = "agency_id = :agency AND client_id = :client"
_FORGET = tuple(
    text(f"DELETE FROM {table} WHERE {_OWN} AND day = ANY (CAST(:days AS date[]))")  # noqa: S608
    for table in ("report_sums", "report_callers")
)
_MAKE = (
    text(
        f"INSERT INTO report_sums (agency_id, client_id, place, {', '.join(_COLUMNS)})"  # noqa: S608
        f" SELECT :agency, :client, row_number() OVER (PARTITION BY cut, day, family), {', '.join(_COLUMNS)}"
        f" FROM ({_FRESH_SUMS}) fresh"
    ),
    text(
        f"INSERT INTO report_callers (agency_id, client_id, place, {', '.join(_CALLER_COLUMNS)})"  # noqa: S608
        f" SELECT :agency, :client, row_number() OVER (PARTITION BY cut, day), {', '.join(_CALLER_COLUMNS)}"
        f" FROM ({_FRESH_CALLERS}) fresh"
    ),
)


def _building(agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date], until: datetime) -> dict[str, Any]:
    return {
        "agency": agency_id, "client": client_id, "zone": zone, "days": list(days), **defaults(),
        "from_all": earliest_of(min(days)), "until": min(until, latest_of(max(days))),
    }  # fmt: skip


def make_days(
    connection: Connection, agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date], until: datetime
) -> None:
    """Sums up these days anew, as far as ``until``."""
    bound = _building(agency_id, client_id, zone, days, until)
    for forget in _FORGET:
        connection.execute(forget, {"agency": agency_id, "client": client_id, "days": list(days)})
    for make in _MAKE:
        connection.execute(make, bound)


def _differing(fresh: str, table: str, columns: Sequence[str]) -> str:
    listed = ", ".join(columns)
    stored = f"SELECT {listed} FROM {table} WHERE {_OWN} AND day = ANY (CAST(:days AS date[]))"  # noqa: S608
    return (
        f"(WITH fresh AS MATERIALIZED (SELECT {listed} FROM ({fresh}) made), stored AS MATERIALIZED ({stored})"  # noqa: S608
        " SELECT day FROM ((TABLE fresh EXCEPT ALL TABLE stored) UNION ALL (TABLE stored EXCEPT ALL TABLE fresh)) d)"
    )


_WRONG = text(
    f"{_differing(_FRESH_SUMS, 'report_sums', _COLUMNS)} UNION"
    f" {_differing(_FRESH_CALLERS, 'report_callers', _CALLER_COLUMNS)} ORDER BY 1"
)


def find_wrong_days(
    connection: Connection, agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date], until: datetime
) -> list[date]:
    """Those of the days whose sums are not what the records say at this moment."""
    return list(connection.execute(_WRONG, _building(agency_id, client_id, zone, days, until)).scalars())


# --- How far they go. ---

_AGENCIES = text("SELECT agency_id FROM agencies ORDER BY agency_id")

_TAKE_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('dialtrace reports ' || :client, 0))")
_STATE = text(
    "SELECT k.id AS client_id, k.time_zone, coalesce(rs.version, 0) AS settings_version, v.covered_until,"
    " coalesce(v.covered_until, k.created_at) AS reached,"
    " v.edition = :edition AND v.time_zone = k.time_zone AND v.settings_version = coalesce(rs.version, 0)"
    " AS is_current,"
    " (SELECT array_agg(DISTINCT d::date) FROM report_changes x CROSS JOIN LATERAL generate_series("
    "(x.from_at AT TIME ZONE k.time_zone)::date, (x.until_at AT TIME ZONE k.time_zone)::date, interval '1 day') d"
    " WHERE x.agency_id = :agency AND x.client_id = k.id AND d BETWEEN :first AND :last) AS changed,"
    " (CAST(:archived AS timestamptz) AT TIME ZONE k.time_zone)::date AS kept_from"
    " FROM clients k LEFT JOIN report_coverage v ON v.agency_id = k.agency_id AND v.client_id = k.id"
    " LEFT JOIN report_settings rs ON rs.agency_id = k.agency_id AND rs.client_id = k.id"
    " WHERE k.agency_id = :agency AND (CAST(:client AS uuid) IS NULL OR k.id = :client) ORDER BY k.id"
)


def all_agencies(connection: Connection) -> list[UUID]:
    """Every agency (`Database.system`)."""
    return list(connection.execute(_AGENCIES).scalars())


def take_turn(connection: Connection, client_id: UUID) -> bool:
    """Until the end of the transaction nobody else sums up this client's days. False: somebody does."""
    return bool(connection.execute(_TAKE_TURN, {"client": str(client_id)}).scalar())


def find_states(
    connection: Connection,
    agency_id: UUID,
    client_id: UUID | None,
    first: date,
    last: date,
    archived: datetime | None = None,
) -> list[RowMapping]:
    """Of each client: until when its days are summed up (``reached``: if never, when it was made), whether by what
    holds now, which of these days have changed since, and in which of its days ``archived`` lies."""
    bound = {"agency": agency_id, "client": client_id, "first": first, "last": last, "edition": EDITION,
             "archived": archived}  # fmt: skip
    return list(connection.execute(_STATE, bound).mappings())


_BEGAN = text(
    "SELECT (least((SELECT min(started_at) FROM calls WHERE agency_id = :agency AND client_id = :client),"
    " (SELECT min(started_at) FROM visits WHERE agency_id = :agency AND client_id = :client))"
    " AT TIME ZONE :zone)::date AS day"
)
_BEGIN_OF_DAY = text("SELECT (CAST(:day AS date)::timestamp AT TIME ZONE :zone) AS at")
_DAY_OF = text("SELECT (CAST(:at AS timestamptz) AT TIME ZONE :zone)::date AS day")
_ARCHIVED = text("SELECT dialtrace_archived_until(NULL, NULL, NULL)")
_PUT_COVERAGE = text(
    "INSERT INTO report_coverage (agency_id, client_id, edition, time_zone, settings_version, covered_until,"
    " updated_at) VALUES (:agency, :client, :edition, :zone, :version, :until, now())"
    " ON CONFLICT (agency_id, client_id) DO UPDATE SET edition = excluded.edition, time_zone = excluded.time_zone,"
    " settings_version = excluded.settings_version, covered_until = excluded.covered_until, updated_at = now()"
)
_FORGET_ALL = tuple(
    text(f"DELETE FROM {table} WHERE {_OWN} AND day >= :day")  # noqa: S608
    for table in ("report_sums", "report_callers")
)


def first_day(connection: Connection, agency_id: UUID, client_id: UUID, zone: str) -> date | None:
    """Of the first record; None: there is none."""
    found: date | None = connection.execute(_BEGAN, {"agency": agency_id, "client": client_id, "zone": zone}).scalar()
    return found


def begin_of(connection: Connection, day: date, zone: str) -> datetime:
    """A day's first moment there, by the database's own book of zones."""
    found: datetime = connection.execute(_BEGIN_OF_DAY, {"day": day, "zone": zone}).scalar_one()
    return found


def day_of(connection: Connection, at: datetime, zone: str) -> date:
    """Which day it is there."""
    found: date = connection.execute(_DAY_OF, {"at": at, "zone": zone}).scalar_one()
    return found


def archived_until(connection: Connection) -> datetime | None:
    """The records before it may have gone to the object store: the sums of these days are read no more."""
    found: datetime | None = connection.execute(_ARCHIVED).scalar()
    return found


def put_coverage(
    connection: Connection, agency_id: UUID, client_id: UUID, zone: str, version: int, until: datetime
) -> None:
    connection.execute(
        _PUT_COVERAGE,
        {"agency": agency_id, "client": client_id, "edition": EDITION, "zone": zone, "version": version,
         "until": until},
    )  # fmt: skip


def forget_from(connection: Connection, agency_id: UUID, client_id: UUID, day: date) -> None:
    """No sum of this day or a later one is left."""
    for forget in _FORGET_ALL:
        connection.execute(forget, {"agency": agency_id, "client": client_id, "day": day})


#: Of a note: the days there.
_NOTED = (
    "generate_series((x.from_at AT TIME ZONE :zone)::date, (x.until_at AT TIME ZONE :zone)::date, interval '1 day') d"
)
_CHANGED_DAYS = text(
    f"SELECT DISTINCT d::date AS day FROM report_changes x CROSS JOIN LATERAL {_NOTED}"  # noqa: S608
    f" WHERE {_OWN} ORDER BY day LIMIT :most"
)
_SETTLE_CHANGES = text(
    f"DELETE FROM report_changes x WHERE {_OWN}"  # noqa: S608
    f" AND NOT EXISTS (SELECT FROM {_NOTED} WHERE d::date <> ALL (CAST(:days AS date[])))"
)
_COUNT_CHANGES = text(
    "SELECT count(*), coalesce(extract(epoch FROM now() - min(noted_at)), 0) FROM report_changes"
    " WHERE agency_id = :agency"
)


def find_changed_days(connection: Connection, agency_id: UUID, client_id: UUID, zone: str, most: int) -> list[date]:
    """What was noted, the oldest days first."""
    bound = {"agency": agency_id, "client": client_id, "zone": zone, "most": most}
    return list(connection.execute(_CHANGED_DAYS, bound).scalars())


def settle_changes(connection: Connection, agency_id: UUID, client_id: UUID, zone: str, days: Sequence[date]) -> int:
    """These days are summed up anew: how many notes are of no other."""
    bound = {"agency": agency_id, "client": client_id, "zone": zone, "days": list(days)}
    return connection.execute(_SETTLE_CHANGES, bound).rowcount


def count_changes(connection: Connection, agency_id: UUID) -> tuple[int, float]:
    """How many wait, and for how many seconds the first."""
    row = connection.execute(_COUNT_CHANGES, {"agency": agency_id}).one()
    return int(row[0]), float(row[1])


_IS_ANYTHING = text(
    "SELECT EXISTS (SELECT FROM calls WHERE agency_id = :agency AND client_id = :client AND started_at >= :from_at"
    " AND started_at < :until) OR EXISTS (SELECT FROM visits WHERE agency_id = :agency AND client_id = :client"
    " AND started_at >= :from_at AND started_at < :until)"
)


def is_anything(connection: Connection, agency_id: UUID, client_id: UUID, from_at: datetime, until: datetime) -> bool:
    """Whether there is a call or visit to sum up."""
    bound = {"agency": agency_id, "client": client_id, "from_at": from_at, "until": until}
    return bool(connection.execute(_IS_ANYTHING, bound).scalar())
