"""The call plane's one read: a number's route and the facts of the call, from the application's own connection."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from dialtrace.admission.model import Limits
from dialtrace.admission.service import AdmissionService
from dialtrace.calls.live import Batch, LiveCall, Owner
from dialtrace.calls.live_rows import LiveRows
from dialtrace.calls.routes import RouteStore
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.ids import new_id
from dialtrace.numbers.service import NumberService
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.sites.model import moment_of
from dialtrace.tenancy.service import TenancyService
from dialtrace.trunks.model import TrunkValues
from dialtrace.trunks.service import TrunkService

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

    def owned(self, statement):
        with self.owner.begin() as connection:
            connection.execute(text(statement), {"a": self.agency})

    def shown_to(self, source, *, ago=timedelta(minutes=1), held=timedelta(minutes=20)):
        """A visit that was shown the number, and still is unless it was long ago."""
        shown = datetime.now(UTC) - ago
        visit = new_id(now_ms=int(shown.timestamp() * 1000))
        values = {"a": self.agency, "c": self.client, "v": visit, "s": moment_of(visit), "shown": shown,
                  "held": shown + held, "source": source, "e": new_id(), "n": NUMBER}  # fmt: skip
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO visits (agency_id, id, started_at, client_id, site_id, visitor_id, landing_page,"
                    " channel, source, classified_by, device, consent, last_seen_at)"
                    " VALUES (:a, :v, :s, :c, :c, :v, '', 'other', :source, '', 'other', 'given', :s)"
                ),
                values,
            )
            connection.execute(
                text(
                    "INSERT INTO exposures (agency_id, id, client_id, number_id, visit_id, visit_started_at, rung,"
                    " shown_at, seen_until, held_until, tail_s)"
                    " SELECT :a, :e, :c, n.id, :v, :s, 'exclusive', :shown, :shown, :held, 1200"
                    " FROM numbers n WHERE n.agency_id = :a AND n.e164 = :n"
                ),
                values,
            )
        return visit

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


class TestLimits:
    def limit(self, stage, *, client=None, calls=None, rate=None):
        with stage.database.tenant(stage.agency) as connection:
            connection.execute(
                text(
                    "INSERT INTO call_limits (agency_id, scope_id, client_id, max_calls, max_calls_per_s)"
                    " VALUES (:a, :s, :c, :calls, :rate)"
                ),
                {"a": stage.agency, "s": client or stage.agency, "c": client, "calls": calls, "rate": rate},
            )

    def stand(self, stage, count, *, client=None, seen=timedelta(0)):
        """Calls that a monitor has told of."""
        made = [uuid.uuid4() for _ in range(count)]
        with stage.owner.begin() as connection:
            for call in made:
                connection.execute(
                    text(
                        "INSERT INTO live_calls (agency_id, call_id, client_id, node, number, state, started_at,"
                        " seen_at) VALUES (:a, :i, :c, 'n', '+1', 'answered', now(), now() - :seen)"
                    ),
                    {"a": stage.agency, "i": call, "c": client or stage.client, "seen": seen},
                )
            connection.exec_driver_sql("SELECT dialtrace_live_count('n')")
        return made

    def forget(self, stage, *, ago):
        """The admissions become so much older."""
        with stage.owner.begin() as connection:
            connection.execute(text("UPDATE admissions SET admitted_at = admitted_at - :ago"), {"ago": ago})

    def test_given_no_limit_when_calls_enter_then_none_is_counted(self, stage):
        assert stage.facts() == {}
        with stage.owner.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM admissions").scalar() == 0

    @pytest.mark.parametrize(("whose", "word"), [("client", "client_calls"), ("agency", "agency_calls")])
    def test_given_as_many_calls_as_allowed_when_one_more_enters_then_it_is_over_the_limit(self, stage, whose, word):
        self.limit(stage, client=stage.client if whose == "client" else None, calls=3)
        self.stand(stage, 2)
        assert stage.facts() == {}
        assert stage.facts() == {"over": word}, "the call before counts although no monitor has told of it yet"

    def test_given_an_admitted_call_when_asked_again_or_at_a_later_step_then_it_is_not_refused(self, stage):
        self.limit(stage, client=stage.client, calls=1)
        call = uuid.uuid4()
        assert [stage.facts(call=call) for _ in range(2)] == [{}, {}]
        assert stage.facts(step="menu") == {}
        assert stage.facts() == {"over": "client_calls"}

    def test_given_a_siblings_calls_when_one_enters_then_only_the_agencys_limit_counts_them(self, stage):
        self.limit(stage, client=stage.client, calls=1)
        self.stand(stage, 5, client=stage.sibling)
        assert stage.facts() == {}
        self.limit(stage, calls=6)
        self.forget(stage, ago=timedelta(seconds=3))
        assert stage.facts() == {}
        assert stage.facts()["over"] == "client_calls"

    def test_given_rows_of_a_silent_monitor_when_a_call_enters_then_they_do_not_count(self, stage):
        self.limit(stage, calls=2)
        self.stand(stage, 2, seen=timedelta(seconds=40))
        assert stage.facts() == {}

    def test_given_a_call_that_its_monitor_tells_of_when_counted_then_it_counts_once(self, stage):
        self.limit(stage, calls=2)
        (call,) = self.stand(stage, 1)
        assert stage.facts(call=call) == {}
        assert stage.facts() == {}
        assert stage.facts() == {"over": "agency_calls"}

    def test_given_batches_of_monitors_when_calls_come_and_go_then_each_counts_once_while_it_stands(self, stage):
        self.limit(stage, calls=3)
        live, let_in = LiveRows(stage.database), [uuid.uuid4() for _ in range(3)]
        assert [stage.facts(call=call) for call in let_in] == [{}, {}, {}]
        rows = [LiveCall(str(call), started_us=1, owner=Owner(stage.agency, stage.client)) for call in let_in]
        live.put("n", Batch(rows[:2], [], []))
        live.put("m", Batch(rows[2:], [], []))
        assert stage.facts() == {"over": "agency_calls"}, "told of, and counted once"
        live.put("n", Batch([], [(stage.agency, str(let_in[0]))], []))
        assert stage.facts() == {}
        assert stage.facts() == {"over": "agency_calls"}

    def test_given_old_admissions_when_monitors_speak_then_they_are_cleared_away(self, stage):
        self.limit(stage, calls=3)
        stage.facts()
        self.forget(stage, ago=timedelta(seconds=6))
        assert LiveRows(stage.database).seen("n") == 0
        with stage.owner.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM admissions").scalar() == 0

    def test_given_a_rate_when_more_calls_come_within_a_second_then_the_rest_is_refused_and_the_next_second_is_free(
        self, stage
    ):
        self.limit(stage, client=stage.client, rate=3)
        assert [stage.facts() for _ in range(5)] == [{}, {}, {}, {"over": "client_rate"}, {"over": "client_rate"}]
        self.forget(stage, ago=timedelta(seconds=1))
        assert stage.facts() == {}

    def test_given_a_limit_of_nothing_when_a_call_enters_then_it_is_refused(self, stage):
        self.limit(stage, calls=0)
        assert stage.facts() == {"over": "agency_calls"}

    def test_given_many_workers_at_once_when_they_decide_then_not_one_call_too_many_is_let_in(self, stage):
        """The worst moment: no monitor has told of anything yet."""
        self.limit(stage, calls=20)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: stage.facts().get("over"), range(60)))
        assert found.count(None) == 20
        assert set(found) == {None, "agency_calls"}

    def test_given_monitors_a_second_late_when_calls_come_and_stay_then_no_more_than_the_limit_ever_stand(self, stage):
        """Each decided call is told of by its monitor only after its admission was forgotten in part."""
        self.limit(stage, client=stage.client, calls=10)
        let_in = []
        for _ in range(6):
            entering = [uuid.uuid4() for _ in range(5)]
            let_in += [call for call in entering if stage.facts(call=call) == {}]
            self.forget(stage, ago=timedelta(seconds=1))
            with stage.owner.begin() as connection:
                for call in let_in:
                    connection.execute(
                        text(
                            "INSERT INTO live_calls (agency_id, call_id, client_id, node, number, state, started_at)"
                            " VALUES (:a, :i, :c, 'n', '+1', 'answered', now()) ON CONFLICT DO NOTHING"
                        ),
                        {"a": stage.agency, "i": call, "c": stage.client},
                    )
                connection.exec_driver_sql("SELECT dialtrace_live_count('n')")
        assert len(let_in) == 10


class TestTrunks:
    TEL = "+442079460100"

    @pytest.fixture
    def trunks(self, stage):
        service = TrunkService(stage.database, stage.clock, SecretsBox([b"k" * 32]))
        for name, priority, costs in (
            ("dear", 1, {"+": "0.09"}),
            ("cheap", 9, {"+44": "0.0125", "+": "5"}),
            ("equal", 5, {"+4420": "0.0125"}),
            ("elsewhere", 1, {"+1": "0.001"}),
        ):
            service.create_trunk(TrunkValues(name=name, host=f"{name}.example", priority=priority, costs=costs))
        return service

    def publish(self, stage):
        step = {"type": "ring", "targets": [{"id": str(new_id()), "address": f"tel:{self.TEL}"}]}
        stage.publish(needs=[], steps={"a": step})

    def allow(self, stage, *prefixes):
        AdmissionService(stage.database).set_destinations(stage.agency, prefixes)

    def named(self, compiled):
        return [one["name"] for one in compiled["trunks"][self.TEL]]

    def test_given_no_destination_when_decided_then_no_trunk_carries_the_call(self, stage, trunks):
        self.publish(stage)
        assert self.named(stage.decide()[0].compiled) == []
        self.allow(stage, "+49", "+33")
        assert self.named(stage.decide()[0].compiled) == []

    def test_given_a_destination_when_decided_then_trunks_by_cost_of_the_longest_prefix_and_then_by_priority(
        self, stage, trunks
    ):
        self.publish(stage)
        self.allow(stage, "+44")
        (found,) = stage.decide()
        assert self.named(found.compiled) == ["equal", "cheap", "dear"]
        assert set(found.compiled["trunks"][self.TEL][0]) == {
            "name", "host", "port", "authentication", "dial_prefix", "number_form", "max_calls",
        }  # fmt: skip

    def test_given_a_flow_without_telephones_when_decided_then_it_names_no_trunks(self, stage, trunks):
        assert "trunks" not in stage.decide()[0].compiled

    def test_given_a_trunk_or_a_destination_that_changes_then_the_next_call_knows_and_followers_hear(
        self, stage, trunks
    ):
        self.publish(stage)
        self.allow(stage, "+44")
        for change in (
            lambda: trunks.change_trunk(
                trunks.list_trunks().items[1].id, expected_version=1, changes={"enabled": False}
            ),
            lambda: self.allow(stage, "+1"),
        ):
            before = self.named(stage.decide()[0].compiled)
            with stage.database.directory() as connection:
                mark = connection.exec_driver_sql("SELECT mark FROM dialtrace_routes_changed(NULL)").scalar()
            change()
            after = self.named(stage.decide()[0].compiled)
            assert after != before
            with stage.database.directory() as connection:
                (row,) = connection.exec_driver_sql(
                    "SELECT * FROM dialtrace_routes_changed(%s::xid8)", (str(mark),)
                ).all()
            assert self.named(row.compiled) == after


class TestWhereTheCallerComesFrom:
    def test_given_a_static_number_then_the_source_that_it_stands_for(self, stage):
        assert "source" not in stage.facts()
        stage.owned(
            "UPDATE numbers SET channel = 'offline', source = 'radio', campaign = 'Spring' WHERE agency_id = :a"
        )
        assert stage.facts() == {"source": "radio", "campaign": "Spring"}
        assert "source" not in stage.facts(step="later")
        stage.publish(needs=["visit"])
        assert stage.facts(step="later") == {"source": "radio", "campaign": "Spring"}

    def test_given_a_dynamic_number_then_that_of_the_one_visit_that_is_shown_it(self, stage):
        stage.owned("UPDATE directory SET kind = 'dynamic'")
        first = stage.shown_to("google")
        assert stage.facts() == {"visit": str(first), "source": "google"}
        stage.shown_to("yandex", ago=timedelta(hours=2), held=timedelta(minutes=30))
        assert stage.facts()["source"] == "google"
        stage.shown_to("bing")
        assert stage.facts() == {}


TOLD = {"kind": "told", "text": "From {source}, {campaign}.", "language": "en", "voice": "", "name": "say-" + "0" * 32}


class TestWhispersThatTellIt:
    def test_given_a_static_number_then_its_route_says_what_it_stands_for_and_followers_hear_of_a_change(self, stage):
        numbers = NumberService(stage.database, stage.clock)
        (number,) = [row.number_id for row in stage.decide()]
        numbers.update_number(stage.agency, number, source={"channel": "offline", "source": "radio"})
        assert "source" not in stage.decide()[0].compiled, "no whisper of the flow tells it"
        stage.publish(needs=["visit"], steps={"desk": ring(whisper=TOLD)})
        assert stage.decide()[0].compiled["source"] == "radio"
        mark = RouteStore(stage.database).routes_changed(None).mark
        numbers.update_number(stage.agency, number, source={"source": "television", "campaign": "Весна"})
        changed = RouteStore(stage.database).routes_changed(mark).routes[NUMBER].compiled
        assert (changed["source"], changed["campaign"]) == ("television", "Весна")

    def test_given_a_dynamic_number_then_its_route_says_nothing(self, stage):
        stage.publish(needs=["visit"], steps={"desk": ring(whisper=TOLD)})
        (number,) = [row.number_id for row in stage.decide()]
        stage.owned("UPDATE numbers SET kind = 'dynamic', state = 'free', source = 'radio' WHERE agency_id = :a")
        with stage.database.tenant(stage.agency) as connection:
            connection.exec_driver_sql("SELECT dialtrace_directory_put(%s, %s)", (stage.agency, number))
        assert "source" not in stage.decide()[0].compiled


class TestRules:
    def rules(self, stage, since=None):
        changes = RouteStore(stage.database).rules_changed(since)
        return changes.mark, {one.scope_id: (one.max_calls, one.max_calls_per_s, one.entries) for one in changes.rules}

    def test_given_block_lists_and_limits_then_followers_get_them_by_scope_and_later_only_what_changed(self, stage):
        mark, found = self.rules(stage)
        assert found == {}
        stage.block("number", CALLER, client=stage.client)
        stage.block("withheld")
        AdmissionService(stage.database).set_limits(stage.agency, stage.client, Limits(3, None))
        mark, found = self.rules(stage, mark)
        assert found == {
            stage.client: (3, None, [f"number {CALLER}"]),
            stage.agency: (None, None, ["withheld"]),
        }
        assert self.rules(stage)[1] == found
        stage.owned("DELETE FROM blocks WHERE agency_id = :a AND kind = 'withheld'")
        assert self.rules(stage, mark)[1][stage.agency] == (None, None, [])
