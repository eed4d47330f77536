"""What looks after the pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Turn
from ..outgoing.errors import OutgoingError
from ..outgoing.model import Request
from ..outgoing.service import OutgoingClient
from ..pool.model import Pool
from ..pool.page_rounds import Fetch, PageRounds
from ..pool.placing import Placer
from ..pool.rounds import PoolRounds
from ..watching.service import PoolStanding, WatchService
from .databases import build_database
from .outside import build_outgoing

#: What only one process may do at a time.
TURN = "pools"


#: A page, and what is read of it.
PAGE_TIMEOUT_S, PAGE_BYTES = 10.0, 2_000_000


def build_pool_work(settings: Settings) -> tuple[Placer, PoolRounds, PageRounds, Turn]:
    """Its statements go through all numbers of an agency in pages: they may take longer than an API's."""
    database, clock = build_database(settings, pool_size=3, statement_timeout_ms=60_000), SystemClock()
    rounds = PoolRounds(database, clock, pools_told(WatchService(database)))
    pages = PageRounds(database, clock, rounds, page_fetcher(build_outgoing(settings, most_per_host=1)))
    return Placer(database), rounds, pages, database.turn(TURN)


def pools_told(watching: WatchService) -> Callable[[Sequence[tuple[Pool, int, int]]], None]:
    """The NOC sees those that lose most."""

    def tell(found: Sequence[tuple[Pool, int, int]]) -> None:
        watching.note_pools(
            [
                PoolStanding(str(pool.agency_id), str(pool.id), pool.name, visits, lost, pool.loss_target)
                for pool, visits, lost in found
            ]
        )

    return tell


def page_fetcher(client: OutgoingClient) -> Fetch:
    """Pages as they are served to whoever runs no script."""

    def fetch(url: str) -> str | None:
        request = Request(
            "GET", url, PAGE_TIMEOUT_S, {"User-Agent": "Dialtrace-LeakRadar/1.0", "Accept": "text/html"},
            most_read_bytes=PAGE_BYTES,
        )  # fmt: skip
        try:
            answer = client.send(request, use="pages")
        except OutgoingError:
            return None
        return answer.body.decode("utf-8", "replace") if answer.status == 200 else None

    return fetch
