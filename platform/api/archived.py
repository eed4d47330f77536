"""Says of calls that are asked for when some of them may have gone to the archive: no answer is silent about what it
does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

from pydantic import Field

from ..cdr.errors import CallUnknown
from .auth import Asked
from .errors import Problem
from .fields import Moment

#: The header of an answer that has no members.
HEADER = "Dialtrace-Archived-Until"

ArchivedUntil = Annotated[
    Moment | None,
    Field(
        description="Calls of the span that began before this moment may have gone to the archive (`GET /v1/archive`)"
        " and are not in here; null: none has.",
        examples=[None],
    ),
]


def archived_until(
    asked: Asked, from_at: datetime | None, until_at: datetime | None, *, by: datetime | None = None
) -> datetime | None:
    """What :data:`ArchivedUntil` says of a span; None is open."""
    return asked.services.archive.archived_until(asked.agency_id, from_at=from_at, until_at=until_at, by=by)


@contextmanager
def telling_the_archive(asked: Asked) -> Iterator[None]:
    """A call that is not there may have gone: then the answer says until when calls have."""
    try:
        yield
    except CallUnknown as unknown:
        gone = archived_until(asked, None, None)
        if gone is None:
            raise
        words = f"Calls that began before {gone.date()} have gone to the archive: GET /v1/archive."
        raise Problem("not_found", f"There is no such call. {words}") from unknown
