"""What all tables share: how keys and constraints are called, and kinds of columns. Must not know any table."""

from datetime import datetime

from sqlalchemy import Column, DateTime, MetaData, text
from sqlalchemy.types import UserDefinedType

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id: lets a follower ask for changes without losing a slow commit."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def stamp(name: str, *, default_now: bool = False, nullable: bool = True) -> Column[datetime]:
    """A moment in UTC."""
    default = text("now()") if default_now else None
    return Column(name, DateTime(timezone=True), nullable=nullable and not default_now, server_default=default)
