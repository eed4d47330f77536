"""Connections to the database."""

from __future__ import annotations

from ..config import Settings
from ..db.engine import Database


def build_database(settings: Settings, *, pool_size: int = 5, statement_timeout_ms: int = 10_000) -> Database:
    """Connections in the application's role."""
    return Database(settings.database_url, pool_size=pool_size, statement_timeout_ms=statement_timeout_ms)
