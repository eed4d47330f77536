"""What an installation needs of its database: shape, roles, isolation, months made ahead, connections, clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ..db.engine import Database
from ..db.migrate import status
from . import store
from .model import Check, Finding, at_most

#: Of max_connections.
CONNECTIONS_NOTE, CONNECTIONS_FAULT = 0.80, 0.95
CLOCK_NOTE_S, CLOCK_FAULT_S = 0.5, 2.0


def database_checks(url: str, database: Database, now: Callable[[], datetime]) -> list[tuple[str, Check]]:
    """``now``: our own clock."""
    return [
        ("migrations", lambda: migrations(url)),
        ("roles", lambda: roles(database)),
        ("isolation", lambda: isolation(database)),
        ("months", lambda: months(database, now())),
        ("connections", lambda: connections(database)),
        ("clock", lambda: clock(database, now)),
    ]


def migrations(url: str) -> Iterator[Finding]:
    """Whether it has this release's shape."""
    found = status(url)
    if found.pending:
        pending = f"{len(found.pending)} pending, the first is {found.pending[0]}"
        yield Finding("database", "migrations", "fault", pending, "dialtrace db upgrade")
    else:
        yield Finding("database", "migrations", "well", f"at {found.head}")


def roles(database: Database) -> Iterator[Finding]:
    """The application's roles must be bound by row security."""
    with database.directory() as connection:
        strong = store.strong_roles(connection)
    for role in strong:
        mend = f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
        yield Finding("database", "roles", "fault", f"{role} passes row security by", mend)
    if not strong:
        yield Finding("database", "roles", "well", "row security binds the application")


def isolation(database: Database) -> Iterator[Finding]:
    """Every table with a tenant has row security, forced on its owner too."""
    with database.directory() as connection:
        tables = store.open_tables(connection)
    for table in tables:
        mend = f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, and ask who turned it off"
        yield Finding("database", "isolation", "fault", f"{table} shows its rows to every tenant", mend)
    if not tables:
        yield Finding("database", "isolation", "well", "row security is on and forced on every table with a tenant")


def months(database: Database, now: datetime) -> Iterator[Finding]:
    """This month's partitions and the next one's. Without them nothing is lost, but the default partition grows."""
    for first in (_month(now, 0), _month(now, 1)):
        with database.directory() as connection:
            missing = store.tables_without_month(connection, first)
        if missing:
            found = f"{first:%Y-%m} is not made for {', '.join(missing)}"
            yield Finding("database", "months", "fault", found, "dialtrace partitions make; is `work jobs` running?")
        else:
            yield Finding("database", "months", "well", f"{first:%Y-%m} is there")


def _month(now: datetime, ahead: int) -> datetime:
    years, month = divmod(now.month - 1 + ahead, 12)
    return datetime(now.year + years, month + 1, 1, tzinfo=UTC)


def connections(database: Database) -> Iterator[Finding]:
    """How near it is to refusing one."""
    with database.directory() as connection:
        taken, most = store.connections_taken(connection)
    yield at_most(
        "database", "connections", f"{taken} of {most} are taken", taken / most,
        note=CONNECTIONS_NOTE, fault=CONNECTIONS_FAULT, mend="raise max_connections, or put a pooler in between",
    )  # fmt: skip


def clock(database: Database, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Its clock against ours; half of the exchange's time is taken off."""
    before = now()
    with database.directory() as connection:
        theirs = store.clock(connection)
    after = now()
    off_s = abs((theirs - (before + (after - before) / 2)).total_seconds())
    yield at_most(
        "database", "clock", f"{off_s * 1000:.0f} ms off ours", off_s,
        note=CLOCK_NOTE_S, fault=CLOCK_FAULT_S, mend="keep both machines' clocks (chrony)",
    )  # fmt: skip
