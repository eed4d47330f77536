"""The inventory and the directory that the call plane reads: one never says what the other does not."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.db.engine import Database
from dialtrace.ids import new_id
from dialtrace.numbers.errors import (
    FlowUnknown,
    HolderUnknown,
    NumberReleased,
    NumberTaken,
    NumberUnknown,
    ValueRefused,
    VersionMismatch,
)

E164 = "+442079460001"


def route(database, e164=E164):
    with database.directory() as connection:
        row = connection.execute(text("SELECT * FROM dialtrace_route(:n)"), {"n": e164}).first()
    return row._mapping if row else None


def changes(database, since=None):
    """The mark to go on from, and the status of every number that changed."""
    with database.directory() as connection:
        rows = connection.execute(
            text("SELECT * FROM dialtrace_routes_changed(CAST(:since AS xid8))"), {"since": since}
        ).all()
    return rows[0].mark, {row.e164: row.status for row in rows if row.e164 is not None}


@pytest.fixture
def make_flow(database):
    """A published flow of a client; returns its id."""

    def make(client, version=1, compiled=None):
        flow_id = new_id()
        with database.tenant(client.agency_id, client.id) as connection:
            connection.execute(
                text("INSERT INTO flows (agency_id, id, client_id, name, document) VALUES (:a, :f, :c, 'x', '{}')"),
                {"a": client.agency_id, "f": flow_id, "c": client.id},
            )
        publish(database, client.agency_id, flow_id, version, compiled or {"steps": []})
        return flow_id

    return make


def publish(database, agency_id, flow_id, version, compiled):
    with database.tenant(agency_id) as connection:
        connection.execute(
            text("SELECT dialtrace_publish_flow(:a, :f, :v, CAST(:c AS jsonb))"),
            {"a": agency_id, "f": flow_id, "v": version, "c": json.dumps(compiled)},
        )


class TestTheInventory:
    def test_given_a_number_when_added_then_calls_find_it_at_once(self, numbers, database, client, make_flow):
        flow = make_flow(client, version=3, compiled={"steps": ["ring"]})
        added = numbers.add_number(
            client.agency_id, client.id, "020 7946 0001", region="GB", flow_id=flow, label="Flyer"
        )
        assert numbers.get_number(client.agency_id, added.id) == added
        assert (added.e164, added.status, added.kind, added.label, added.version) == (
            E164,
            "active",
            "static",
            "Flyer",
            1,
        )
        assert route(database) == {
            "agency_id": client.agency_id, "client_id": client.id, "number_id": added.id, "status": "active",
            "kind": "static", "flow_id": flow, "number_version": 1, "flow_version": 3, "compiled": {"steps": ["ring"]},
        }  # fmt: skip

    def test_given_a_number_nobody_has_then_no_route(self, database):
        assert route(database) is None

    @pytest.mark.parametrize("holder", ["client", "stranger"])
    def test_given_a_number_that_somebody_has_when_added_then_taken_and_nothing_changes(
        self, numbers, database, client, request, holder
    ):
        first = numbers.add_number(client.agency_id, client.id, E164)
        other = request.getfixturevalue(holder)
        with pytest.raises(NumberTaken) as taken:
            numbers.add_number(other.agency_id, other.id, E164)
        assert str(client.agency_id) not in str(taken.value)
        assert route(database)["number_id"] == first.id
        assert len(numbers.list_numbers(other.agency_id).items) == (holder == "client")

    def test_given_many_who_add_the_same_number_at_once_then_one_gets_it(self, numbers, database, client, stranger):
        def add(holder):
            try:
                return numbers.add_number(holder.agency_id, holder.id, E164).id
            except NumberTaken:
                return None

        with ThreadPoolExecutor(4) as pool:
            got = [number for number in pool.map(add, [client, stranger] * 4) if number]
        assert got == [route(database)["number_id"]]

    def test_given_a_foreign_client_or_flow_then_unknown(self, numbers, client, stranger, tenancy, make_flow):
        with pytest.raises(HolderUnknown):
            numbers.add_number(client.agency_id, stranger.id, E164)
        sibling = tenancy.create_client(client.agency_id, "Sibling", "UTC")
        for flow in (make_flow(stranger), make_flow(sibling), new_id()):
            with pytest.raises(FlowUnknown):
                numbers.add_number(client.agency_id, client.id, E164, flow_id=flow)
        with pytest.raises(ValueRefused):
            numbers.add_number(client.agency_id, client.id, "112")

    def test_given_changes_then_the_route_follows_and_the_version_counts(self, numbers, database, client, make_flow):
        added = numbers.add_number(client.agency_id, client.id, E164)
        flow = make_flow(client)
        changed = numbers.update_number(client.agency_id, added.id, version=1, flow_id=flow, label="Poster")
        assert (changed.flow_id, changed.label, changed.status, changed.version) == (flow, "Poster", "active", 2)
        assert (route(database)["flow_id"], route(database)["number_version"]) == (flow, 2)
        numbers.update_number(client.agency_id, added.id, status="suspended", flow_id=None)
        assert (route(database)["flow_id"], route(database)["status"]) == (None, "suspended")
        assert numbers.update_number(client.agency_id, added.id, status="suspended").version == 3

    def test_given_an_old_version_then_the_change_is_refused_and_says_the_new_one(self, numbers, client):
        added = numbers.add_number(client.agency_id, client.id, E164)
        numbers.update_number(client.agency_id, added.id, label="first")
        for change in (numbers.update_number, numbers.release_number):
            with pytest.raises(VersionMismatch) as mismatch:
                change(client.agency_id, added.id, version=1)
            assert mismatch.value.current == 2

    def test_given_many_changes_at_once_then_each_makes_a_version_and_the_directory_has_the_last(
        self, numbers, database, client
    ):
        added = numbers.add_number(client.agency_id, client.id, E164)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: numbers.update_number(client.agency_id, added.id, label=f"{n}"), range(12)))
        assert route(database)["number_version"] == numbers.get_number(client.agency_id, added.id).version == 13

    def test_given_a_stranger_then_the_number_is_not_there(self, numbers, client, stranger, tenancy):
        added = numbers.add_number(client.agency_id, client.id, E164)
        sibling = tenancy.create_client(client.agency_id, "Sibling", "UTC")
        for use in (numbers.get_number, numbers.update_number, numbers.release_number):
            with pytest.raises(NumberUnknown):
                use(stranger.agency_id, added.id)
            with pytest.raises(NumberUnknown):
                use(client.agency_id, added.id, client_id=sibling.id)

    def test_given_a_released_number_then_its_callers_are_told_so_and_it_stays_as_it_is(
        self, numbers, database, client
    ):
        added = numbers.add_number(client.agency_id, client.id, E164)
        released = numbers.release_number(client.agency_id, added.id)
        assert (released.status, released.version) == ("released", 2)
        assert released.released_at is not None
        assert numbers.release_number(client.agency_id, added.id) == released
        with pytest.raises(NumberReleased):
            numbers.update_number(client.agency_id, added.id, label="x")
        assert (route(database)["status"], route(database)["agency_id"]) == ("released", client.agency_id)

    def test_given_a_released_number_when_another_adds_it_then_it_is_theirs_and_the_old_holding_is_powerless(
        self, numbers, database, client, stranger
    ):
        old = numbers.add_number(client.agency_id, client.id, E164)
        numbers.release_number(client.agency_id, old.id)
        new = numbers.add_number(stranger.agency_id, stranger.id, E164)
        numbers.release_number(client.agency_id, old.id)
        with database.tenant(client.agency_id) as connection:
            connection.execute(text("SELECT dialtrace_directory_put(:a, :n)"), {"a": client.agency_id, "n": old.id})
        found = route(database)
        assert (found["agency_id"], found["number_id"], found["status"]) == (stranger.agency_id, new.id, "active")

    def test_given_filters_then_the_list_holds_what_fits_and_pages_hold_each_once(self, numbers, client, tenancy):
        sibling = tenancy.create_client(client.agency_id, "Sibling", "UTC")
        own = [numbers.add_number(client.agency_id, client.id, f"+44207946000{index}") for index in range(3)]
        other = numbers.add_number(client.agency_id, sibling.id, "+442079460009")
        suspended = numbers.update_number(client.agency_id, own[1].id, status="suspended")
        everything = [own[0], suspended, own[2], other]
        assert numbers.list_numbers(client.agency_id).items == everything
        assert numbers.list_numbers(client.agency_id, sibling.id).items == [other]
        assert numbers.list_numbers(client.agency_id, status="suspended").items == [suspended]
        assert numbers.list_numbers(client.agency_id, e164="+44 20 7946 0009").items == [other]
        assert numbers.list_numbers(client.agency_id, e164="nonsense").items == []
        first = numbers.list_numbers(client.agency_id, limit=3)
        second = numbers.list_numbers(client.agency_id, limit=3, after=first.next)
        assert ([*first.items, *second.items], second.next) == (everything, None)


class TestSuspension:
    def test_given_a_suspended_client_or_agency_then_all_its_numbers_are_suspended_until_both_are_back(
        self, numbers, database, client, tenancy, stranger
    ):
        numbers.add_number(client.agency_id, client.id, E164)
        numbers.add_number(stranger.agency_id, stranger.id, "+442079460002")
        tenancy.set_client_status(client.agency_id, client.id, "suspended")
        assert route(database)["status"] == "suspended"
        tenancy.set_agency_status(client.agency_id, "suspended")
        tenancy.set_client_status(client.agency_id, client.id, "active")
        assert route(database)["status"] == "suspended"
        tenancy.set_agency_status(client.agency_id, "active")
        assert route(database)["status"] == "active"
        assert route(database, "+442079460002")["status"] == "active"

    def test_given_a_suspended_client_when_a_number_is_added_or_changed_then_it_is_suspended_too(
        self, numbers, database, client, tenancy
    ):
        tenancy.set_client_status(client.agency_id, client.id, "suspended")
        added = numbers.add_number(client.agency_id, client.id, E164)
        assert route(database)["status"] == "suspended"
        numbers.update_number(client.agency_id, added.id, label="x")
        assert route(database)["status"] == "suspended"

    def test_given_a_released_number_of_a_suspended_client_then_it_is_released(
        self, numbers, database, client, tenancy
    ):
        added = numbers.add_number(client.agency_id, client.id, E164)
        numbers.release_number(client.agency_id, added.id)
        tenancy.set_client_status(client.agency_id, client.id, "suspended")
        assert route(database)["status"] == "released"

    def test_given_a_number_added_while_its_client_is_being_suspended_then_it_does_not_slip_through(
        self, numbers, database, client, tenancy
    ):
        """The number's transaction has read "active" and is not committed yet when the suspension comes."""
        with database.tenant(client.agency_id) as connection:
            number_id = new_id()
            connection.execute(
                text("INSERT INTO numbers (agency_id, id, client_id, e164) VALUES (:a, :n, :c, :e)"),
                {"a": client.agency_id, "n": number_id, "c": client.id, "e": E164},
            )
            connection.execute(text("SELECT dialtrace_directory_put(:a, :n)"), {"a": client.agency_id, "n": number_id})
            suspending = threading.Thread(
                target=tenancy.set_client_status, args=(client.agency_id, client.id, "suspended")
            )
            suspending.start()
            suspending.join(0.3)
            assert suspending.is_alive()
        suspending.join(10)
        assert route(database)["status"] == "suspended"


class TestFollowers:
    def test_given_no_mark_then_everything_and_then_what_changed(self, numbers, database, client, tenancy, make_flow):
        flow = make_flow(client)
        first = numbers.add_number(client.agency_id, client.id, E164, flow_id=flow)
        numbers.add_number(client.agency_id, client.id, "+442079460002", flow_id=flow)
        mark, found = changes(database)
        assert found == {E164: "active", "+442079460002": "active"}

        # A transaction that is still open anywhere holds the mark back: what changed comes, and others may again.
        numbers.update_number(client.agency_id, first.id, status="suspended")
        mark, found = changes(database, mark)
        assert found[E164] == "suspended"
        publish(database, client.agency_id, flow, 2, {})
        mark, found = changes(database, mark)
        assert set(found) == {E164, "+442079460002"}
        tenancy.set_agency_status(client.agency_id, "suspended")
        mark, found = changes(database, mark)
        assert set(found.values()) == {"suspended"}
        numbers.release_number(client.agency_id, first.id)
        assert changes(database, mark)[1][E164] == "released"

    def test_given_a_slow_commit_then_a_mark_taken_meanwhile_does_not_lose_it(self, numbers, database, client):
        slow = numbers.add_number(client.agency_id, client.id, E164)
        mark, _ = changes(database)
        with database.tenant(client.agency_id) as connection:
            connection.execute(text("SELECT dialtrace_directory_put(:a, :n)"), {"a": client.agency_id, "n": slow.id})
            for index in range(5, 8):
                numbers.add_number(client.agency_id, client.id, f"+44207946000{index}")
            mark, _ = changes(database, mark)
        assert E164 in changes(database, mark)[1]


class TestTheNarrowFunctions:
    @pytest.fixture
    def stolen(self, numbers, stranger, make_flow):
        """Ids that belong to another agency: of the agency, a number and a flow."""
        return stranger.agency_id, numbers.add_number(stranger.agency_id, stranger.id, E164).id, make_flow(stranger)

    CALLS = (
        "SELECT dialtrace_directory_put(:a, :n)",
        "SELECT dialtrace_directory_refresh_tenant(:a)",
        "SELECT dialtrace_publish_flow(:a, :f, 9, '{}')",
        "SELECT dialtrace_sequence_events(:a, 1)",
    )

    @pytest.mark.parametrize("call", CALLS)
    def test_given_a_tenant_when_it_writes_for_another_then_refused(self, database, client, stolen, call):
        names = dict(zip("anf", stolen, strict=True))
        for agency in (client.agency_id, None):
            opened = database.tenant(agency) if agency else database.directory()
            with pytest.raises(sqlalchemy.exc.ProgrammingError, match="not the tenant"), opened as connection:
                connection.execute(text(call), names)

    def test_given_a_foreign_number_or_flow_under_ones_own_name_then_it_is_not_there(self, database, client, stolen):
        names = {"a": client.agency_id, "n": stolen[1], "f": stolen[2]}
        for call in (self.CALLS[0], self.CALLS[2]):
            with (
                pytest.raises(sqlalchemy.exc.DBAPIError, match="is not there"),
                database.tenant(client.agency_id) as connection,
            ):
                connection.execute(text(call), names)

    def test_given_an_older_version_of_a_flow_then_it_does_not_replace_the_newer(
        self, numbers, database, client, make_flow
    ):
        flow = make_flow(client, version=5, compiled={"new": True})
        numbers.add_number(client.agency_id, client.id, E164, flow_id=flow)
        publish(database, client.agency_id, flow, 4, {"old": True})
        assert (route(database)["flow_version"], route(database)["compiled"]) == (5, {"new": True})
        publish(database, client.agency_id, flow, 5, {"again": True})
        assert route(database)["compiled"] == {"again": True}

    def test_given_a_hostile_object_in_the_callers_schema_then_the_function_does_not_see_it(
        self, numbers, database_url, client
    ):
        numbers.add_number(client.agency_id, client.id, E164)
        database = Database(database_url, pool_size=1)
        with database.directory() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE directory (LIKE nodes)")
            connection.exec_driver_sql("SET LOCAL search_path = pg_temp")
            found = connection.exec_driver_sql("SELECT number_id FROM public.dialtrace_route(%s)", (E164,)).one()
        database.dispose()
        assert found.number_id is not None


def test_given_a_million_numbers_worth_of_plans_then_a_route_is_one_index_read(database, owner_engine):
    with owner_engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO directory (e164, agency_id, client_id, number_id, status, tenant_status, kind, version)"
            " SELECT '+4420' || (10000000 + n), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'active',"
            " 'active', 'static', 1 FROM generate_series(1, 5000) n"
        )
        connection.exec_driver_sql("ANALYZE directory")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT * FROM directory d LEFT JOIN published_flows f ON f.flow_id = d.flow_id"
            " AND f.agency_id = d.agency_id WHERE d.e164 = '+442010000007'"
        ).scalars()
        assert "pk_directory" in "\n".join(plan)
    assert route(database, "+442010000007")["status"] == "active"
