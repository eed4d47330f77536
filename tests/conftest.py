"""Fixtures that every test may use: the network is shut, and a database is there for those who ask.

The server is started once per run: the embedded one, or the one of DIALTRACE_TEST_DATABASE_URL (a login that may make
databases and roles). Each pytest-xdist worker has a database of its own, copied from a template that one of them
migrated. A test finds it empty but for the operator's agency.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database, driver_url
from dialtrace.db.job_schema import TABLES as JOB_TABLES
from dialtrace.db.migrate import upgrade
from dialtrace.db.tables import OPERATOR_AGENCY, metadata

from .statements import Collected, faults_in

UNIT = Path(__file__).parent / "unit"

#: What this process has asked of databases (tests/statements.py).
COLLECTED = Collected()
#: The exit status of a run with a statement that would cross shards: no second try mends it.
CROSSES_SHARDS = 6
event.listen(Engine, "before_cursor_execute", COLLECTED.listen)

# How quick the machine is at this moment is no property of the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests open no socket at all, the others only on loopback."""
    if UNIT in request.path.parents:
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


def _run_folder(config: pytest.Config) -> Path:
    """A folder that all workers of this run share, and no other run."""
    base: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return base.parent if hasattr(config, "workerinput") else base


def _template_name(folder: Path) -> str:
    """Another run on the same server has another name."""
    return f"dialtrace_test_{folder.stat().st_ino}"


def _server_folder(run_folder: Path) -> Path:
    """Where this run's server lives. Not below pytest's own folder: as root the server runs as another user, and every
    pytest that starts shuts that folder for all others again."""
    note = run_folder / "server-folder"
    if not note.exists():
        note.write_text(tempfile.mkdtemp(prefix="dialtrace-test-"), encoding="utf-8")
    return Path(note.read_text(encoding="utf-8")) / "postgres"


@contextmanager
def _taking_turns(folder: Path) -> Iterator[None]:
    with (folder / "database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _on_server(url: str, *statements: str) -> None:
    """Run statements that no transaction may hold (CREATE DATABASE)."""
    engine = create_engine(driver_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest) -> str:
    """Address of a server, as a login that may do everything; its databases are the tests' own."""
    given = os.environ.get("DIALTRACE_TEST_DATABASE_URL")
    if given:
        return given
    folder = _run_folder(request.config)
    with _taking_turns(folder):
        url = start_embedded(_server_folder(folder)).url
        # Nobody needs a test's data after a power cut.
        _on_server(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    return url


@pytest.fixture(scope="session")
def template_database(request: pytest.FixtureRequest, database_server: str) -> str:
    """Name of a migrated database that nobody is connected to, to make copies of."""
    folder = _run_folder(request.config)
    name = _template_name(folder)
    with _taking_turns(folder):
        done = folder / "template.done"
        if not done.exists():
            _on_server(database_server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
            upgrade(_named(database_server, name))
            done.write_text(name, encoding="utf-8")
    return name


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest, database_server: str, template_database: str) -> Iterator[str]:
    """This worker's own migrated database, as a login that may do everything."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw")
    name = f"{template_database}_{worker}"
    with _taking_turns(_run_folder(request.config)):
        _on_server(
            database_server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE {template_database}"
        )
    yield _named(database_server, name)
    _on_server(database_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def owner_engine(database_url: str) -> Iterator[Engine]:
    """Sees and changes everything: for what a test puts there and what it checks. Empties the database first."""
    engine = create_engine(driver_url(database_url), poolclass=NullPool, connect_args={"options": "-c timezone=UTC"})
    _empty(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def database(database_url: str, owner_engine: Engine) -> Iterator[Database]:
    """Connections as the application has them, to an empty database."""
    connections = Database(database_url)
    yield connections
    connections.dispose()


def _empty(engine: Engine) -> None:
    """DELETE, not TRUNCATE: with a handful of rows it is several times faster, and waits for nobody who only reads."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
        for table in metadata.sorted_tables:
            if table.name == "caller_secret":
                continue  # its one row is made with the database
            kept = f" WHERE agency_id <> '{OPERATOR_AGENCY}'" if table.name in {"agencies", "clients"} else ""
            connection.exec_driver_sql(f"DELETE FROM {table.name}{kept}")
        for name in JOB_TABLES:
            connection.exec_driver_sql(f"DELETE FROM {name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a passing test has to say (`record_property("said", …)`): a figure that belongs into the log of a run."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "said":
                terminalreporter.write_line(str(value))


def _check_statements(session: pytest.Session, folder: Path) -> None:
    """Tells of statements that a cluster could not send to one node; `make prove` fails for one."""
    for path in folder.glob("statements-*.json"):
        COLLECTED.read(path)
    faults = faults_in(COLLECTED)
    if faults:
        print(f"\n{len(faults)} statements would cross shards (tests/statements.py):", *faults, sep="\n  ")
        if os.environ.get("DIALTRACE_SHARDS") == "strict":
            session.exitstatus = CROSSES_SHARDS


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The process that began the run ends what its workers shared, and reads what they have asked of databases."""
    if not hasattr(session.config, "_tmp_path_factory"):
        return
    folder = _run_folder(session.config)
    worker = getattr(session.config, "workerinput", {}).get("workerid")
    if worker is not None:
        COLLECTED.write(folder / f"statements-{worker}.json")
        return
    _check_statements(session, folder)
    if (folder / "server-folder").exists():
        data = _server_folder(folder)
        if (data / "PG_VERSION").exists():
            start_embedded(data).stop()
        shutil.rmtree(data.parent, ignore_errors=True)
    given = os.environ.get("DIALTRACE_TEST_DATABASE_URL")
    if given and (folder / "template.done").exists():
        _on_server(given, f"DROP DATABASE IF EXISTS {_template_name(folder)}")
