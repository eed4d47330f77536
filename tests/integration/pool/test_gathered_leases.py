"""New visits that wait for one pool at the same moment: one statement gives them their numbers, each its own."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from dialtrace.db.prepared import Prepared, Ready
from dialtrace.ids import new_id
from dialtrace.metrics import POOL_GATHERED
from dialtrace.pool.service import ON_THE_WAY, Pools
from dialtrace.pool.together_store import LEASE_TOGETHER, MOST_TOGETHER

PATIENCE_S = 60.0
#: Something of a visit's own that is written with its lease, by one or by many; 0 spoils it.
NOTE = Prepared("test_note", ("integer",), "INSERT INTO test_notes (share) VALUES (100 / $1)")
NOTES = Prepared(
    "test_notes",
    ("jsonb",),
    "INSERT INTO test_notes (share) SELECT 100 / (v ->> 0)::integer FROM jsonb_array_elements($1) v",
)


@pytest.fixture
def notes(owner_engine):
    """Reads what was written with the leases."""
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE test_notes (share integer)")
        connection.exec_driver_sql("GRANT INSERT ON test_notes TO dialtrace_app")

    def read():
        with owner_engine.connect() as connection:
            return sorted(connection.exec_driver_sql("SELECT share FROM test_notes").scalars())

    yield read
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE test_notes")


@pytest.fixture
def fresh(visit):
    """Makes visits of visitors whom nobody has seen."""
    return lambda **facts: replace(visit(str(new_id()), **facts), is_new=True)


@pytest.fixture
def lease_together(service, agency, owner_engine):
    """Leases for visits of which the first are on the way and the others wait in line; what each got, or its fault."""

    def stand(count, pool):
        on_the_way = min(count, ON_THE_WAY)
        in_line = service.gathering.waiting((agency.id, pool))
        return waiting(owner_engine) == on_the_way and in_line == count - on_the_way

    def lease(pool, visits, firsts=None):
        with ThreadPoolExecutor(len(visits)) as threads, owner_engine.connect() as connection:
            connection.exec_driver_sql("LOCK TABLE exposures IN SHARE MODE")
            asked = []
            for place, one in enumerate(visits):
                first = None if firsts is None else firsts[place]
                asked.append(threads.submit(service.lease, agency.id, pool, one, first=first))
                until(lambda place=place: stand(place + 1, pool))
            connection.rollback()
            return [one.exception(PATIENCE_S) or one.result() for one in asked]

    return lease


def until(condition):
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def waiting(owner):
    """How many statements wait for the table; other tests use the same server."""
    own = "SELECT oid FROM pg_database WHERE datname = current_database()"
    with owner.connect() as connection:
        query = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND database = ({own})"
        return connection.exec_driver_sql(query).scalar()


def gathered():
    return POOL_GATHERED._value.get()


def test_given_visits_that_wait_then_each_has_a_number_alone_the_longest_rested_first_and_its_exposure(
    service, stock, agency, fresh, lease_together, clock
):
    stock.node("a")
    stock.node("b")
    pool = stock.pool(6, first_node="a")
    for index in range(6):
        stock.number(pool, index, first_node="b")
    service.lease(agency.id, pool, fresh())
    visits, before = [fresh(source="google") for _ in range(7)], gathered()
    got = lease_together(pool, visits)
    assert gathered() - before == 7 - ON_THE_WAY
    assert [one.rung for one in got] == ["exclusive"] * 7
    # Both nodes' numbers by how long they have rested: 1 was leased before. Who went alone comes before or after.
    rested = ["07", "02", "08", "03", "09", "04", "10"]
    places = [rested.index(one.e164[-2:]) for one in got]
    assert sorted(places) == list(range(7))
    assert places[ON_THE_WAY:] == sorted(places[ON_THE_WAY:])
    assert {one.held_until for one in got} == {clock.now() + timedelta(seconds=1200)}
    kept = {row.id: row for row in stock.exposures()}
    for one, lease in zip(visits, got, strict=True):
        row = kept[lease.exposure_id]
        assert (row.visit_id, row.visitor_id, row.number_id) == (one.id, one.visitor_id, lease.number_id)
        assert (row.rung, row.shown_at, row.held_until) == ("exclusive", clock.now(), lease.held_until)
    # They are theirs: asked again, each goes on with what it has.
    again = [service.lease(agency.id, pool, replace(one, is_new=False)) for one in visits]
    assert [(one.number_id, one.exposure_id) for one in again] == [(one.number_id, one.exposure_id) for one in got]


def test_given_fewer_numbers_than_visits_that_wait_then_those_who_asked_first_have_them_and_the_others_share(
    service, stock, agency, fresh, lease_together
):
    pool = stock.pool(8)
    service.lease(agency.id, pool, fresh())
    got = lease_together(pool, [fresh() for _ in range(10)])
    alone = [at for at, one in enumerate(got) if one.rung == "exclusive"]
    assert len(alone) == len({got[at].number_id for at in alone}) == 7
    together = [at for at in alone if at >= ON_THE_WAY]
    assert together == list(range(ON_THE_WAY, ON_THE_WAY + len(together)))
    assert {one.rung for one in got} == {"exclusive", "shared"}


def test_given_what_is_written_with_each_lease_then_all_of_it_is_and_one_that_cannot_be_spoils_no_other(
    service, stock, agency, fresh, lease_together, notes
):
    pool, before = stock.pool(20), gathered()
    service.lease(agency.id, pool, fresh())
    shares = (1, 2, 4, 5, 10, 20, 25)
    got = lease_together(pool, [fresh() for _ in shares], [Ready(NOTE, (share,), NOTES) for share in shares])
    assert [one.rung for one in got] == ["exclusive"] * 7
    assert notes() == [4, 5, 10, 20, 25, 50, 100]
    assert gathered() - before == 7 - ON_THE_WAY
    shares = (100, 100, 100, 100, 50, 0, 50)
    got = lease_together(pool, [fresh() for _ in shares], [Ready(NOTE, (share,), NOTES) for share in shares])
    assert [getattr(one, "rung", "none") for one in got] == ["exclusive"] * 5 + ["none", "exclusive"]
    assert "division by zero" in str(got[5])
    assert notes() == [1, 1, 1, 1, 2, 2, 4, 5, 10, 20, 25, 50, 100]
    assert len(stock.exposures()) == 14


def test_given_a_pool_that_matches_regions_then_each_visit_asks_alone_and_has_its_own(
    service, stock, agency, fresh, lease_together
):
    pool = stock.pool(4, regions=["Leeds", "London", "Leeds", "London"], match_region=True)
    service.lease(agency.id, pool, fresh())
    before = gathered()
    with ThreadPoolExecutor(2) as threads:
        wanted = [fresh(region="London"), fresh(region="London")]
        got = list(threads.map(lambda one: service.lease(agency.id, pool, one), wanted))
    assert sorted(one.e164[-1] for one in got) == ["2", "4"]
    assert gathered() == before


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_given_two_processes_that_both_gather_then_no_number_is_ever_two_visits_own(
    database, clock, agency, stock, fresh, later, rounds
):
    """More visits than numbers, from two services that know nothing of one another."""
    numbers, visits = 3 * MOST_TOGETHER, 4 * MOST_TOGETHER
    pool, services = stock.pool(numbers), [Pools(database, clock) for _ in range(2)]
    for each in services:
        each.lease(agency.id, pool, fresh())
    later(1260)
    with ThreadPoolExecutor(16) as threads:
        for _ in range(rounds):
            asked = [threads.submit(services[turn % 2].lease, agency.id, pool, fresh()) for turn in range(visits)]
            got = [one.result() for one in asked]
            alone = Counter(one.number_id for one in got if one.rung == "exclusive")
            assert len(alone) == numbers
            assert set(alone.values()) == {1}
            assert {one.rung for one in got} == {"exclusive", "shared"}
            later(1260)


def test_given_many_numbers_when_planned_then_they_are_found_by_their_keys(owner_engine, stock, agency, client):
    pool, values = stock.pool(1), ", ".join(f"NULL::{kind}" for kind in LEASE_TOGETHER.types)
    with owner_engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO pool_numbers (agency_id, number_id, client_id, pool_id, free_from)"
            " SELECT %s, gen_random_uuid(), %s, %s, now() FROM generate_series(1, 5000)",
            (str(agency.id), str(client.id), str(pool)),
        )
        connection.exec_driver_sql("ANALYZE pool_numbers")
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql(LEASE_TOGETHER.preparing)
        plan = connection.exec_driver_sql(f"EXPLAIN EXECUTE {LEASE_TOGETHER.name} ({values})").scalars().all()
        connection.exec_driver_sql(f"DEALLOCATE {LEASE_TOGETHER.name}")
    scans = [line for line in plan if "Scan" in line and "on pool_numbers" in line]
    assert len(scans) == 3
    assert all("Index Scan using" in line for line in scans), "\n".join(plan)
