"""Carriers, for the API and the jobs."""

from __future__ import annotations

from pathlib import Path

from ..carriers.service import CarrierService
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..jobs.service import JobQueue
from ..numbers.service import NumberService
from ..outgoing.service import MOST_PER_HOST
from .outside import build_outgoing
from .sealing import build_secrets_box


def build_carriers(settings: Settings, database: Database) -> CarrierService:
    """What orders numbers."""
    clock = SystemClock()
    return CarrierService(
        database,
        clock,
        box=build_secrets_box(settings),
        numbers=NumberService(database, clock),
        jobs=JobQueue(database),
        client=build_outgoing(settings, most_per_host=MOST_PER_HOST),
        inventory_dir=Path(settings["DIALTRACE_INVENTORY_DIR"] or settings.data_dir / "inventory"),
    )
