"""Keeps every number's list of nodes as the nodes ask for it. One process of all does it at a time; whoever else
computes a list comes to the same.

Leases do not wait for it: they look at the nodes' own rows, so numbers of a node that goes down or drains come last
from the next lease on. What is kept here is who stands in for whom, for the edges, and which node a lease prefers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from ..db.engine import Database
from . import placing_store as store
from .plan import Moves, NodeWeight, moves

PAGE = 5_000


class Placer:
    """Places numbers. ``place_all`` after the nodes changed, ``place_changed`` for numbers that are new."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nodes: list[NodeWeight] = []
        self._mark: str | None = None
        self._is_known = False

    def run(self) -> int:
        """One pass; returns how many numbers got another list. Raises the errors of `db.errors`."""
        nodes = self.nodes()
        if not nodes:
            return 0
        if nodes != self._nodes or not self._is_known:
            self._is_known = False
            self._mark = self._changed(None)[0]
            placed = sum(self._place(agency, nodes, None) for agency in self._agencies())
            self._nodes, self._is_known = nodes, True
            return placed
        mark, changed = self._changed(self._mark)
        placed = sum(self._place(agency, nodes, numbers) for agency, numbers in changed.items())
        self._mark = mark
        return placed

    def nodes(self) -> list[NodeWeight]:
        """As placement sees them at this moment, by name."""
        with self._database.directory() as connection:
            return store.read_nodes(connection)

    def plan(self, nodes: Sequence[NodeWeight]) -> Moves:
        """What `run` would do with these nodes; changes nothing."""
        into = Moves()
        for agency in self._agencies():
            for page in self._pages(agency):
                moves(page, nodes, into)
        return into

    def _place(self, agency_id: UUID, nodes: Sequence[NodeWeight], numbers: list[str] | None) -> int:
        pages = self._pages(agency_id) if numbers is None else self._named(agency_id, numbers)
        placed = 0
        for page in pages:
            changed = moves(page, nodes, Moves())
            if changed:
                with self._database.tenant(agency_id) as connection:
                    placed += store.place(connection, agency_id, changed)
        return placed

    def _agencies(self) -> list[UUID]:
        with self._database.system() as connection:
            return store.agencies_of(connection)

    def _changed(self, mark: str | None) -> tuple[str, dict[UUID, list[str]]]:
        with self._database.directory() as connection:
            return store.changed_numbers(connection, mark)

    def _pages(self, agency_id: UUID) -> Iterator[Sequence[tuple[str, Any]]]:
        after = ""
        while True:
            with self._database.tenant(agency_id) as connection:
                page = store.placed(connection, agency_id, after, PAGE)
            if page:
                yield page
                after = page[-1][0]
            if len(page) < PAGE:
                return

    def _named(self, agency_id: UUID, numbers: list[str]) -> Iterator[Sequence[tuple[str, Any]]]:
        """As if nothing were placed: `place` changes only what is another."""
        for start in range(0, len(numbers), PAGE):
            yield [(number, None) for number in numbers[start : start + PAGE]]
