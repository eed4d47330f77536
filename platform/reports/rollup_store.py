"""SQL of how far the sums of days go, and of notes of days that late facts have changed. Every function takes a
connection whose tenant is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from .rollup_model import EDITION

_OWN = "agency_id = :agency AND client_id = :client"
_AGENCIES = text("SELECT agency_id FROM agencies ORDER BY agency_id")

_TAKE_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('dialtrace reports ' || :client, 0))")
_STATE = text(
    "SELECT k.id AS client_id, k.time_zone, coalesce(rs.version, 0) AS settings_version, v.covered_until,"
    " coalesce(v.covered_until, k.created_at) AS reached,"
    " v.edition = :edition AND v.time_zone = k.time_zone AND v.settings_version = coalesce(rs.version, 0)"
    " AS is_current, v.archived_until IS NOT DISTINCT FROM CAST(:archived AS timestamptz) AS is_kept,"
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
    holds now, with ``archived`` where it was (``is_kept``), which of these days have changed since, and in which of its
    days ``archived`` lies."""
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
    " archived_until, updated_at) VALUES (:agency, :client, :edition, :zone, :version, :until, :archived, now())"
    " ON CONFLICT (agency_id, client_id) DO UPDATE SET edition = excluded.edition, time_zone = excluded.time_zone,"
    " settings_version = excluded.settings_version, covered_until = excluded.covered_until,"
    " archived_until = excluded.archived_until, updated_at = now()"
)
_FORGET_ALL = tuple(
    text(
        f"DELETE FROM {table} WHERE {_OWN}"  # noqa: S608
        " AND (day >= :day OR span = 'month' AND day >= date_trunc('month', CAST(:day AS timestamp)))"
    )
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
    connection: Connection,
    agency_id: UUID,
    client_id: UUID,
    zone: str,
    version: int,
    until: datetime,
    archived: datetime | None,
) -> None:
    connection.execute(
        _PUT_COVERAGE,
        {"agency": agency_id, "client": client_id, "edition": EDITION, "zone": zone, "version": version,
         "until": until, "archived": archived},
    )  # fmt: skip


def forget_from(connection: Connection, agency_id: UUID, client_id: UUID, day: date) -> None:
    """No sum of this day or a later one is left."""
    for forget in _FORGET_ALL:
        connection.execute(forget, {"agency": agency_id, "client": client_id, "day": day})


#: Days with callers who had last called on a day that is archived, or the one in whose midst the archive ends.
_NOTE_ARCHIVED = text(
    "INSERT INTO report_changes (agency_id, client_id, from_at, until_at)"  # noqa: S608
    " SELECT :agency, :client, at, at FROM (SELECT DISTINCT (day + time '12:00') AT TIME ZONE :zone AS at"
    f" FROM report_callers WHERE {_OWN} AND span = 'day' AND previous_span = 'day' AND day > :kept_from"
    " AND previous_day > '-infinity' AND previous_day <= :kept_from) days"
)


def note_archived(connection: Connection, agency_id: UUID, client_id: UUID, zone: str, archived: datetime) -> None:
    """What was a repeat call may be the first that is kept: these days are summed up anew."""
    bound = {"agency": agency_id, "client": client_id, "zone": zone, "kept_from": day_of(connection, archived, zone)}
    connection.execute(_NOTE_ARCHIVED, bound)


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
