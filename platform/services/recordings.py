"""Recordings, for those who look after them."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..recording.inspection import RecordingInspector
from ..recording.service import RecordingService
from .databases import build_database
from .outside import build_guard
from .sealing import build_box_if_any
from .stores import build_store


def build_inspector(settings: Settings) -> RecordingInspector:
    """What reads the ledger and asks the stores."""
    database = build_database(settings, pool_size=1, statement_timeout_ms=60_000)
    service = RecordingService(
        database,
        build_store(settings),
        box=build_box_if_any(settings),
        clock=SystemClock(),
        guard=build_guard(settings),
    )
    return RecordingInspector(database, service.places)
