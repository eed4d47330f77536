"""Where the files of exports stand: in the installation's object store, those of a schedule in the agency's own bucket
where it has one. A file stays where it was put, whatever the agency's store is later: its row names the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from ..objectstore.model import ObjectStore

#: The installation's own store.
HERE = ""


class OwnStores(Protocol):
    """Buckets of agencies' own (recording)."""

    def current_store(self, agency_id: UUID) -> tuple[UUID, ObjectStore] | None:
        """The one that takes what is new; None: the agency has none."""
        ...

    def store_of(self, agency_id: UUID, store_id: UUID | None) -> ObjectStore:
        """One that an agency has or had."""
        ...


@dataclass(frozen=True)
class ExportPlaces:
    """``own`` None: nobody has a bucket of its own."""

    here: ObjectStore
    own: OwnStores | None = None

    def current(self, agency_id: UUID, *, scheduled: bool) -> tuple[str, ObjectStore]:
        """The place for what is made now, and its word in `export_objects`. What somebody has asked for at once is kept
        for a few days only, and stays here, where an erasure may rewrite it. Raises the errors of `recording.errors`
        and of `secrets_box`."""
        found = self.own.current_store(agency_id) if self.own is not None and scheduled else None
        return (HERE, self.here) if found is None else (str(found[0]), found[1])

    def at(self, agency_id: UUID, place: str) -> ObjectStore:
        """The store that a row names."""
        if place == HERE or self.own is None:
            return self.here
        return self.own.store_of(agency_id, UUID(place))
