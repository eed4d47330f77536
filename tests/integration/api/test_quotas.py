"""Quotas: how many requests a key and its agency may send in a minute, over several API processes."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Connection

from dialtrace.api.app import ApiServices, create_app
from dialtrace.api.errors import Problem
from dialtrace.api.quotas import Quotas
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database

from .conftest import Asker, Tenant
from .test_conventions import assert_problem


class StillClock(SystemClock):
    """A moment that is moved by hand."""

    at = datetime(2026, 11, 3, 9, 30, 20, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def limited(services: ApiServices, clock: StillClock, *, per_key: int = 0, per_agency: int = 0) -> ApiServices:
    return replace(services, clock=clock, requests_per_min=per_key, agency_requests_per_min=per_agency)


def remaining(header: str, name: str) -> int:
    found = re.search(rf'"{name}";r=(\d+)', header)
    assert found is not None, header
    return int(found[1])


def test_given_a_quota_when_requests_are_sent_then_each_tells_what_is_left_and_no_more_are_answered(
    services: ApiServices, tenant: Tenant, clock: StillClock
) -> None:
    key = Asker(create_app(limited(services, clock, per_key=5, per_agency=100)), tenant.agency_key.token)
    left = []
    for _ in range(5):
        answer = key.get("/v1/clients")
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Policy"] == '"key";q=5;w=60, "tenant";q=100;w=60'
        assert answer.headers["RateLimit"].endswith(";t=40")
        left.append(remaining(answer.headers["RateLimit"], "key"))
    assert left == [4, 3, 2, 1, 0]
    refused = key.get("/v1/clients")
    problem = assert_problem(refused, 429, "too_many_requests")
    assert problem["violated_policies"] == ["key"]
    assert refused.headers["Retry-After"] == "40"
    assert remaining(refused.headers["RateLimit"], "key") == 0
    clock.at += timedelta(seconds=40)
    assert key.get("/v1/clients").status_code == 200


def test_given_several_processes_when_all_take_requests_then_a_minute_never_has_more_than_its_quota(
    services: ApiServices, tenant: Tenant, clock: StillClock
) -> None:
    apps = [create_app(limited(services, clock, per_key=300)) for _ in range(3)]
    keys = [Asker(app, tenant.agency_key.token) for app in apps]
    answered = 0
    for turn in range(330):
        answered += keys[turn % 3].get("/v1/keys?limit=1").status_code == 200
    # What a process has taken and not used is its last block: a hundredth of the quota.
    assert 300 - 2 * 3 <= answered <= 300


def test_given_an_agencys_quota_when_its_keys_ask_then_they_share_it_and_no_other_agency_does(
    services: ApiServices, tenant: Tenant, operator: Asker, clock: StillClock
) -> None:
    app = create_app(limited(services, clock, per_agency=3))
    first, second = Asker(app, tenant.agency_key.token), Asker(app, tenant.client_key.token)
    assert [key.get("/v1/targets").status_code for key in (first, second, first)] == [200] * 3
    assert assert_problem(second.get("/v1/targets"), 429, "too_many_requests")["violated_policies"] == ["tenant"]
    assert Asker(app, operator.token).get("/v1/agencies").status_code == 200


def test_given_a_key_whose_refill_is_slow_when_another_one_asks_then_it_does_not_wait(
    database: Database, tenant: Tenant, clock: StillClock
) -> None:
    quotas = Quotas(database, clock, per_key=2, per_agency=0)
    agency, slow, quick = UUID(tenant.agency["id"]), uuid4(), uuid4()
    is_over = threading.Event()

    def spend(key: UUID) -> None:
        with Flask("test").app_context():
            quotas.spend(agency, key)

    def spend_slowly() -> None:
        spend(slow)
        is_over.set()

    spend(slow)
    with database.tenant(agency) as connection:
        held = "SELECT FROM request_windows WHERE agency_id = %s AND subject_id = %s FOR UPDATE"
        connection.exec_driver_sql(held, (agency, slow))
        thread = threading.Thread(target=spend_slowly)
        thread.start()
        wait_for_waiter(connection)
        spend(quick)
        was_over = is_over.is_set()
    thread.join(20)
    assert (was_over, is_over.is_set()) == (False, True)


def wait_for_waiter(connection: Connection) -> None:
    """Until somebody waits for what this transaction holds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    deadline = time.monotonic() + 8
    while not connection.exec_driver_sql(waiting).scalar_one():
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def test_given_no_database_when_spent_then_nothing_is_refused(clock: StillClock) -> None:
    away = Database("postgresql://nobody@127.0.0.1:24197/none", connect_timeout_s=1)
    quotas = Quotas(away, clock, per_key=1, per_agency=1)
    agency = uuid4()
    with Flask("test").app_context():
        for _ in range(3):
            try:
                quotas.spend(agency, agency)
            except Problem as problem:  # pragma: no cover
                raise AssertionError("nobody is to be refused") from problem
