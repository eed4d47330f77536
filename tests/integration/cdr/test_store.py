"""Call records in a real database: once in effect, whatever comes twice, late or poisoned."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from dialtrace.cdr.errors import CallUnknown
from dialtrace.cdr.interpret import interpret, lost_document
from dialtrace.cdr.model import CallFacts, CallFilters, Facts, LegFacts
from dialtrace.cdr.service import CdrService
from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.db.tables import OPERATOR_AGENCY, OPERATOR_CLIENT
from dialtrace.ids import new_id

DATA = Path(__file__).parents[2] / "data" / "cdr"
AGENCY = UUID("01990000-0000-7000-8000-0000000000a1")
CLIENT = UUID("01990000-0000-7000-8000-0000000000c7")
TARGET_1 = UUID("01990000-0000-7000-8000-0000000000e1")
TARGET_2 = UUID("01990000-0000-7000-8000-0000000000e2")


def facts_of(name: str) -> Facts:
    return interpret(json.loads((DATA / f"{name}.json").read_text(encoding="utf-8")), node="node-1")


def call_of(case: str) -> CallFacts:
    found = facts_of(f"{case}.a")
    assert isinstance(found, CallFacts)
    return found


def legs_of(case: str) -> list[LegFacts]:
    names = sorted(path.name for path in DATA.glob(f"{case}.b?.json"))
    found = [facts_of(name.removesuffix(".json")) for name in names]
    return [leg for leg in found if isinstance(leg, LegFacts)]


def rows(engine: Engine, statement: str) -> list[tuple]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


@pytest.fixture
def service(database: Database) -> CdrService:
    return CdrService(database)


def test_given_a_call_with_its_legs_when_storing_then_call_legs_ledger_and_event_are_there(service, owner_engine):
    call, legs = call_of("07-failover-busy-answered"), legs_of("07-failover-busy-answered")

    stored = service.store_batch([call, *legs])

    assert [(one.changed, one.refused) for one in stored] == [(True, None)] * 3
    detail = service.get_call(AGENCY, None, call.id)
    assert detail.call.started_at == call.started_at
    assert detail.call.connected_at == call.connected_at
    assert (detail.call.outcome, detail.call.target_id, detail.call.revision) == ("answered", TARGET_2, 1)
    assert [(leg.target_id, leg.outcome, leg.sip_status) for leg in detail.legs] == [
        (TARGET_1, "busy", 486),
        (TARGET_2, "answered", 200),
    ]
    recording = detail.recordings[0]
    assert (recording.state, recording.segment) == ("on_node", 1)
    assert recording.node_path == f"20261122/{call.id}-1.wav"
    assert recording.object_name == f"{AGENCY}/2026/11/22/{call.id}-1.wav"
    events = rows(owner_engine, "SELECT type, call_id, client_id, revision, occurred_at, data FROM events")
    assert events == [
        ("call.ended", call.id, CLIENT, 1, call.ended_at, {"started_at": call.started_at.isoformat()}),
    ]


def test_given_the_same_files_again_when_storing_then_nothing_changes(service, owner_engine):
    batch = [call_of("01-answered"), *legs_of("01-answered")]
    service.store_batch(batch)
    before = rows(owner_engine, "SELECT * FROM calls, legs, recordings, events")

    again = service.store_batch(batch)

    assert [one.changed for one in again] == [False, False]
    assert rows(owner_engine, "SELECT * FROM calls, legs, recordings, events") == before


@pytest.mark.parametrize("first", ["call", "legs"])
def test_given_files_in_either_order_when_storing_then_the_end_is_the_same(service, owner_engine, first):
    call, legs = call_of("07-failover-busy-answered"), legs_of("07-failover-busy-answered")
    parts = [[call], legs] if first == "call" else [legs, [call]]

    for part in parts:
        service.store_batch(part)

    detail = service.get_call(AGENCY, CLIENT, call.id)
    assert (detail.call.target_id, len(detail.legs)) == (TARGET_2, 2)
    revisions = [row[0] for row in rows(owner_engine, "SELECT revision FROM events ORDER BY revision")]
    assert revisions == ([1, 2] if first == "call" else [1])
    assert detail.call.revision == revisions[-1]


def test_given_a_late_leg_twice_when_storing_then_the_call_is_revised_once(service, owner_engine):
    service.store_batch([call_of("01-answered")])
    for _ in range(3):
        service.store_batch(legs_of("01-answered"))

    assert rows(owner_engine, "SELECT revision, target_id FROM calls") == [(2, TARGET_1)]


def test_given_other_facts_of_the_same_call_when_storing_then_the_revision_counts_and_the_target_stays(
    service, owner_engine
):
    call = call_of("01-answered")
    service.store_batch([call, *legs_of("01-answered")])

    service.store_batch([replace(call, codec="PCMU")])

    assert rows(owner_engine, "SELECT revision, codec, target_id FROM calls") == [(2, "PCMU", TARGET_1)]
    assert rows(owner_engine, "SELECT revision FROM events ORDER BY revision") == [(1,), (2,)]
    service.store_batch([call, *legs_of("01-answered")])
    assert rows(owner_engine, "SELECT revision, codec FROM calls") == [(3, "PCMA")]


def test_given_a_call_of_nobodys_number_when_storing_then_it_is_the_operators(service, owner_engine):
    stored = service.store_batch([call_of("06-cancelled-in-socket")])

    assert stored[0].agency_id == UUID(OPERATOR_AGENCY)
    assert rows(owner_engine, "SELECT agency_id, client_id, outcome, number FROM calls") == [
        (UUID(OPERATOR_AGENCY), UUID(OPERATOR_CLIENT), "caller_cancelled", "+74955550606")
    ]


def test_given_a_caller_who_left_before_the_plan_when_storing_then_the_directory_says_whose_call_it_was(
    service, owner_engine
):
    number = new_id()
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO directory (e164, agency_id, client_id, number_id, status, tenant_status, kind, version)"
                " VALUES ('+74955550606', :agency, :client, :number, 'active', 'active', 'static', 1)"
            ),
            {"agency": AGENCY, "client": CLIENT, "number": number},
        )

    stored = service.store_batch([call_of("06-cancelled-in-socket"), call_of("10-unknown-fallback")])

    assert [one.agency_id for one in stored] == [AGENCY, UUID(OPERATOR_AGENCY)]
    assert [one.facts.client_id for one in stored] == [CLIENT, UUID(OPERATOR_CLIENT)]


def test_given_a_leg_without_a_tenant_when_its_call_is_in_the_batch_then_it_goes_with_it(service, owner_engine):
    leg = replace(legs_of("01-answered")[0], agency_id=None, client_id=None)

    service.store_batch([leg, call_of("01-answered")])

    assert rows(owner_engine, "SELECT agency_id, client_id FROM legs") == [(AGENCY, CLIENT)]


def test_given_one_record_that_the_database_refuses_when_storing_then_the_others_are_stored(service, owner_engine):
    poisoned = replace(call_of("03-busy"), number="\x00")
    stored = service.store_batch([call_of("01-answered"), poisoned, call_of("02-answered-target-hangs-up")])

    assert [one.refused is None for one in stored] == [True, False, True]
    assert "22P05" in stored[1].refused
    assert rows(owner_engine, "SELECT count(*) FROM calls") == [(2,)]


def test_given_every_captured_file_when_storing_twice_then_each_call_is_there_once(service, owner_engine):
    names = [path.name.removesuffix(".json") for path in DATA.glob("*.json") if ".expected." not in path.name]
    batch = [facts_of(name) for name in sorted(names)]
    service.store_batch(batch)
    service.store_batch(list(reversed(batch)))

    calls = [fact for fact in batch if isinstance(fact, CallFacts)]
    assert rows(owner_engine, "SELECT count(*), max(revision) FROM calls") == [(len(calls), 1)]
    assert rows(owner_engine, "SELECT count(*) FROM legs") == [(len(batch) - len(calls),)]
    assert rows(owner_engine, "SELECT count(*), count(DISTINCT call_id) FROM events") == [(len(calls), len(calls))]


def test_given_a_lost_node_when_the_real_record_comes_later_then_it_revises_and_never_the_other_way(
    service, owner_engine
):
    real = call_of("01-answered")
    row = lost_document(
        call_id=str(real.id), core_uuid=str(real.core_uuid), started_us=1795325718709881, dialled="74955550601",
        caller="+74955550123", caller_name="Caller", segments=[1],
    )  # fmt: skip
    lost = interpret(row, node="node-1")
    assert isinstance(lost, CallFacts)
    assert (lost.outcome, lost.started_at, lost.segments) == ("node_lost", real.started_at, (1,))
    lost = replace(lost, agency_id=AGENCY, client_id=CLIENT)

    service.store_batch([lost])
    assert rows(owner_engine, "SELECT outcome, revision FROM calls") == [("node_lost", 1)]
    service.store_batch([real])
    assert rows(owner_engine, "SELECT outcome, revision FROM calls") == [("answered", 2)]
    again = service.store_batch([lost])
    assert not again[0].changed
    assert rows(owner_engine, "SELECT outcome, revision FROM calls") == [("answered", 2)]


def test_given_a_rule_without_recording_when_storing_then_the_ledger_says_why_there_is_none(service, owner_engine):
    call = call_of("01-answered")
    ruled_out = replace(call, segments=(), should_record=False, facts={**call.facts, "recording_rule": "no"})
    service.store_batch([ruled_out])

    assert rows(owner_engine, "SELECT state, absence_reason, object_name FROM recordings") == [
        ("absent", "rule_off", None)
    ]


def test_given_an_attempt_without_a_channel_when_reading_then_it_is_named(service):
    call = call_of("19-unknown-gateway")
    service.store_batch([call])

    assert service.get_call(AGENCY, None, call.id).attempts_without_leg == [TARGET_1]


def test_given_all_that_a_record_may_tell_when_storing_then_it_is_read_back_as_it_was(service):
    told = {
        "pdd_ms": 120, "hold_ms": 900, "queue_ms": 4_000, "loss_percent": 1.25, "jitter_ms": 3.1, "r_factor": 87.9,
        "mos": 4.27, "verstat": "TN-Validation-Passed", "attestation": "A", "attested_by": "edge",
        "diversion": "<sip:+14155550111@carrier.example>;reason=unconditional", "diverted_from": "+14155550111",
        "spam_score": 35,
    }  # fmt: skip
    of_leg = {"hangup_side": "target", "trunk": "north", "pdd_ms": 80, "hold_ms": 700, "loss_percent": 0.0, "mos": 4.4}
    call = replace(call_of("01-answered"), **told)
    leg = replace(legs_of("01-answered")[0], **of_leg)

    service.store_batch([call, leg])

    detail = service.get_call(AGENCY, None, call.id)
    assert {name: getattr(detail.call, name) for name in told} == told
    assert {name: getattr(detail.legs[0], name) for name in of_leg} == of_leg
    assert (detail.call.cost, detail.call.cost_currency, detail.call.cost_revision) == (None, None, None)


def test_given_a_cost_when_the_record_is_revised_then_no_file_takes_it_away(service, database):
    call = call_of("01-answered")
    service.store_batch([call])
    with database.tenant(AGENCY) as connection:
        connection.exec_driver_sql("UPDATE calls SET cost = 0.0423, cost_currency = 'USD', cost_revision = 1")

    service.store_batch([replace(call, ended_at=call.started_at + timedelta(hours=1))])

    kept = service.get_call(AGENCY, None, call.id).call
    assert (kept.cost, kept.cost_currency, kept.cost_revision, kept.revision) == (Decimal("0.0423"), "USD", 1, 2)


def test_given_another_tenant_when_reading_then_there_is_no_such_call(service):
    call = call_of("01-answered")
    service.store_batch([call, *legs_of("01-answered")])

    for agency, client in ((new_id(), None), (AGENCY, new_id())):
        with pytest.raises(CallUnknown):
            service.get_call(agency, client, call.id)
        assert service.list_calls(agency, client, CallFilters()).items == []


def test_given_many_calls_when_paging_then_each_comes_once_and_the_latest_first(service):
    start = datetime(2026, 11, 1, tzinfo=UTC)
    pattern = call_of("01-answered")
    batch = [replace(pattern, id=new_id(), started_at=start + timedelta(seconds=index // 3)) for index in range(25)]
    service.store_batch(batch)

    seen, after = [], None
    for _ in range(10):
        page = service.list_calls(AGENCY, None, CallFilters(), limit=4, after=after)
        seen += page.items
        after = page.next
        if after is None:
            break

    assert after is None
    expected = sorted(((call.started_at, call.id) for call in batch), reverse=True)
    assert [(call.started_at, call.id) for call in seen] == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (CallFilters(number="+74955550603"), {"03-busy"}),
        (CallFilters(outcome="busy"), {"03-busy", "13-announce-then-busy"}),
        (CallFilters(caller="+10000000000"), set()),
        (CallFilters(node="node-2"), set()),
        (CallFilters(answered_only=True), {"01-answered"}),
        (CallFilters(min_talk_ms=4039), {"01-answered"}),
        (CallFilters(min_talk_ms=4040), set()),
        (CallFilters(started_until=datetime(2026, 11, 22, 5, 35, 32, 809863, tzinfo=UTC)), {"01-answered"}),
        (CallFilters(started_from=datetime(2026, 11, 22, 5, 35, 32, 809863, tzinfo=UTC)),
         {"03-busy", "13-announce-then-busy"}),
    ],
)  # fmt: skip
def test_given_filters_when_listing_then_only_what_was_asked_comes(service, filters, expected):
    cases = {call_of(case).id: case for case in ("01-answered", "03-busy", "13-announce-then-busy")}
    service.store_batch([call_of(case) for case in cases.values()])

    assert {cases[call.id] for call in service.list_calls(AGENCY, CLIENT, filters).items} == expected


def test_given_no_database_when_storing_then_that_is_said_and_no_file_is_blamed():
    away = Database("postgresql://nobody@127.0.0.1:24199/none", connect_timeout_s=1)
    with pytest.raises(DatabaseUnavailable):
        CdrService(away).store_batch([call_of("01-answered")])
