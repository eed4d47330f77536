"""Leases on a real PostgreSQL: who gets which number, for how long, and what is kept of it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from threading import Barrier

import pytest
from sqlalchemy import text

from dialtrace.ids import new_id
from dialtrace.pool.errors import PoolUnknown
from dialtrace.pool.lease_store import HOT, LEASE_NEW
from dialtrace.pool.service import Pools

TAIL_S, REST_S = 1200, 60
OVER_S = TAIL_S + REST_S


@pytest.fixture(params=["by the ladder", "said to be new"])
def lease(service, agency, request):
    """Leases for visits; in the second case each says of itself that it is new, as long as that is true."""
    known = set()

    def ask(pool, visit):
        own = {str(visit.id), str(visit.visitor_id)} - {"None"}
        is_new = request.param == "said to be new" and not own & known
        known.update(own)
        return service.lease(agency.id, pool, replace(visit, is_new=is_new))

    return ask


class TestLease:
    def test_given_free_numbers_then_the_longest_rested_goes_to_the_visit_alone(self, lease, stock, visit, clock):
        pool = stock.pool(3)
        got = [lease(pool, visit()) for _ in range(3)]
        assert [one.e164 for one in got] == ["+442079460001", "+442079460002", "+442079460003"]
        assert {one.rung for one in got} == {"exclusive"}
        assert got[0].held_until == clock.now() + timedelta(seconds=TAIL_S)

    def test_given_numbers_that_were_used_then_the_one_quiet_for_longest_comes_next(
        self, lease, stock, visit, service, agency, later
    ):
        pool = stock.pool(2)
        first, second = visit(), visit()
        one, other = lease(pool, first), lease(pool, second)
        later(600)
        service.renew(agency.id, [first.id])
        later(OVER_S)
        assert lease(pool, visit()).number_id == other.number_id
        assert lease(pool, visit()).number_id == one.number_id

    def test_given_a_visit_that_asks_again_then_it_goes_on_with_what_it_has(self, lease, stock, visit, later, clock):
        pool, mine = stock.pool(2), visit()
        first = lease(pool, mine)
        later(300)
        again = lease(pool, mine)
        assert (again.number_id, again.rung, again.exposure_id) == (first.number_id, "exclusive", first.exposure_id)
        assert again.held_until == clock.now() + timedelta(seconds=TAIL_S)
        assert len(stock.exposures()) == 1

    def test_given_tail_and_rest_then_nobody_gets_the_number_before_both_are_over(self, lease, stock, visit, later):
        pool = stock.pool(1, shares=False)
        lease(pool, visit())
        later(OVER_S - 1)
        assert lease(pool, visit()).rung == "site"
        later(1)
        assert lease(pool, visit()).rung == "exclusive"

    def test_given_another_agency_or_a_closed_pool_then_there_is_none(self, service, tenancy, stock, visit, agency):
        stranger = tenancy.create_agency("Second")
        with pytest.raises(PoolUnknown):
            service.lease(stranger.id, stock.pool(1), visit())
        with pytest.raises(PoolUnknown):
            service.lease(agency.id, stock.pool(1, status="closed"), visit())
        assert stock.exposures() == []

    def test_given_a_suspended_number_then_it_is_neither_given_nor_kept(self, lease, stock, visit, numbers, agency):
        pool, mine = stock.pool(2), visit()
        first = lease(pool, mine)
        numbers.update_number(agency.id, first.number_id, status="suspended")
        assert lease(pool, mine).e164 == "+442079460002"
        assert lease(pool, visit()).rung == "shared"


class TestReturningVisitors:
    def test_given_a_visitor_who_comes_back_in_the_tail_then_the_number_is_his_again(self, lease, stock, visit, later):
        pool = stock.pool(3)
        first = lease(pool, visit("anna"))
        later(600)
        again = lease(pool, visit("anna"))
        assert (again.number_id, again.rung) == (first.number_id, "exclusive")

    def test_given_a_visitor_who_comes_back_next_week_and_nobody_had_it_since_then_the_number_is_his_again(
        self, lease, stock, visit, later
    ):
        pool = stock.pool(3)
        first = lease(pool, visit("anna"))
        later(7 * 86_400)
        assert lease(pool, visit("boris")).number_id != first.number_id
        assert lease(pool, visit("anna")).number_id == first.number_id

    def test_given_somebody_else_has_it_now_then_the_visitor_gets_another(self, lease, stock, visit, later):
        pool = stock.pool(2)
        first = lease(pool, visit("anna"))
        later(OVER_S)
        lease(pool, visit("boris"))
        assert lease(pool, visit("carl")).number_id == first.number_id
        again = lease(pool, visit("anna"))
        assert again.rung == "shared"

    def test_given_the_same_visitor_in_two_windows_then_the_second_visit_shares(self, lease, stock, visit):
        pool = stock.pool(3)
        first = lease(pool, visit("anna"))
        second = lease(pool, visit("anna"))
        assert (second.number_id, second.rung) == (first.number_id, "shared")

    def test_given_a_visit_that_left_then_the_next_one_of_its_visitor_is_alone(
        self, lease, stock, visit, service, agency
    ):
        pool, first = stock.pool(3), visit("anna")
        number = lease(pool, first).number_id
        service.end(agency.id, first.id)
        assert (lease(pool, visit("anna")).number_id, lease(pool, visit("anna")).rung) == (number, "shared")


class TestLadder:
    def test_given_none_is_free_then_the_longest_quiet_one_is_shared_and_stays_whose_it_is(
        self, lease, stock, visit, service, agency, later
    ):
        pool, first, second = stock.pool(2), visit("anna"), visit("boris")
        hers, his = lease(pool, first), lease(pool, second)
        later(30)
        service.renew(agency.id, [first.id])
        third = lease(pool, visit("carl"))
        assert (third.number_id, third.rung) == (his.number_id, "shared")
        assert lease(pool, second).rung == "exclusive"
        assert lease(pool, first).number_id == hers.number_id

    def test_given_nothing_may_be_shared_then_the_reserve_of_the_source_then_the_sites_own(
        self, lease, stock, visit, numbers, client
    ):
        pool = stock.pool(1, shares=False)
        reserve = numbers.add_number(client.agency_id, client.id, "+442079469999")
        stock.reserve(pool, "google", reserve)
        lease(pool, visit())
        by_source = lease(pool, visit(source="google"))
        assert (by_source.number_id, by_source.e164, by_source.rung) == (reserve.id, "+442079469999", "source")
        last = lease(pool, visit(source="yandex"))
        assert (last.number_id, last.e164, last.rung) == (None, None, "site")
        assert [row.rung for row in stock.exposures()] == ["exclusive", "source", "site"]

    def test_given_three_times_too_many_visits_then_no_visit_that_is_there_loses_its_number(
        self, lease, stock, visit, service, agency, later
    ):
        pool = stock.pool(10)
        live = {}
        for _ in range(30):
            for _ in range(3):
                mine = visit(str(new_id()))
                live[mine.id] = (mine, lease(pool, mine))
            later(20)
            kept = {one.visit_id: one for one in service.renew(agency.id, list(live))}
            assert {key: kept[key].number_id for key in kept} == {key: one.number_id for key, (_, one) in live.items()}
        alone = [one.number_id for _, one in live.values() if one.rung == "exclusive"]
        assert len(alone) == len(set(alone)) == 10

    def test_given_an_empty_pool_then_the_sites_own(self, lease, stock, visit):
        assert lease(stock.pool(0), visit()).rung == "site"


class TestRegions:
    def test_given_regions_are_matched_then_a_visit_gets_a_number_of_its_own_first(self, lease, stock, visit):
        pool = stock.pool(3, regions=["London", "Leeds", None], match_region=True)
        assert lease(pool, visit(region="Leeds")).e164 == "+442079460002"
        assert lease(pool, visit(region="Leeds")).e164 == "+442079460001"
        assert lease(pool, visit(region=None)).e164 == "+442079460003"

    def test_given_regions_are_not_matched_then_they_do_not_matter(self, lease, stock, visit):
        assert lease(stock.pool(2, regions=["London", "Leeds"]), visit(region="Leeds")).e164 == "+442079460001"


class TestNodes:
    def test_given_a_node_that_is_down_then_numbers_of_nodes_that_serve_come_first(self, lease, stock, visit):
        stock.node("a", "down")
        stock.node("b")
        pool = stock.pool(1, first_node="a")
        stock.number(pool, 1, first_node="b")
        assert [lease(pool, visit()).e164 for _ in range(2)] == ["+442079460002", "+442079460001"]

    @pytest.mark.parametrize("node", [("a", "draining"), ("a", "unknown")])
    def test_given_a_node_that_is_not_to_be_counted_on_then_its_numbers_come_last(self, lease, stock, visit, node):
        stock.node(*node)
        stock.node("b")
        pool = stock.pool(1, first_node="a")
        stock.number(pool, 1, first_node="b")
        assert lease(pool, visit()).e164 == "+442079460002"

    def test_given_two_nodes_that_serve_then_the_longest_rested_of_both_comes_first(self, lease, stock, visit):
        stock.node("a")
        stock.node("b")
        pool = stock.pool(1, first_node="b")
        stock.number(pool, 5, first_node="a")
        stock.number(pool, 3, first_node="b")
        assert [lease(pool, visit()).e164[-1] for _ in range(3)] == ["1", "3", "2"]

    def test_given_no_node_serves_then_visits_see_the_sites_own(self, lease, stock, visit):
        pool = stock.pool(1, first_node="a")
        stock.node("a", "down")
        stock.node("b", "up", silent_s=600)
        assert lease(pool, visit()).rung == "site"
        stock.node("b", "draining")
        assert lease(pool, visit()).rung == "exclusive"


class TestRenewal:
    def test_given_a_batch_then_every_visit_is_told_what_it_goes_on_seeing(
        self, lease, stock, visit, service, agency, later, clock
    ):
        pool = stock.pool(5)
        visits = [visit() for _ in range(5)]
        got = {one.id: lease(pool, one).number_id for one in visits}
        later(40)
        renewed = service.renew(agency.id, [one.id for one in visits] + [new_id()])
        assert {one.visit_id: one.number_id for one in renewed} == got
        assert {one.held_until for one in renewed} == {clock.now() + timedelta(seconds=TAIL_S)}
        assert {row.seen_until for row in stock.exposures()} == {clock.now()}

    def test_given_a_sign_of_life_after_the_tail_then_the_number_has_gone(
        self, lease, stock, visit, service, agency, later
    ):
        mine = visit()
        lease(stock.pool(1), mine)
        later(TAIL_S + 1)
        assert service.renew(agency.id, [mine.id]) == []

    def test_given_another_agencys_visit_then_it_is_not_renewed(self, lease, stock, visit, service, tenancy):
        mine = visit()
        lease(stock.pool(1), mine)
        assert service.renew(tenancy.create_agency("Second").id, [mine.id]) == []

    def test_given_batches_that_overlap_at_once_then_none_fails(self, lease, stock, visit, database, clock, agency):
        pool = stock.pool(4)
        visits = []
        for _ in range(40):
            one = visit(str(new_id()))
            visits.append(one.id)
            lease(pool, one)
        service = Pools(database, clock)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda turn: service.renew(agency.id, visits[turn % 7 :]), range(60)))
        assert all(len(one) >= 33 for one in found)

    def test_given_a_tapped_number_then_the_exposure_says_so_once(
        self, lease, stock, visit, service, agency, clock, later
    ):
        mine = visit()
        number = lease(stock.pool(1), mine).number_id
        assert service.click(agency.id, mine.id, number)
        first = clock.now()
        later(5)
        assert service.click(agency.id, mine.id, number)
        assert not service.click(agency.id, mine.id, new_id())
        assert [row.clicked_at for row in stock.exposures()] == [first]


class TestStaticNumbers:
    def test_given_a_static_number_then_its_exposure_is_kept_and_renewed_like_others(
        self, service, agency, client, numbers, visit, stock, later
    ):
        number, mine = numbers.add_number(agency.id, client.id, "+442079469999"), visit("anna", source="google")
        shown = service.show_static(agency.id, number.id, mine)
        assert (shown.rung, shown.e164) == ("static", "+442079469999")
        later(60)
        assert service.show_static(agency.id, number.id, mine).exposure_id == shown.exposure_id
        assert [one.number_id for one in service.renew(agency.id, [mine.id])] == [number.id]
        assert [row.rung for row in stock.exposures()] == ["static"]


@pytest.mark.parametrize("prepared", [one for one in HOT if one != LEASE_NEW], ids=lambda one: one.name)
def test_given_a_few_hundred_exposures_when_planned_then_they_are_found_by_their_visit(
    owner_engine, stock, agency, prepared
):
    """A plan is kept for as long as its connection lives, however large the tables become."""
    pool, values = stock.pool(1), ", ".join(f"NULL::{kind}" for kind in prepared.types)
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO exposures (agency_id, id, client_id, pool_id, number_id, visit_id, visit_started_at, rung,"
                " shown_at, seen_until, held_until, tail_s) SELECT :agency, gen_random_uuid(), gen_random_uuid(),"
                " :pool, gen_random_uuid(), gen_random_uuid(), now(), 'exclusive', now(), now(), now(), 1"
                " FROM generate_series(1, 500)"
            ),
            {"agency": agency.id, "pool": pool},
        )
        connection.exec_driver_sql("ANALYZE exposures")
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql(prepared.preparing)
        plan = connection.exec_driver_sql(f"EXPLAIN EXECUTE {prepared.name} ({values})").scalars().all()
        connection.exec_driver_sql(f"DEALLOCATE {prepared.name}")
    scans = [line for line in plan if ("Scan" in line and "on exposures" in line) or "on ix_exposures" in line]
    assert scans
    allowed = ("ix_exposures_agency_id_visit_id", "pk_exposures", "Bitmap Heap Scan")
    assert all(any(index in line for index in allowed) for line in scans), "\n".join(plan)


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("is_new", [True, False])
def test_given_two_who_ask_at_once_for_one_free_number_a_thousand_times_then_only_one_ever_has_it_alone(
    database, clock, agency, stock, visit, later, shares, is_new
):
    """A thousand in the four cases together; each round the clock moves on until the number is free again."""
    pool, service = stock.pool(1, shares=shares), Pools(database, clock)
    start = Barrier(2)

    def ask(one):
        start.wait(timeout=10)
        return service.lease(agency.id, pool, replace(one, is_new=is_new))

    second = "shared" if shares else "site"
    with ThreadPoolExecutor(2) as threads:
        for _ in range(250):
            got = list(threads.map(ask, [visit(), visit()]))
            assert sorted(one.rung for one in got) == sorted(["exclusive", second])
            later(OVER_S)
    rows = [row for row in stock.exposures() if row.rung == "exclusive"]
    assert len(rows) == 250
    held = sorted((row.shown_at, row.held_until) for row in rows)
    assert all(one[1] <= other[0] for one, other in pairwise(held))
