"""Whose key it is; the operator's own."""

from __future__ import annotations

from pathlib import Path

from ..clock import SystemClock
from ..db.engine import Database
from ..db.tables import OPERATOR_AGENCY
from ..tenancy.errors import InvalidKey
from ..tenancy.service import TenancyService


def build_tenancy(database: Database) -> TenancyService:
    """Whose key it is, for processes that serve tenants."""
    return TenancyService(database, SystemClock())


def operator_key(database_url: str, data_dir: Path) -> str:
    """The operator's API key of this installation: made once and kept in a file that only its owner can read."""
    path = data_dir / "operator-key"
    database = Database(database_url, pool_size=1)
    try:
        tenancy = TenancyService(database, SystemClock())
        if path.exists():
            token = path.read_text(encoding="utf-8").strip()
            try:
                tenancy.authenticate(token)
            except InvalidKey:
                pass
            else:
                return token
        _, token = tenancy.create_key(OPERATOR_AGENCY, role="operator", name="made by dialtrace up")
    finally:
        database.dispose()
    path.touch(mode=0o600)
    path.write_text(token + "\n", encoding="utf-8")
    return token
