"""What examines an installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..calls.nodes import NodeDirectory
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..doctor.database import database_checks
from ..doctor.machine import machine_checks
from ..doctor.model import AREAS, Check, Finding, examine
from ..doctor.nodes import node_checks
from ..doctor.outside import api_checks, number_checks, store_checks
from ..errors import DialtraceError
from ..nodesfile import NodeSettings, read_nodes
from ..numbers.service import NumberService
from .databases import build_database
from .stores import build_store

Checks = list[tuple[str, Check]]


def examination(settings: Settings, areas: tuple[str, ...] = AREAS) -> Iterator[list[Finding]]:
    """The findings of each area, one area after another. The settings name a database. Raises nothing that an
    installation may have wrong with it: that is a finding."""
    database = build_database(settings, pool_size=2, statement_timeout_ms=5_000)
    try:
        for area in AREAS:
            if area in areas:
                yield _examine(area, partial(_MADE[area], settings, database))
    finally:
        database.dispose()


def _examine(area: str, make: Callable[[], Checks]) -> list[Finding]:
    try:
        return examine(area, make())
    except DialtraceError as error:
        return [Finding(area, "settings", "fault", str(error), "docs/settings.md")]


def _nodes(settings: Settings) -> list[NodeSettings]:
    """Of this machine; a machine may have none."""
    return read_nodes(settings.nodes_file) if settings.nodes_file.exists() else []


def _machine(settings: Settings, _: Database) -> Checks:
    speech = settings["DIALTRACE_SPEECH"]
    spools = [node.spool for node in _nodes(settings)]
    return machine_checks(settings.data_dir, spools, [] if speech == "none" else [speech])


def _database(settings: Settings, database: Database) -> Checks:
    return database_checks(settings.database_url, database, SystemClock().now)


def _of_nodes(settings: Settings, database: Database) -> Checks:
    return node_checks(_nodes(settings), NodeDirectory(database), settings.worker_listen, SystemClock().now)


def _store(settings: Settings, _: Database) -> Checks:
    return store_checks(build_store(settings))


def _api(settings: Settings, _: Database) -> Checks:
    url, *further = settings.public_addresses
    return api_checks(url, further, SystemClock().now)


def _numbers(settings: Settings, database: Database) -> Checks:
    clock = SystemClock()
    return number_checks(NumberService(database, clock), settings["DIALTRACE_PROOFS_PER_DAY"], clock.now)


_MADE: dict[str, Callable[[Settings, Database], Checks]] = {
    "machine": _machine,
    "database": _database,
    "nodes": _of_nodes,
    "store": _store,
    "api": _api,
    "numbers": _numbers,
}
