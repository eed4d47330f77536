"""Quotas: how many requests a key and its agency may send in a minute, over several API processes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask

from dialtrace.api.app import ApiServices, create_app
from dialtrace.api.errors import Problem
from dialtrace.api.quotas import Quotas
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable

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


def test_given_no_database_when_spent_then_nothing_is_refused(
    database: Database, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr("dialtrace.api.quotas.take_requests", away)
    quotas = Quotas(database, clock, per_key=1, per_agency=1)
    agency = uuid4()
    with Flask("test").app_context():
        for _ in range(3):
            try:
                quotas.spend(agency, agency)
            except Problem as problem:  # pragma: no cover
                raise AssertionError("nobody is to be refused") from problem
