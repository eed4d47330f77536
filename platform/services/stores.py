"""The object store."""

from __future__ import annotations

from ..config import Settings
from ..exports.making import StoreOf
from ..objectstore.model import ObjectStore
from ..objectstore.service import open_store, parse_encryption


def build_store(settings: Settings) -> ObjectStore:
    """The object store for recordings that the settings name."""
    return open_store(
        settings.recordings_url,
        endpoint_url=settings.s3_endpoint_url,
        encryption=parse_encryption(settings["DIALTRACE_S3_ENCRYPTION"]),
    )


def export_store(settings: Settings) -> StoreOf:
    """Where an agency's exports stand: where recordings do."""
    objects = build_store(settings)
    return lambda _agency: ("", objects)
