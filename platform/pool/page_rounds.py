"""Looks at the pages that visits came to, as a search engine would see them: a pool's number that stands there is taken
out of its pool. Must not know how pages are fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from . import rounds_store, store
from .leaks import numbers_on
from .placing_store import agencies_of
from .rounds import PoolRounds

#: The text of a page; None where there is none.
Fetch = Callable[[str], str | None]
#: Of one client at a time, those that most visits came to.
MOST_PAGES = 20
SEEN_WITHIN = timedelta(days=7)


class PageRounds:
    """One round over the pages of all clients that have pools."""

    def __init__(self, database: Database, clock: Clock, rounds: PoolRounds, fetch: Fetch) -> None:
        self._database = database
        self._clock = clock
        self._rounds = rounds
        self._fetch = fetch

    def look(self) -> int:
        """Returns how many numbers were found printed."""
        with self._database.system() as connection:
            agencies = agencies_of(connection)
        clients = [(agency_id, client_id) for agency_id in agencies for client_id in self._clients(agency_id)]
        return sum(self._look_at(agency_id, client_id) for agency_id, client_id in clients)

    def _clients(self, agency_id: UUID) -> list[UUID]:
        with self._database.tenant(agency_id) as connection:
            return rounds_store.clients_with_pools(connection, agency_id)

    def _look_at(self, agency_id: UUID, client_id: UUID) -> int:
        """A page that a server of the client's own has made with a lease names a number that is held: no leak."""
        began = self._clock.now()
        with self._database.tenant(agency_id, client_id) as connection:
            pages = rounds_store.landing_pages(connection, agency_id, client_id, began - SEEN_WITHIN, MOST_PAGES)
            numbers = rounds_store.leased_numbers(connection, agency_id, client_id)
        found: set[str] = set()
        # No transaction is open while somebody else's server is waited for.
        for page in pages:
            found |= numbers_on(self._fetch(page) or "", numbers)
        if not found:
            return 0
        with self._database.tenant(agency_id, client_id) as connection:
            printed = 0
            for row in rounds_store.lock_leased(connection, agency_id, sorted(found)):
                if not store.is_held(connection, agency_id, row.id, began):
                    self._rounds.quarantine(connection, agency_id, row, "found_on_page", 0, self._clock.now())
                    printed += 1
        return printed
