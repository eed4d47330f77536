"""Months of records."""

from __future__ import annotations

from ..archive.reading import ArchiveReader
from ..archive.service import ArchiveService
from ..clock import SystemClock
from ..config import Settings
from .databases import build_database
from .stores import build_store


def build_archive(settings: Settings) -> ArchiveService:
    """Its statements read whole partitions: they may take longer than an API's."""
    return ArchiveService(
        build_database(settings, pool_size=2, statement_timeout_ms=600_000),
        build_store(settings),
        SystemClock(),
        keep_months=settings["DIALTRACE_PARTITIONS_KEEP_MONTHS"],
    )


def build_reader(settings: Settings) -> ArchiveReader:
    """For the command line; the API has one on its own connections."""
    return ArchiveReader(build_database(settings, pool_size=1), build_store(settings))
