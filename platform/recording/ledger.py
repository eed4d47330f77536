"""Writes the two moments of an upload into the ledger: that it begins, and that the store has confirmed it. Recordings
that are brought home at the same moment share statement, transaction and commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ..db.engine import Database, turn_to
from ..events.service import NewEvent, append_next
from ..ids import new_id
from . import store
from .model import Due, Recording
from .together import Together

#: A row, and what is known of it since the store has confirmed it.
Verdict = tuple[Recording, Mapping[str, Any]]
#: An agency, and the places in a list of what is its own.
Turn = tuple[uuid.UUID, list[int]]


class LedgerWriter:
    """Of every agency. Raises the errors of `db.errors`; who was in the same transaction gets them too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._beginnings: Together[store.Beginning, Recording] = Together(self._begin)
        self._verdicts: Together[Verdict, Recording] = Together(self._verify)

    def begin(self, due: Due, node: str, facts: Mapping[str, Any]) -> Recording | None:
        """`uploading`; None: nothing may be sent (`store.find_standing` says why)."""
        return self._beginnings.do(store.Beginning(due, node, facts))

    def verify(self, row: Recording, values: Mapping[str, Any]) -> Recording | None:
        """`verified`, with its event; None if it is so already or was erased meanwhile."""
        return self._verdicts.do((row, values))

    def _begin(self, begun: Sequence[store.Beginning]) -> Sequence[Recording | None]:
        results: dict[int, Recording | None] = {}
        with self._each_agency([one.due.agency_id for one in begun]) as (connection, turns):
            for agency_id, places in turns:
                rows = [begun[place] for place in places]
                found = store.begin_uploads(connection, agency_id, [new_id() for _ in rows], rows)
                results.update(zip(places, found, strict=True))
        return [results[place] for place in range(len(begun))]

    def _verify(self, verdicts: Sequence[Verdict]) -> Sequence[Recording | None]:
        done: dict[uuid.UUID, Recording] = {}
        with self._each_agency([row.agency_id for row, _ in verdicts]) as (connection, turns):
            for agency_id, places in turns:
                values = {verdicts[place][0].id: verdicts[place][1] for place in places}
                verified = store.verify_all(connection, agency_id, values)
                append_next(connection, agency_id, [ready(row) for row in verified.values()])
                done |= verified
        return [done.get(row.id) for row, _ in verdicts]

    @contextmanager
    def _each_agency(self, ids: Sequence[uuid.UUID]) -> Iterator[tuple[Any, Iterator[Turn]]]:
        """One transaction, and in it each agency in turn with the places of what is its own; in the order of their
        ids, so that two processes never wait for each other crosswise."""
        agencies = sorted(set(ids))

        def turns(connection: Any) -> Iterator[Turn]:
            for number, agency_id in enumerate(agencies):
                if number:
                    turn_to(connection, agency_id)
                yield agency_id, [place for place, one in enumerate(ids) if one == agency_id]

        with self._database.tenant(agencies[0]) as connection:
            yield connection, turns(connection)


def ready(row: Recording, *, at: datetime | None = None) -> NewEvent:
    """For `append_next`: the revision counts how often a recording of the call became ready, the first segment, the
    next one, one that was made into another form. ``at`` None: when the store had confirmed it."""
    moment = at or row.stored_at
    assert moment is not None
    return NewEvent(
        type="recording.ready",
        occurred_at=moment,
        client_id=row.client_id,
        call_id=row.call_id,
        data={"recording_id": str(row.id), "segment": row.segment},
    )
