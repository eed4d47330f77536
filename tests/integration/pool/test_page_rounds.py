"""A pool's number that a client's own page says leaves the pool; the page comes over real HTTP."""

import http.server
import threading
from ipaddress import ip_network

import pytest
from sqlalchemy import text

from dialtrace.ids import new_id
from dialtrace.outgoing.model import Rules
from dialtrace.outgoing.service import OutgoingClient
from dialtrace.pool.page_rounds import PageRounds
from dialtrace.pool.rounds import PoolRounds
from dialtrace.services.pools import page_fetcher


@pytest.fixture
def web():
    """A web server; its pages are set by the test."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = server.pages.get(self.path)
            self.send_response(200 if page else 404)
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def look(database, clock, web):
    rules = Rules(private_networks=(ip_network("127.0.0.0/8"),), ports=frozenset({web.server_port}))
    fetch = page_fetcher(OutgoingClient(rules))
    return PageRounds(database, clock, PoolRounds(database, clock), fetch).look


def came_to(owner, client, clock, page):
    with owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO visits (agency_id, id, started_at, client_id, site_id, visitor_id, landing_page, channel,"
                " source, last_seen_at, classified_by, rules_version, device, consent)"
                " VALUES (:a, :i, :t, :c, :i, :i, :p, 'direct', '(direct)', :t, 'test', 1, 'desktop', 'given')"
            ),
            {"a": client.agency_id, "i": new_id(), "t": clock.now(), "c": client.id, "p": page},
        )


def test_given_a_page_that_says_a_pools_number_then_it_leaves_the_pool_unless_somebody_holds_it(
    look, web, stock, client, clock, owner_engine, service, agency, visit
):
    pool = stock.pool(3)
    held = service.lease(agency.id, pool, visit())
    assert held.e164 == "+442079460001"
    web.pages["/"] = "<p>Call 020 7946 0001</p><p>or <a href='tel:+442079460002'>020 7946 0002</a></p>"
    base = f"http://127.0.0.1:{web.server_port}"
    for page in (f"{base}/", f"{base}/gone", "http://127.0.0.1:1/", "ftp://nonsense"):
        came_to(owner_engine, client, clock, page)
    assert look() == 1
    with owner_engine.connect() as connection:
        rows = connection.execute(text("SELECT e164, state, state_reason FROM numbers ORDER BY e164")).all()
        told = connection.execute(text("SELECT data->>'reason' FROM events")).scalars().all()
    assert [tuple(row) for row in rows] == [
        ("+442079460001", "in_pool", None),
        ("+442079460002", "quarantined", "found_on_page"),
        ("+442079460003", "in_pool", None),
    ]
    assert told == ["found_on_page"]
    assert look() == 0
