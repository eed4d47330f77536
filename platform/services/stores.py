"""The object store."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..exports.places import ExportPlaces
from ..objectstore.model import ObjectStore
from ..objectstore.service import WatchedStore, open_store, parse_encryption
from ..recording.service import RecordingService
from .outside import build_guard
from .sealing import build_box_if_any


def build_store(settings: Settings) -> ObjectStore:
    """The object store for recordings that the settings name."""
    return WatchedStore(
        open_store(
            settings.recordings_url,
            endpoint_url=settings.s3_endpoint_url,
            encryption=parse_encryption(settings["DIALTRACE_S3_ENCRYPTION"]),
        )
    )


def export_places(settings: Settings, database: Database) -> ExportPlaces:
    """Where exports stand: where recordings do, those of schedules in the agency's own bucket where it has one."""
    objects = build_store(settings)
    guard = build_guard(settings)
    service = RecordingService(database, objects, box=build_box_if_any(settings), clock=SystemClock(), guard=guard)
    return ExportPlaces(objects, service.places)
