"""Use cases of assessments: read what is said of calls, and change it. Must not know HTTP, nor what a call is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from . import store
from .errors import VersionMismatch
from .model import CHANGEABLE, Assessment, merged


class AssessmentService:
    """The assessments in one database. ``client_id`` None stands for the whole agency."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, agency_id: UUID, client_id: UUID | None, call_ids: Sequence[UUID]) -> Mapping[UUID, Assessment]:
        """By the call; calls of which nothing was said are left out."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.find_assessments(connection, agency_id, call_ids)

    def change(
        self,
        agency_id: UUID,
        call_id: UUID,
        patch: Mapping[str, Any],
        *,
        client_id: UUID,
        started_at: datetime,
        version: int | None = None,
    ) -> Assessment:
        """Merges the patch into what is said of a call of this client. What changes nothing makes no new version.
        Raises ValueRefused, VersionMismatch."""
        with self._database.tenant(agency_id, client_id) as connection:
            before = store.lock_assessment(connection, agency_id, call_id) or Assessment(call_id, client_id)
            if version is not None and version != before.version:
                raise VersionMismatch(before.version)
            values = merged(before, patch)
            if all(_plain(values[name]) == _plain(getattr(before, name)) for name in CHANGEABLE):
                return before
            changed = store.put_assessment(
                connection, agency_id, before, values, call_started_at=started_at, now=self._clock.now()
            )
        if changed is None:
            raise VersionMismatch(before.version + 1)
        return changed


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
