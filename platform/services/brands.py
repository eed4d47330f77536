"""Under whose name people see the platform."""

from __future__ import annotations

from ..brands.service import BrandService
from ..config import Settings
from ..db.engine import Database


def build_brands(settings: Settings, database: Database) -> BrandService:
    """Agencies' brands, above the platform's own."""
    return BrandService(database, mail_from=settings["DIALTRACE_MAIL_FROM"])
