"""Carriers, for the API and the jobs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from ..carriers.returning import NumberReturns
from ..carriers.service import CarrierService
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..jobs.service import JobQueue
from ..numbers.service import NumberService
from ..outgoing.service import MOST_PER_HOST
from .outside import build_outgoing
from .sealing import build_secrets_box


def build_numbers(settings: Settings, database: Database) -> NumberService:
    """The numbers, which rest before their carriers get them back."""
    return NumberService(database, SystemClock(), rest=timedelta(days=settings["DIALTRACE_NUMBER_REST_DAYS"]))


def build_carriers(settings: Settings, database: Database) -> CarrierService:
    """What orders numbers."""
    return CarrierService(
        database,
        SystemClock(),
        box=build_secrets_box(settings),
        numbers=build_numbers(settings, database),
        jobs=JobQueue(database),
        client=build_outgoing(settings, most_per_host=MOST_PER_HOST),
        inventory_dir=Path(settings["DIALTRACE_INVENTORY_DIR"] or settings.data_dir / "inventory"),
    )


def build_returns(database: Database, carriers: CarrierService) -> NumberReturns:
    """What gives numbers back."""
    return NumberReturns(database, SystemClock(), carriers=carriers, jobs=JobQueue(database))
