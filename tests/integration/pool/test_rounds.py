"""The pool manager's rounds on a real PostgreSQL: placement, hours, sizes, cleanliness."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from dialtrace.ids import new_id
from dialtrace.numbers.model import Inventory
from dialtrace.pool.placement import order_nodes
from dialtrace.pool.placing import Placer
from dialtrace.pool.pools import PoolService
from dialtrace.pool.rounds import PoolRounds
from dialtrace.pool.sizing import erlang_b
from dialtrace.pool.store import delete_exposures


@pytest.fixture
def rounds(database, clock):
    return PoolRounds(database, clock)


@pytest.fixture
def pools(database, clock):
    return PoolService(database, clock)


@pytest.fixture
def placer(database):
    return Placer(database)


@pytest.fixture
def rows(owner_engine):
    def read(statement, **values):
        with owner_engine.begin() as connection:
            return connection.execute(text(statement), values).all()

    return read


@pytest.fixture
def free(numbers, client, owner_engine):
    """Adds dynamic numbers to the inventory."""
    count = iter(range(8000, 9000))

    def add(size):
        return [
            numbers.add_number(client.agency_id, client.id, f"+44207948{next(count):04}", kind="dynamic").id
            for _ in range(size)
        ]

    return add


@pytest.fixture
def call(owner_engine, client, clock):
    """A call to a number, as the agent stores it."""

    def put(e164, caller, *, ago_s=0, test=False):
        with owner_engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO calls (agency_id, id, started_at, client_id, number, caller, node, decided_by,"
                    " outcome, digest, is_test)"
                    " VALUES (:agency, :id, :at, :client, :number, :caller, 'a', 'worker', 'answered', '', :test)"
                ),
                {
                    "agency": client.agency_id, "client": client.id, "id": new_id(), "number": e164, "caller": caller,
                    "at": clock.now() - timedelta(seconds=ago_s), "test": test,
                },
            )  # fmt: skip

    return put


class TestPlacement:
    def test_given_nodes_then_every_number_is_placed_and_leases_know(self, placer, stock, rows):
        stock.node("a")
        stock.node("b")
        stock.pool(20)
        assert placer.run() == 20
        assert placer.run() == 0
        for e164, nodes, first in rows(
            "SELECT p.e164, p.nodes, n.first_node FROM placements p JOIN numbers u USING (e164)"
            " JOIN pool_numbers n ON n.number_id = u.id"
        ):
            assert nodes == order_nodes(e164, [("a", 100), ("b", 100)])
            assert first == nodes[0]

    def test_given_a_new_node_a_new_number_or_one_that_drains_then_the_next_pass_places_it(
        self, placer, stock, rows, owner_engine
    ):
        stock.node("a")
        pool = stock.pool(30)
        placer.run()
        stock.node("b")
        assert placer.run() == 30
        late = stock.number(pool)
        assert placer.run() == 1
        assert len(rows("SELECT nodes FROM placements WHERE e164 = :number", number=late.e164)[0].nodes) == 2
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE nodes SET drain_asked_at = now() WHERE name = 'a'"))
        placer.run()
        assert {row.nodes[0] for row in rows("SELECT nodes FROM placements")} == {"b"}
        assert {row.first_node for row in rows("SELECT first_node FROM pool_numbers")} == {"b"}

    def test_given_a_node_that_is_away_for_a_while_then_others_take_its_numbers_until_it_is_back(
        self, placer, stock, rows
    ):
        stock.node("a")
        stock.node("b")
        stock.pool(20)
        placer.run()
        before = sorted(tuple(row.nodes) for row in rows("SELECT nodes FROM placements"))
        stock.node("a", "down", silent_s=120)
        placer.run()
        assert {row.nodes[0] for row in rows("SELECT nodes FROM placements")} == {"b"}
        stock.node("a")
        placer.run()
        assert sorted(tuple(row.nodes) for row in rows("SELECT nodes FROM placements")) == before

    def test_given_all_monitors_are_silent_then_nothing_moves(self, placer, stock):
        stock.node("a")
        stock.node("b")
        stock.pool(5)
        placer.run()
        stock.node("a", silent_s=600)
        stock.node("b", silent_s=600)
        assert placer.run() == 0

    def test_given_a_plan_then_nothing_moves(self, placer, stock, rows):
        stock.node("a")
        stock.pool(20)
        found = placer.plan(placer.nodes())
        assert (found.moved, found.before, found.after) == (20, {"": 20}, {"a": 20})
        assert rows("SELECT * FROM placements") == []


class TestHoursAndForecast:
    def test_given_visits_then_their_hour_is_counted_with_what_was_lost(
        self, rounds, stock, service, visit, agency, later, rows
    ):
        pool = stock.pool(2, shares=False)
        for _ in range(3):
            service.lease(agency.id, pool, visit())
        rounds.count_hours()
        later(3600)
        rounds.count_hours()
        row = next(row for row in rows("SELECT * FROM pool_hours ORDER BY hour") if row.visits)
        assert (row.visits, row.site, row.shared, row.held_s, row.numbers) == (3, 1, 0, 2 * 1260, 2)

    def test_given_counted_hours_then_the_forecast_says_what_numbers_would_do(
        self, rounds, stock, owner_engine, agency, client, clock
    ):
        pool = stock.pool(3, number_price=Decimal("2"), currency="GBP", created_at=clock.now() - timedelta(days=30))
        fill_hours(owner_engine, pool, client, clock, visits=100, hold_s=1260)
        _, made = rounds.forecast(agency.id, pool, numbers=40)
        assert made.worst_loss == pytest.approx(erlang_b(35, 40))
        assert erlang_b(35, made.advised) <= 0.01 < erlang_b(35, made.advised - 1)
        assert rounds.forecast(agency.id, pool)[1].numbers == 3


def fill_hours(engine, pool, client, clock, *, visits, hold_s, weeks=2):
    this = clock.now().replace(minute=0, second=0, microsecond=0)
    with engine.begin() as connection:
        for hour in range(1, weeks * 168 + 1):
            connection.execute(
                text(
                    "INSERT INTO pool_hours VALUES (:agency, :pool, :hour, :client, :visits, 0, 0, 0, :held, 3)"
                ),
                {
                    "agency": client.agency_id, "pool": pool, "client": client.id, "hour": this - timedelta(hours=hour),
                    "visits": visits, "held": visits * hold_s,
                },
            )  # fmt: skip


class TestSizes:
    def test_given_a_load_then_the_pool_takes_free_numbers_step_by_step_and_tells_it(
        self, rounds, stock, service, visit, agency, free, rows
    ):
        pool = stock.pool(2, grows=True)
        free(5)
        for _ in range(6):
            service.lease(agency.id, pool, visit())
        assert [rounds.resize() for _ in range(6)] == [1, 1, 1, 1, 1, 0]
        assert len(rows("SELECT 1 FROM pool_numbers")) == 7
        told = rows("SELECT data FROM events WHERE type = 'pool.resized' ORDER BY recorded_at, id")
        assert told[0].data["numbers_after"] == 3
        assert service.lease(agency.id, pool, visit()).rung == "exclusive"

    @pytest.mark.parametrize(
        "bound",
        [{"most_numbers": 4}, {"number_price": Decimal("2.50"), "monthly_budget": Decimal("11"), "currency": "EUR"}],
    )
    def test_given_a_cap_or_a_budget_then_it_grows_no_further(
        self, rounds, stock, service, visit, agency, free, rows, bound
    ):
        pool = stock.pool(2, grows=True, **bound)
        free(9)
        for _ in range(20):
            service.lease(agency.id, pool, visit())
            rounds.resize()
        assert len(rows("SELECT 1 FROM pool_numbers")) == 4

    def test_given_a_pool_that_may_not_grow_then_it_does_not(self, rounds, stock, service, visit, agency, free):
        pool = stock.pool(1)
        free(5)
        for _ in range(9):
            service.lease(agency.id, pool, visit())
        assert rounds.resize() == 0

    def test_given_far_too_many_numbers_for_the_busiest_hour_then_free_ones_leave_and_rest(
        self, rounds, stock, owner_engine, client, clock, service, visit, agency, rows
    ):
        pool = stock.pool(20, grows=True, fewest_numbers=3, created_at=clock.now() - timedelta(days=30))
        fill_hours(owner_engine, pool, client, clock, visits=1, hold_s=1260)
        held = service.lease(agency.id, pool, visit()).number_id
        assert rounds.resize() == 2
        resting = rows("SELECT id, free_from FROM numbers WHERE state = 'resting'")
        assert len(resting) == 2
        assert held not in {row.id for row in resting}
        assert {row.free_from for row in resting} == {clock.now() + timedelta(days=7)}


class TestHygiene:
    def test_given_numbers_that_soak_then_the_quiet_one_becomes_free_and_the_called_one_is_set_aside(
        self, rounds, numbers, client, call, later, rows
    ):
        quiet, called, tested = (
            numbers.add_number(
                client.agency_id, client.id, f"+4420794811{index:02}", kind="dynamic", inventory=Inventory(soak_days=14)
            )
            for index in range(3)
        )
        later(15 * 86_400)
        for index in range(3):
            call(called.e164, f"+44777000000{index}", ago_s=86_400 * index + 5)
            call(tested.e164, f"+44777000000{index}", ago_s=86_400 * index + 5, test=True)
        assert rounds_over(rounds, rows) == {quiet.id: "free", called.id: "quarantined", tested.id: "free"}

    def test_given_a_number_that_left_a_pool_then_it_is_free_after_its_rest_if_nobody_calls(
        self, rounds, stock, pools, agency, rows, later, client
    ):
        pool = stock.pool(1)
        number = rows("SELECT id FROM numbers")[0].id
        pools.remove_numbers(agency.id, pool, [number])
        later(6 * 86_400)
        assert rounds_over(rounds, rows)[number] == "resting"
        later(2 * 86_400)
        assert rounds_over(rounds, rows)[number] == "free"
        assert pools.add_numbers(agency.id, pool, [number]) == 1

    def test_given_calls_that_no_visit_explains_then_the_number_leaves_the_pool_and_the_agency_is_told(
        self, rounds, stock, service, visit, agency, call, rows, later
    ):
        pool = stock.pool(3)
        leaked, busy = (one.e164 for one in rows("SELECT e164 FROM numbers ORDER BY id LIMIT 2"))
        stock.node("a")
        later(7200)
        for index in range(3):
            call(leaked, f"+44777000000{index}", ago_s=600 * index + 5)
        service.lease(agency.id, pool, visit())
        lease = service.lease(agency.id, pool, visit())
        assert lease.e164 == busy
        later(60)
        for index in range(5):
            call(busy, f"+44777100000{index}")
        assert rounds.judge() == 1
        state = {row.e164: row for row in rows("SELECT e164, state, state_reason, pool_id FROM numbers")}
        assert (state[leaked].state, state[leaked].state_reason, state[leaked].pool_id) == (
            "quarantined",
            "leaked",
            None,
        )
        assert state[busy].state == "in_pool"
        told = rows("SELECT type, data FROM events")
        assert [(row.type, row.data["reason"], row.data["calls"]) for row in told] == [
            ("number.quarantined", "leaked", 3)
        ]
        assert rounds.judge() == 0


def rounds_over(rounds, rows):
    rounds.judge()
    return {row.id: row.state for row in rows("SELECT id, state FROM numbers")}


@pytest.mark.parametrize(("arrivals", "within"), [(3_000, 0.03), pytest.param(30_000, 0.01, marks=pytest.mark.slow)])
def test_given_visits_by_chance_then_the_leases_lose_what_erlangs_formula_says(
    stock, service, agency, visit, later, arrivals, within
):
    """A simulation of the leases themselves: the statement on PostgreSQL, by a clock of its own."""
    chance, load, size = random.Random(6), 10.0, 12
    pool = stock.pool(size, shares=False)
    lost = 0
    for _ in range(arrivals):
        later(chance.expovariate(load / 1260))
        lost += service.lease(agency.id, pool, visit()).rung == "site"
    assert lost / arrivals == pytest.approx(erlang_b(load, size), abs=within)


def test_given_exposures_whose_time_is_over_when_retention_deletes_then_those_that_are_held_stay(
    stock, service, agency, client, visit, later, database, clock
):
    pool = stock.pool(2)
    service.lease(agency.id, pool, visit())
    later(40 * 86_400)
    mine = visit()
    service.lease(agency.id, pool, mine)
    with database.tenant(agency.id) as connection:
        before = clock.now() - timedelta(days=30)
        assert delete_exposures(connection, agency.id, client.id, before, 100) == 1
        assert delete_exposures(connection, agency.id, client.id, before, 100) == 0
    assert [row.visit_id for row in stock.exposures()] == [mine.id]
