"""The edge's map at a million numbers: read from its file, held, and changed by one for little."""

import time

import pytest
from sqlalchemy import text

from dialtrace.workers import edge as edge_module
from dialtrace.workers.edge import EdgeKeeper

NUMBERS = 1_000_000
ONE = "79000000777"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_given_a_million_numbers_then_the_edge_holds_them_and_one_that_moves_costs_no_large_file(
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
    edge = make_edge(memory_mb=2048)
    keeper, placements = EdgeKeeper(database, edge.folder), edge.folder.tables / "placements"
    told = {"first pass": took(keeper.look), "start": took(edge.start), "all told": took(keeper.look)}
    assert (edge.count("placements"), edge.count("moved")) == (NUMBERS, 10)
    assert [edge.sets_of(one) for one in ("79000000002", "79001000000", ONE)] == ["1,2", "1,2", "2,1"]
    written = placements.stat()
    told["idle pass"] = took(keeper.look)
    move(owner_engine, "node-1")
    told["one change"] = took(keeper.look)
    assert edge.sets_of(ONE, "moved") == "1"
    assert placements.stat().st_mtime_ns == written.st_mtime_ns
    print({name: f"{seconds:.2f} s" for name, seconds in told.items()}, f"{edge.resident_mb():.0f} MB", written.st_size)


def test_given_more_changes_than_the_small_table_takes_then_the_map_is_written_whole_and_nothing_is_lost(
    make_edge, database, owner_engine, monkeypatch
):
    monkeypatch.setattr(edge_module, "MOST_MOVED", 2)
    numbers = [f"7900000077{digit}" for digit in range(4)]
    with owner_engine.begin() as connection:
        for name in ("node-1", "node-2"):
            connection.exec_driver_sql(
                "INSERT INTO nodes (name, sip_address, state, last_seen_at) VALUES (%s, '127.0.0.1:9', 'up', now())",
                (name,),
            )
        for number in numbers:
            connection.exec_driver_sql(
                "INSERT INTO placements (e164, nodes) VALUES (%s, ARRAY['node-1', 'node-2'])", (f"+{number}",)
            )
    edge = make_edge()
    edge.start()
    keeper = EdgeKeeper(database, edge.folder)
    keeper.look()
    for moved, number in enumerate(numbers[:2], start=1):
        move(owner_engine, "node-2", number)
        keeper.look()
        assert (edge.count("placements"), edge.count("moved")) == (4, 10 + moved)
    move(owner_engine, "node-2", numbers[2])
    keeper.look()
    assert (edge.count("placements"), edge.count("moved")) == (4, 10)
    placed = edge.placed()
    assert [placed[number] for number in numbers] == ["2", "2", "2", "1,2"]
    edge.stop()
    edge.start()
    assert edge.placed() == placed


def move(owner, node, number=ONE):
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE placements SET nodes = ARRAY[%s], changed_xid = pg_current_xact_id() WHERE e164 = %s",
            (node, f"+{number}"),
        )


def took(act):
    began_s = time.perf_counter()
    act()
    return time.perf_counter() - began_s
