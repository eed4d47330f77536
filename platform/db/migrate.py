"""Brings a database to this release's shape, and says how far it is. `dialtrace db upgrade` and `db status` call this.

Safe on a live system: lock and statement timeouts are set, two upgrades at once wait for each other, and everything is
owned by dialtrace_owner whatever the login is called. The migrations travel inside the package.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files

import sqlalchemy.exc
from alembic.command import upgrade as run_alembic
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from .engine import driver_url
from .errors import DatabaseTooOld, MigrationBusy, MigrationUnknown, translate
from .roles import OWNER_ROLE, ensure_roles

LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 300_000
OLDEST_SERVER = 150_000
# Any fixed number: it names the one upgrade that may run in a database.
_UPGRADE_LOCK = 0x6469616C74726163


@dataclass(frozen=True)
class MigrationStatus:
    """Where a database stands. ``current`` is None for an empty one; ``pending`` is oldest first."""

    current: str | None
    head: str
    pending: list[str]


def upgrade(url: str, *, wait_s: float = 60.0) -> MigrationStatus:
    """Run every pending migration, each in a transaction of its own. Waits at most ``wait_s`` for another upgrade of
    the same database. Raises the errors of `db.errors`."""
    with _scripts() as config, _connection(url) as connection:
        _take_lock(connection, wait_s)
        ensure_roles(connection)
        connection.commit()
        connection.exec_driver_sql(f"SET ROLE {OWNER_ROLE}")
        connection.exec_driver_sql("SET search_path = public")
        # Of a Citus cluster; elsewhere a word that nobody reads. A migration is sent in one piece, and all of it would
        # be sent on to the other nodes for the sake of one `SET LOCAL` in it.
        connection.exec_driver_sql("SET citus.propagate_set_commands = 'none'")
        connection.exec_driver_sql(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        connection.exec_driver_sql(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        connection.commit()
        _status(config, connection)
        config.attributes["connection"] = connection
        run_alembic(config, "head")
        connection.commit()
        return _status(config, connection)


def status(url: str) -> MigrationStatus:
    """Read only: what the database has and what it lacks."""
    with _scripts() as config, _connection(url) as connection:
        return _status(config, connection)


@contextmanager
def _scripts() -> Iterator[Config]:
    """Alembic's configuration; the scripts are unpacked for as long as it is in use if the package is zipped."""
    with as_file(files("dialtrace.migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        yield config


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = create_engine(
        driver_url(url), poolclass=NullPool, connect_args={"connect_timeout": 5, "options": "-c timezone=UTC"}
    )
    try:
        with engine.connect() as connection:
            version: int = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
            if int(version) < OLDEST_SERVER:
                raise DatabaseTooOld(f"Dialtrace needs PostgreSQL 15 or later; this server says {version}.")
            yield connection
    except sqlalchemy.exc.SQLAlchemyError as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error
    finally:
        engine.dispose()


def _take_lock(connection: Connection, wait_s: float) -> None:
    """Session-wide, so it outlives the migrations' own transactions; goes with the connection."""
    until_s = time.monotonic() + wait_s
    while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_UPGRADE_LOCK})").scalar_one():
        connection.rollback()
        if time.monotonic() >= until_s:
            raise MigrationBusy(f"another upgrade of this database has not finished within {wait_s:g} s")
        time.sleep(0.1)


def _status(config: Config, connection: Connection) -> MigrationStatus:
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    assert head is not None, "the package carries no migrations"
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    try:
        pending = [script.revision for script in scripts.iterate_revisions(head, current)]
    except (CommandError, RevisionError) as error:
        raise MigrationUnknown(f"the database is at migration {current}, which this release does not know") from error
    return MigrationStatus(current=current, head=head, pending=pending[::-1])
