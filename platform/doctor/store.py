"""What the database says of itself: its catalogues. Reads no tenant's rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

#: Tables that carry a tenant, that the API's role may read, and that would show one tenant's rows to another. (The
#: directories that the call path reads are closed to it.)
_OPEN_TABLES = text(
    """
    SELECT c.relname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'agency_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        AND has_table_privilege('dialtrace_app', c.oid, 'SELECT')
    ORDER BY 1
    """
)
_STRONG_ROLES = text(
    "SELECT rolname FROM pg_roles WHERE rolname IN ('dialtrace_app', 'dialtrace_system')"
    " AND (rolsuper OR rolbypassrls) ORDER BY 1"
)
#: Partitioned tables by month whose partition for a given day is not there.
_MONTHS_MISSING = text(
    """
    SELECT parent.relname FROM pg_class parent
    JOIN pg_namespace n ON n.oid = parent.relnamespace AND n.nspname = 'public'
    WHERE parent.relkind = 'p' AND NOT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
        WHERE i.inhparent = parent.oid AND pg_get_expr(child.relpartbound, child.oid) LIKE :month
    ) ORDER BY 1
    """
)
_CONNECTIONS = text(
    "SELECT (SELECT sum(numbackends)::int FROM pg_stat_database), current_setting('max_connections')::int"
)


def open_tables(connection: Connection) -> Sequence[str]:
    """Tables with a tenant and without forced row security."""
    return connection.execute(_OPEN_TABLES).scalars().all()


def strong_roles(connection: Connection) -> Sequence[str]:
    """Roles of the application that row security does not bind."""
    return connection.execute(_STRONG_ROLES).scalars().all()


def tables_without_month(connection: Connection, first: datetime) -> Sequence[str]:
    """Partitioned tables that have no partition that begins on that day, the first of a month."""
    return connection.execute(_MONTHS_MISSING, {"month": f"%FROM ('{first:%Y-%m-%d}%"}).scalars().all()


def connections_taken(connection: Connection) -> tuple[int, int]:
    """How many clients are connected, and how many may be."""
    row = connection.execute(_CONNECTIONS).one()
    return row[0], row[1]


def clock(connection: Connection) -> datetime:
    """The server's clock, at this moment."""
    found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found
