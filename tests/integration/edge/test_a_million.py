"""The edge's map at a million numbers: whole, found, changed by one, and there again after a start."""

import time

import pytest
from sqlalchemy import text

from dialtrace.workers.edge import EdgeKeeper

NUMBERS = 1_000_000


@pytest.mark.slow
def test_given_a_million_numbers_then_the_edge_holds_them_and_hears_of_one_that_moves(
    make_edge, database, owner_engine
):
    with owner_engine.begin() as connection:
        for name in ("node-1", "node-2"):
            connection.execute(
                text(
                    "INSERT INTO nodes (name, sip_address, state, last_seen_at) VALUES (:n, '127.0.0.1:9', 'up', now())"
                ),
                {"n": name},
            )
        connection.execute(
            text(
                "INSERT INTO placements (e164, nodes) SELECT '+79' || lpad(n::text, 9, '0'),"
                " CASE WHEN n % 2 = 0 THEN ARRAY['node-1', 'node-2'] ELSE ARRAY['node-2', 'node-1'] END"
                " FROM generate_series(1, :numbers) n"
            ),
            {"numbers": NUMBERS},
        )
    edge = make_edge(memory_mb=768)
    keeper = EdgeKeeper(database, edge.folder)
    told = {"first pass": took(keeper.look), "start": took(edge.start), "all told": took(keeper.look)}
    assert edge.count() == NUMBERS + 10
    assert [edge.nodes_of("79000000002"), edge.nodes_of("79001000000"), edge.nodes_of("79000000777")] == [
        "1,2", "1,2", "2,1",
    ]  # fmt: skip
    told["idle pass"] = took(keeper.look)
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE placements SET nodes = ARRAY['node-1'], changed_xid = pg_current_xact_id()"
                " WHERE e164 = '+79000000777'"
            )
        )
    told["one change"] = took(keeper.look)
    assert edge.nodes_of("79000000777") == "1"
    print({name: f"{seconds:.2f} s" for name, seconds in told.items()}, f"{edge.resident_mb():.0f} MB")
    edge.stop()
    edge.start()
    assert (edge.count(), edge.nodes_of("79000000777")) == (NUMBERS + 10, "1")


def took(act):
    began_s = time.perf_counter()
    act()
    return time.perf_counter() - began_s
