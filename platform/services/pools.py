"""What looks after the pools."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Turn
from ..pool.placing import Placer
from ..pool.rounds import PoolRounds
from .databases import build_database

#: What only one process may do at a time.
TURN = "pools"


def build_pool_work(settings: Settings) -> tuple[Placer, PoolRounds, Turn]:
    """Its statements go through all numbers of an agency in pages: they may take longer than an API's."""
    database = build_database(settings, pool_size=2, statement_timeout_ms=60_000)
    return Placer(database), PoolRounds(database, SystemClock()), database.turn(TURN)
