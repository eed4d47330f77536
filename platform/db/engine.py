"""Connections and transactions: every statement of the platform runs inside one of the three that are opened here.

A connection takes its role when it is made, so row-level security binds even where the login is a superuser. The
literal settings that open a transaction name the tenant; code that forgets a filter then gets nothing instead of a
neighbour's rows. Works in plain threads, and in gevent processes after `green.patch_psycopg`. Must not know any room.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import URL, Connection, Engine, Row, create_engine, make_url

from .errors import DatabaseError, translate
from .floor import actor_setting, need_no_floor, within
from .prepared import KNOWN, Prepared, Ready
from .watched import counted, given_up, timed, unwatch, waiting, watch

#: The roles that migrations make (roles.py).
APP_ROLE = "dialtrace_app"
SYSTEM_ROLE = "dialtrace_system"

_NO_TENANT = "SET LOCAL dialtrace.agency = ''; SET LOCAL dialtrace.client = ''"


def driver_url(url: str | URL) -> URL:
    """The address with our driver in it, whichever way it was written."""
    return make_url(url).set(drivername="postgresql+psycopg2")


def libpq_url(url: str) -> str:
    """The address as the server's own library reads it, for a driver other than ours."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def session_options(role: str, *, statement_timeout_ms: int) -> dict[str, Any]:
    """How every connection is made, by any driver over libpq: in a role, bounded in every way, and at the one isolation
    that our statements are written for, whatever the server's default is. (A lease at a stricter one would fail where
    it now passes over a number that is just being given away.)"""
    return {
        "options": f"-c role={role} -c statement_timeout={statement_timeout_ms}"
        f" -c lock_timeout={statement_timeout_ms} -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
        r" -c default_transaction_isolation=read\ committed",
        # The server cannot cancel what it never received: a silent network is noticed on our side.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }


def tenant_settings(agency_id: UUID | str, client_id: UUID | str | None) -> str:
    """The literal that opens a tenant's transaction. Both are parsed as UUIDs first, so nothing else can get in;
    raises ValueError."""
    agency = agency_id if isinstance(agency_id, UUID) else UUID(agency_id)
    client = "" if client_id is None else client_id if isinstance(client_id, UUID) else UUID(client_id)
    return f"SET LOCAL dialtrace.agency = '{agency}'; SET LOCAL dialtrace.client = '{client}'"


def turn_to(connection: Connection, agency_id: UUID | str) -> None:
    """From here on the transaction is this agency's: its rows are seen, rows of no other can be written. For the few
    who carry things of many agencies in one transaction (`Database.directory` opens it); raises ValueError."""
    connection.exec_driver_sql(tenant_settings(agency_id, None))


def take_turn(connection: Connection, name: str) -> None:
    """Until the transaction ends nobody else has the turn of that name; waits for whoever has it."""
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


@dataclass
class _Whole:
    """The one transaction that all of a piece of work joins. ``opening``: whose it is at this moment."""

    database: Database
    connection: Connection
    opening: str = _NO_TENANT


#: What the current thread (or greenlet) does as a whole.
_WHOLE: ContextVar[_Whole | None] = ContextVar("dialtrace_whole", default=None)


class Database:
    """A bounded pool of connections in one role. Raises the errors of `db.errors`; constraint violations pass through
    as SQLAlchemy's IntegrityError for the room to name."""

    def __init__(
        self,
        url: str,
        *,
        role: str = APP_ROLE,
        pool_size: int = 5,
        connect_timeout_s: int = 3,
        statement_timeout_ms: int = 10_000,
        pool_timeout_s: float = 5.0,
    ) -> None:
        options: dict[str, Any] = {
            # An error's text goes into logs, where no telephone number and no name may stand.
            "hide_parameters": True,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": pool_timeout_s,
            "pool_recycle": 1800,
            # A broken connection is found by the statement that opens the transaction (below): no ping is needed.
            "connect_args": {
                "application_name": "dialtrace",
                "connect_timeout": connect_timeout_s,
                **session_options(role, statement_timeout_ms=statement_timeout_ms),
                "tcp_user_timeout": statement_timeout_ms + 1_000 * connect_timeout_s,
            },
        }
        self.engine = create_engine(driver_url(url), **options)
        self._role = role
        # Connections of their own: changing the mode of one costs an exchange with the server each way. What is
        # prepared is planned once for each, whatever the values.
        alone = {**options, "connect_args": dict(options["connect_args"])}
        alone["connect_args"]["options"] += " -c plan_cache_mode=force_generic_plan"
        self._alone = create_engine(driver_url(url), isolation_level="AUTOCOMMIT", **alone)
        self._most = pool_size
        self._watched = True
        for engine in (self.engine, self._alone):
            watch(engine, pool_size)

    @contextmanager
    def tenant(self, agency_id: UUID | str, client_id: UUID | str | None = None) -> Iterator[Connection]:
        """One transaction for an agency (``client_id`` None: all its clients), on the floor of the request if there is
        one (`floor`). Commits at the end, rolls back on error. Raises TenantRefused; ValueError when an id is no UUID.
        """
        with self._transaction(tenant_settings(*within(agency_id, client_id)) + actor_setting()) as connection:
            yield connection

    @contextmanager
    def directory(self) -> Iterator[Connection]:
        """One transaction without a tenant: for the narrow functions that find one, and for `nodes`."""
        with self._transaction(_NO_TENANT) as connection:
            yield connection

    @contextmanager
    def system(self) -> Iterator[Connection]:
        """One transaction that may read, and only read, the tables of `tables.SYSTEM_READS` across tenants. Raises
        TenantRefused inside a tenant's request."""
        need_no_floor()
        with self._transaction(f"SET LOCAL ROLE {SYSTEM_ROLE}; {_NO_TENANT}") as connection:
            yield connection

    @contextmanager
    def whole(self, *, turn: str | None = None) -> Iterator[None]:
        """Everything that this thread does in transactions of this database until the end is one: kept together at the
        end, or not at all. Each `tenant`, `directory` and `system` inside becomes a savepoint, so whoever catches an
        error goes on as ever. ``turn``: of all that name the same, one at a time, until the end.

        What goes by `look_up`, `ask` and `at_once` stands outside. Nobody should wait for another system meanwhile.
        """
        if self._joined is not None:
            with self._step():
                self._take_turn(turn)
                yield
            return
        with self._transaction(_NO_TENANT) as connection:
            token = _WHOLE.set(_Whole(self, connection))
            try:
                self._take_turn(turn)
                yield
            finally:
                _WHOLE.reset(token)

    @property
    def _joined(self) -> _Whole | None:
        found = _WHOLE.get()
        return found if found is not None and found.database is self else None

    def _take_turn(self, name: str | None) -> None:
        whole = self._joined
        if name is not None and whole is not None:
            take_turn(whole.connection, name)

    @contextmanager
    def _step(self) -> Iterator[Connection]:
        """A savepoint of the whole; afterwards the transaction is whose it was before."""
        whole = self._joined
        assert whole is not None, "a step belongs to a whole"
        before = whole.opening
        try:
            with whole.connection.begin_nested():
                yield whole.connection
        finally:
            whole.opening = before
        if before != _NO_TENANT:
            # A savepoint that is kept keeps its settings too. Between two of the whole's nobody asks anything.
            whole.connection.exec_driver_sql(f"SET LOCAL ROLE {self._role}; {before}")

    def look_up(self, statement: str, values: tuple[object, ...]) -> Sequence[Row[Any]]:
        """The rows of one statement that reads through a narrow function: no tenant, no transaction, so one exchange
        with the server instead of four. For the call plane, whose callers wait for it."""
        try:
            with self._alone.connect() as connection:
                return self._rows(connection, statement, values)
        except sqlalchemy.exc.SQLAlchemyError as error:
            if not (isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated):
                raise _ours(error) or error from error
        # A connection kept idle had died meanwhile; a read may be asked again.
        try:
            with self._alone.connect() as connection:
                return self._rows(connection, statement, values)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise _ours(error) or error from error

    def ask(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """As :meth:`look_up`, by the driver alone: half the work of one question. For what every call asks."""
        try:
            return self._asked(statement, values)
        except sqlalchemy.exc.SQLAlchemyError as error:
            if not (isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated):
                raise _ours(error) or error from error
        try:
            return self._asked(statement, values)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise _ours(error) or error from error

    def at_once(
        self, agency_id: UUID | str, last: Ready, *, first: Ready | None = None, may_be_lost: bool = False
    ) -> list[tuple[Any, ...]]:
        """A tenant's whole transaction (settings, one prepared statement or two, commit) in one exchange with the
        server instead of five: several statements that arrive together are one transaction. Returns the rows of
        ``last``. Only for what may be carried out twice: a connection that had died meanwhile is replaced and the
        statements sent again. ``may_be_lost``: nobody waits for the disk; what was written in the last moment before a
        power cut may be gone, whole."""
        opening = tenant_settings(*within(agency_id, None)) + actor_setting()
        statement, values = f"{opening}; {last.prepared.executing}", last.values
        known: tuple[Prepared, ...] = (last.prepared,)
        if first is not None:
            statement = f"{opening}; {first.prepared.executing}; {last.prepared.executing}"
            values, known = (*first.values, *last.values), (first.prepared, last.prepared)
        if may_be_lost:
            statement = f"SET LOCAL synchronous_commit = off; {statement}"
        try:
            return self._asked(statement, values, known)
        except sqlalchemy.exc.SQLAlchemyError as error:
            if not (isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated):
                raise _ours(error) or error from error
        try:
            return self._asked(statement, values, known)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise _ours(error) or error from error

    def _asked(
        self, statement: str, values: tuple[object, ...], prepared: tuple[Prepared, ...] = ()
    ) -> list[tuple[Any, ...]]:
        dialect = self._alone.dialect
        driver: Any = dialect.dbapi
        connection: Any = None
        try:
            with waiting():
                connection = self._alone.raw_connection()
            with connection.cursor() as cursor, timed(statement):
                for one in prepared:
                    if one.name not in connection.info.setdefault(KNOWN, set()):
                        cursor.execute(one.preparing)
                        connection.info[KNOWN].add(one.name)
                cursor.execute(statement, values)
                rows: list[tuple[Any, ...]] = [] if cursor.description is None else cursor.fetchall()
            return rows
        except driver.Error as error:
            lost = connection is not None and dialect.is_disconnect(error, connection.driver_connection, None)
            if lost:
                connection.invalidate(error)
            raise sqlalchemy.exc.DBAPIError.instance(
                statement, None, error, driver.Error, hide_parameters=True, connection_invalidated=lost, dialect=dialect
            ) from error
        except BaseException as stopped:
            # Nobody waits any more (a deadline): what the server would still say must not answer another question.
            if connection is not None:
                connection.invalidate(stopped)
            if not isinstance(stopped, Exception):
                given_up()
            raise
        finally:
            if connection is not None:
                connection.close()

    @staticmethod
    def _rows(connection: Connection, statement: str, values: tuple[object, ...]) -> Sequence[Row[Any]]:
        return connection.exec_driver_sql(statement, values).all()

    def turn(self, name: str) -> Turn:
        """For work that one process of all may do at a time."""
        return Turn(self._alone, name)

    def dispose(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()
        self._alone.dispose()
        if self._watched:
            self._watched = False
            unwatch(2 * self._most)

    @contextmanager
    def _transaction(self, opening: str) -> Iterator[Connection]:
        try:
            whole = self._joined
            if whole is not None:
                with self._step() as joined:
                    joined.exec_driver_sql(f"SET LOCAL ROLE {self._role}; {opening}")
                    whole.opening = opening
                    yield joined
                return
            connection = self._open(opening)
            with connection:
                yield connection
                connection.commit()
        except sqlalchemy.exc.SQLAlchemyError as error:
            ours = _ours(error)
            if ours is None:
                raise
            raise ours from error

    def _open(self, opening: str) -> Connection:
        """A connection inside a transaction. One kept idle may have died meanwhile: then, nothing having been done yet,
        a fresh one is taken (SQLAlchemy drops every other idle one at the same time)."""
        with waiting():
            connection = self.engine.connect()
        try:
            connection.exec_driver_sql(opening)
        except sqlalchemy.exc.DBAPIError as error:
            connection.close()
            if not error.connection_invalidated:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return connection
        connection = self.engine.connect()
        try:
            connection.exec_driver_sql(opening)
        except BaseException:
            connection.close()
            raise
        return connection


def _ours(error: sqlalchemy.exc.SQLAlchemyError) -> DatabaseError | None:
    """`errors.translate`, counted."""
    return counted(translate(error))


class Turn:
    """One process of all has it, for as long as its connection lives: a lock of the session. Behind a pooler that hands
    connections about by the transaction it is nobody's, so such a process needs an address of the server itself."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = f"dialtrace.turn.{name}"
        self._connection: Connection | None = None

    def is_ours(self) -> bool:
        """Asks each time: whoever lost the connection has lost the turn. Raises the errors of `db.errors`."""
        statement = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            return bool(self._connection.exec_driver_sql(statement, (self._name,)).scalar_one())
        except sqlalchemy.exc.SQLAlchemyError as error:
            self.give_back()
            raise _ours(error) or error from error

    def give_back(self) -> None:
        """At once where the server hears it, else as it notices that the connection is gone. The connection goes too,
        so that nothing of the turn is left in the pool."""
        if self._connection is not None:
            with suppress(sqlalchemy.exc.SQLAlchemyError):
                self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
