"""What can go wrong between us and PostgreSQL, told apart by whether trying again would help.

Violated constraints are not here: the room whose rule it is translates those. Must not know any room.
"""

from __future__ import annotations

import sqlalchemy.exc

from ..errors import DialtraceError


class DatabaseError(DialtraceError):
    """The database did not do what was asked."""

    #: Whether the same request, unchanged, may succeed a moment later.
    retry_helps = False


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or the connection to it broke."""

    retry_helps = True


class NoFreeConnection(DatabaseUnavailable):
    """Every connection of this process is in use and none came free in time."""


class StatementTooSlow(DatabaseUnavailable):
    """The database took longer than the statement may take."""


class TransactionConflict(DatabaseError):
    """Another transaction was in the way; nothing of this one was kept."""

    retry_helps = True


class TenantRefused(DatabaseError):
    """A request may not open a transaction for this tenant."""


class DatabaseNotReady(DatabaseError):
    """The database has no Dialtrace tables or roles, or older ones: run `dialtrace db upgrade`."""


class DatabaseRefuses(DatabaseError):
    """The database refuses the login: check user, password and database name in DIALTRACE_DATABASE_URL."""


class NoCluster(DatabaseError):
    """The database is no Citus cluster."""


class LoginTooWeak(DatabaseError):
    """The login may not make the roles that it needs."""

    def __init__(self) -> None:
        super().__init__(
            "the login may not make the roles dialtrace_owner, dialtrace_app and dialtrace_system: let it own the"
            " database and give it CREATEROLE, or make the three roles (NOLOGIN), grant them to it, and let"
            " dialtrace_owner create in the schema public"
        )


class DatabaseTooOld(DatabaseError):
    """The server is older than PostgreSQL 15."""


class MigrationBusy(DatabaseError):
    """Another process is upgrading this database and did not finish in time."""

    retry_helps = True


class MigrationUnknown(DatabaseError):
    """The database is at a migration that this release does not know: it was upgraded by a newer one."""


class EmbeddedServerFailed(DatabaseError):
    """The embedded PostgreSQL server did not start."""


# SQLSTATE → error (https://www.postgresql.org/docs/18/errcodes-appendix.html).
_BY_STATE: dict[str, type[DatabaseError]] = {
    "57014": StatementTooSlow,
    "55P03": TransactionConflict,
    "40001": TransactionConflict,
    "40P01": TransactionConflict,
    "42P01": DatabaseNotReady,
    "42883": DatabaseNotReady,
    "42703": DatabaseNotReady,
    "28000": DatabaseRefuses,
    "28P01": DatabaseRefuses,
    "3D000": DatabaseRefuses,
    "25006": DatabaseUnavailable,
}
# Whole classes that mean "not now": connection lost, out of resources, operator's hand (shutdown, restart).
_BY_CLASS: dict[str, type[DatabaseError]] = {
    "08": DatabaseUnavailable,
    "53": DatabaseUnavailable,
    "57": DatabaseUnavailable,
}


def words() -> list[str]:
    """Names of the errors that :func:`translate` finds, sorted."""
    found: set[type[DatabaseError]] = {NoFreeConnection, *_BY_STATE.values(), *_BY_CLASS.values()}
    return sorted(kind.__name__ for kind in found)


def translate(error: sqlalchemy.exc.SQLAlchemyError) -> DatabaseError | None:
    """Our error for a foreign one; None for a violated constraint or a programming fault, which pass as they are."""
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return NoFreeConnection()
    if not isinstance(error, sqlalchemy.exc.DBAPIError):
        return None
    text = str(error.orig).strip() if error.orig is not None else ""
    state = getattr(error.orig, "pgcode", None) or ""
    kind = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if (
        kind is None
        and not state
        and isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError)
    ):
        kind = _kind_of_refused_connection(text)
    if kind is None and error.connection_invalidated:
        kind = DatabaseUnavailable
    if kind is None:
        return None
    message = str(kind())
    return kind(f"{message} ({text.splitlines()[0]})" if text else message)


def _kind_of_refused_connection(text: str) -> type[DatabaseError]:
    """libpq gives no SQLSTATE for a connection that was never made, only the server's words."""
    if 'role "dialtrace_' in text and "does not exist" in text:
        return DatabaseNotReady
    if 'parameter "role"' in text:
        return DatabaseNotReady
    if "authentication failed" in text or "does not exist" in text or "no pg_hba.conf entry" in text:
        return DatabaseRefuses
    return DatabaseUnavailable
