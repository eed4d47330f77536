"""Keeps the monthly partitions of every partitioned table ahead of time. Must not know what is stored in them."""

from datetime import datetime

from sqlalchemy import text

from .engine import Database


def make_partitions(database: Database, now: datetime, *, months_ahead: int = 3) -> int:
    """Make sure of the partitions for this month and the ``months_ahead`` after it; returns how many were made. Without
    them nothing is lost (the default partition takes every row), reports only get slower."""
    statement = text("SELECT dialtrace_make_partitions(CAST(:first AS date), :months)")
    with database.directory() as connection:
        made: int = connection.execute(
            statement, {"first": now.date().replace(day=1), "months": months_ahead + 1}
        ).scalar_one()
    return made
