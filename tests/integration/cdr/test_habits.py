"""Storing calls counts their callers' habits, once each, and never stands in a record's way."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dialtrace.cdr.model import CallFacts
from dialtrace.cdr.service import CdrService
from dialtrace.clock import SystemClock
from dialtrace.tenancy.service import TenancyService

CALLER = "+442079467777"


@pytest.fixture
def service(database):
    return CdrService(database)


@pytest.fixture
def call_of(database, clock):
    tenancy = TenancyService(database, clock)
    agency = tenancy.create_agency("First").id

    def call(**values):
        client = values.pop("client", None) or tenancy.create_client(agency, "Its client").id
        return CallFacts(
            id=uuid.uuid4(), started_at=datetime.now(UTC), node="n", number="+442079460001", outcome="no_answer",
            agency_id=agency, client_id=client, **{"caller": CALLER, **values},
        )  # fmt: skip

    return call


@pytest.fixture
def clock():
    return SystemClock()


def patterns(owner_engine):
    with owner_engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT calls, short_calls, cardinality(clients), score, rules FROM caller_patterns ORDER BY calls"
        )
        return [tuple(row) for row in found]


def test_given_many_short_calls_to_many_clients_when_stored_then_the_caller_gets_a_score_with_its_rules(
    service, call_of, owner_engine
):
    service.store_batch([call_of() for _ in range(12)])
    assert patterns(owner_engine) == []
    service.note_habits()
    assert patterns(owner_engine) == [(12, 12, 12, 72, "call_rate:7,many_clients:40,short_calls:25")]


def test_given_a_record_that_comes_again_when_stored_then_it_counts_once(service, call_of, owner_engine):
    call = call_of(talk_ms=60_000)
    service.store_batch([call])
    service.store_batch([call])
    service.store_batch([replace(call, codec="PCMA")])
    service.note_habits()
    service.note_habits()
    assert patterns(owner_engine) == [(1, 0, 1, 0, "")]


def test_given_withheld_numbers_and_test_calls_when_stored_then_nobodys_habits_are_noted(
    service, call_of, owner_engine
):
    service.store_batch([call_of(caller=None), call_of(is_test=True)])
    service.note_habits()
    assert patterns(owner_engine) == []


def test_given_habits_that_cannot_be_noted_when_calls_are_stored_then_they_are_stored_all_the_same(
    service, call_of, owner_engine
):
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("ALTER FUNCTION dialtrace_note_callers(jsonb) RENAME TO dialtrace_note_away")
    try:
        (stored,) = service.store_batch([call_of()])
        service.note_habits()
    finally:
        with owner_engine.begin() as connection:
            connection.exec_driver_sql("ALTER FUNCTION dialtrace_note_away(jsonb) RENAME TO dialtrace_note_callers")
    assert stored.changed
