"""The call plane's one read: a number's route and the facts of the call, from the application's own connection."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.ids import new_id
from dialtrace.numbers.service import NumberService
from dialtrace.tenancy.service import TenancyService

NUMBER, CALLER = "+442079460001", "+442079460999"
DECIDE = "SELECT * FROM dialtrace_decide(%s, %s, %s, %s)"


class Stage:
    """One number with a flow, and calls that were made to its client."""

    def __init__(self, database, owner_engine, clock):
        self.database, self.owner, self.clock = database, owner_engine, clock
        tenancy = TenancyService(database, clock)
        self.agency = tenancy.create_agency("First").id
        self.client = tenancy.create_client(self.agency, "Its client", "UTC").id
        self.sibling = tenancy.create_client(self.agency, "Its sibling", "UTC").id
        self.flow = new_id()
        with owner_engine.begin() as connection:
            connection.execute(
                text("INSERT INTO flows (agency_id, id, client_id, name, document) VALUES (:a, :f, :c, 'x', '{}')"),
                {"a": self.agency, "f": self.flow, "c": self.client},
            )
        self.publish(needs=[])
        NumberService(database, clock).add_number(self.agency, self.client, NUMBER, flow_id=self.flow)

    def publish(self, *, needs, steps=None):
        compiled = {"version": 2, "needs": needs, "steps": steps or {}}
        with self.database.tenant(self.agency) as connection:
            connection.exec_driver_sql(
                "SELECT dialtrace_publish_flow(%s, %s, 1, %s)", (self.agency, self.flow, json.dumps(compiled))
            )

    def call(self, *, ago=timedelta(hours=1), caller=CALLER, client=None, target=None, talked_s=60):
        made = uuid.uuid4()
        started = datetime.now(UTC) - ago
        values = {
            "a": self.agency, "i": made, "s": started, "c": client or self.client, "caller": caller, "t": target,
            "connected": started if target else None, "ended": started + timedelta(seconds=talked_s),
        }  # fmt: skip
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO calls (agency_id, id, started_at, client_id, number, caller, node, decided_by,"
                    " outcome, digest, target_id, connected_at, ended_at)"
                    " VALUES (:a, :i, :s, :c, '+1', :caller, 'n', 'worker', 'answered', '', :t, :connected, :ended)"
                ),
                values,
            )
        return made

    def block(self, kind, pattern="", *, client=None, agency=None):
        agency = agency or self.agency
        with self.database.tenant(agency) as connection:
            connection.execute(
                text(
                    "INSERT INTO blocks (agency_id, id, client_id, scope_id, kind, pattern)"
                    " VALUES (:a, :i, :c, :s, :k, :p)"
                ),
                {"a": agency, "i": new_id(), "c": client, "s": client or agency, "k": kind, "p": pattern},
            )

    def decide(self, *, caller=CALLER, call=None, step=None, number=NUMBER):
        return self.database.look_up(DECIDE, (number, caller, call or uuid.uuid4(), step))

    def facts(self, **asked):
        return self.decide(**asked)[0].facts


@pytest.fixture
def stage(database, owner_engine, clock):
    return Stage(database, owner_engine, clock)


def ring(*targets, **more):
    return {"type": "ring", "targets": [{"id": str(one), "address": "sip:a@b.example"} for one in targets], **more}


class TestTheRoute:
    def test_given_a_number_when_decided_then_the_route_is_that_of_the_plain_read(self, stage):
        (found,) = stage.decide()
        (plain,) = stage.database.look_up("SELECT * FROM dialtrace_route(%s)", (NUMBER,))
        assert tuple(found)[:-1] == tuple(plain)
        assert found.facts == {}

    def test_given_nobodys_number_when_decided_then_no_row(self, stage):
        assert stage.decide(number="+442079469999") == []

    def test_given_a_decision_inside_a_tenants_transaction_then_its_tenant_stands_afterwards(self, stage):
        stage.publish(needs=["repeat"])
        other = new_id()
        with stage.database.tenant(other) as connection:
            connection.exec_driver_sql(DECIDE, (NUMBER, CALLER, uuid.uuid4(), None)).all()
            assert connection.exec_driver_sql("SELECT dialtrace_agency()").scalar() == other

    def test_given_a_number_without_a_flow_when_decided_then_its_callers_are_still_checked(self, stage):
        with stage.owner.begin() as connection:
            connection.exec_driver_sql("UPDATE directory SET flow_id = NULL")
        stage.block("number", CALLER)
        (found,) = stage.decide()
        assert (found.compiled, found.facts) == (None, {"blocked": "number"})


class TestRepeatCallers:
    def test_given_no_need_when_decided_then_nothing_is_looked_for(self, stage):
        stage.call()
        assert stage.facts() == {}

    def test_given_an_earlier_call_when_decided_then_the_caller_is_known(self, stage):
        stage.publish(needs=["repeat"])
        assert stage.facts() == {"repeat": False}
        made = stage.call(ago=timedelta(days=60))
        assert stage.facts() == {"repeat": True}
        assert stage.facts(call=made) == {"repeat": False}, "the call itself is no earlier one"

    def test_given_calls_to_a_sibling_or_too_long_ago_when_decided_then_the_caller_is_new(self, stage):
        stage.publish(needs=["repeat"])
        stage.call(client=stage.sibling)
        stage.call(ago=timedelta(days=401))
        assert stage.facts() == {"repeat": False}

    def test_given_a_withheld_number_when_decided_then_nothing_is_claimed(self, stage):
        stage.publish(needs=["repeat", "sticky"], steps={"a": ring(new_id(), sticky_days=3)})
        assert stage.facts(caller=None) == {}


class TestStickyTargets:
    def test_given_talks_when_decided_then_the_last_target_of_the_step_within_its_days(self, stage):
        first, second, foreign = new_id(), new_id(), new_id()
        stage.publish(needs=["sticky"], steps={"a": ring(first, second, sticky_days=10), "b": ring(foreign)})
        assert stage.facts() == {}
        stage.call(ago=timedelta(days=11), target=second)
        assert stage.facts() == {}
        stage.call(ago=timedelta(days=9), target=second)
        stage.call(ago=timedelta(days=8), target=first)
        stage.call(ago=timedelta(days=7), target=foreign)
        stage.call(ago=timedelta(days=6))
        assert stage.facts() == {"sticky": str(first)}


class TestIdleTargets:
    def test_given_talks_when_decided_then_who_talked_last_stands_last_and_who_never_did_first(self, stage):
        busy, rested, fresh = new_id(), new_id(), new_id()
        stage.publish(needs=["idle"], steps={"a": ring(busy, rested, fresh, strategy="longest_idle")})
        assert stage.facts() == {"idle": [str(busy), str(rested), str(fresh)]}
        stage.call(ago=timedelta(hours=3), target=busy, talked_s=3 * 3500)
        stage.call(ago=timedelta(hours=2), target=rested)
        assert stage.facts() == {"idle": [str(fresh), str(rested), str(busy)]}


class TestTurns:
    def test_given_plans_when_they_begin_then_each_step_of_each_flow_counts_by_itself(self, stage):
        stage.publish(needs=["rotation"])
        assert [stage.facts()["rotation"] for _ in range(3)] == [0, 1, 2]
        assert stage.facts(step="later")["rotation"] == 0
        assert stage.facts(step="start")["rotation"] == 3


class TestBlockLists:
    @pytest.mark.parametrize(
        ("kind", "pattern", "caller", "wanted"),
        [
            ("number", CALLER, CALLER, "number"),
            ("number", CALLER, CALLER + "1", None),
            ("prefix", "+4420", CALLER, "number"),
            ("prefix", "+4421", CALLER, None),
            ("withheld", "", None, "caller_id"),
            ("withheld", "", CALLER, None),
            ("number", CALLER, None, None),
        ],
    )
    @pytest.mark.parametrize("whose", ["client", "agency", "operator"])
    def test_given_a_list_when_a_call_enters_then_it_holds_for_its_owners_calls(
        self, stage, kind, pattern, caller, wanted, whose
    ):
        client, agency = {"client": (stage.client, None), "agency": (None, None)}.get(whose, (None, OPERATOR_AGENCY))
        stage.block(kind, pattern, client=client, agency=agency)
        assert stage.facts(caller=caller) == ({} if wanted is None else {"blocked": wanted})

    def test_given_a_siblings_or_a_strangers_list_when_a_call_enters_then_it_does_not_hold(self, stage):
        stranger = TenancyService(stage.database, stage.clock).create_agency("Second").id
        stage.block("number", CALLER, client=stage.sibling)
        stage.block("number", CALLER, agency=stranger)
        assert stage.facts() == {}

    def test_given_a_call_that_is_inside_its_flow_when_decided_then_it_is_not_refused_any_more(self, stage):
        stage.block("number", CALLER)
        assert stage.facts(step="menu") == {}
