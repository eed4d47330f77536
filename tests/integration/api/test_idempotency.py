"""`Idempotency-Key` on a real database: done once, answered the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from dialtrace.api.app import ApiServices, create_app
from dialtrace.clock import SystemClock
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.tenancy.model import Client
from dialtrace.tenancy.service import TenancyService

from .conftest import Asker, Tenant

KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'


class ShiftedClock(SystemClock):
    """The machine's clock, some time ahead."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def clients_of(tenant: Tenant) -> list[str]:
    return [row["name"] for row in tenant.agency_key.get("/v1/clients").get_json()["data"]]


def test_given_a_key_when_sent_again_then_the_same_bytes_come_back_and_it_is_done_once(tenant: Tenant) -> None:
    first = tenant.agency_key.post("/v1/clients", {"name": "Once", "time_zone": "UTC"}, Idempotency_Key=KEY)
    again = tenant.agency_key.post("/v1/clients", {"time_zone": "UTC", "name": "Once"}, Idempotency_Key=KEY.strip('"'))
    assert first.status_code == again.status_code == 201
    assert first.data == again.data
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.headers["Location"], again.headers["ETag"]) == (first.headers["Location"], first.headers["ETag"])
    assert clients_of(tenant).count("Once") == 1


def test_given_a_used_key_when_the_body_or_the_address_differs_then_422(tenant: Tenant) -> None:
    tenant.agency_key.post("/v1/clients", {"name": "Once"}, Idempotency_Key=KEY)
    for path, body in (("/v1/clients", {"name": "Other"}), ("/v1/keys", {"role": "agency", "name": "Once"})):
        answer = tenant.agency_key.post(path, body, Idempotency_Key=KEY)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")


def test_given_the_same_key_when_sent_by_another_credential_then_it_is_another_request(
    tenant: Tenant, make_tenant: Callable[[str], Tenant]
) -> None:
    other = make_tenant("South")
    tenant.agency_key.post("/v1/clients", {"name": "Once"}, Idempotency_Key=KEY)
    answer = other.agency_key.post("/v1/clients", {"name": "Mine"}, Idempotency_Key=KEY)
    assert answer.status_code == 201
    assert answer.get_json()["name"] == "Mine"


def test_given_a_refusal_by_the_rules_when_sent_again_then_it_is_the_same_refusal(tenant: Tenant) -> None:
    body = {"client_id": tenant.client["id"], "number": tenant.number["number"]}
    first = tenant.agency_key.post("/v1/numbers", body, Idempotency_Key=KEY)
    tenant.agency_key.delete(f"/v1/numbers/{tenant.number['id']}")
    again = tenant.agency_key.post("/v1/numbers", body, Idempotency_Key=KEY)
    assert first.status_code == again.status_code == 409
    assert first.data == again.data
    assert again.mimetype == "application/problem+json"


def test_given_a_body_that_was_not_understood_when_mended_then_its_key_is_free(tenant: Tenant) -> None:
    assert tenant.agency_key.post("/v1/clients", {"nom": "x"}, Idempotency_Key=KEY).status_code == 422
    assert tenant.agency_key.post("/v1/clients", {"name": "x"}, Idempotency_Key=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", '""', '"', 'a"b', "x" * 256, "two words", "é"])
def test_given_an_unusable_key_when_sent_then_400_and_nothing_is_done(tenant: Tenant, key: str) -> None:
    answer = tenant.agency_key.post("/v1/clients", {"name": "Never"}, Idempotency_Key=key)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_invalid")
    assert "Never" not in clients_of(tenant)


def test_given_a_new_key_when_replayed_then_its_token_is_nowhere(tenant: Tenant, owner_engine: Engine) -> None:
    body = {"role": "agency", "name": "second"}
    first = tenant.agency_key.post("/v1/keys", body, Idempotency_Key=KEY)
    again = tenant.agency_key.post("/v1/keys", body, Idempotency_Key=KEY)
    token = first.get_json()["token"]
    assert again.get_json() == first.get_json() | {"token": None}
    with owner_engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT answer::text FROM idempotency_keys").scalars().all()
    assert kept
    # A secret may have underlines of its own.
    assert max(token.split("_"), key=len) not in "".join(kept)


def test_given_72_hours_when_a_key_is_sent_again_then_it_is_a_new_request(
    services: ApiServices, tenant: Tenant
) -> None:
    clock = ShiftedClock()
    later = Asker(create_app(replace(services, clock=clock)), tenant.agency_key.token)
    for hours, replayed in ((0, None), (71, "true"), (73, None)):
        clock.ahead = timedelta(hours=hours)
        answer = later.post("/v1/clients", {"name": "Again"}, Idempotency_Key=KEY)
        assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (201, replayed)
    assert clients_of(tenant).count("Again") == 2


class Slow(TenancyService):
    """The first request stands in its use case until it may leave."""

    def __init__(self, services: ApiServices, clock: SystemClock) -> None:
        super().__init__(services.database, clock)
        self.entered, self.leave, self.seen = threading.Event(), threading.Event(), 0

    def create_client(self, *arguments: object, **named: object) -> Client:
        made = super().create_client(*arguments, **named)  # type: ignore[arg-type]
        self.seen += 1
        if self.seen == 1:
            self.entered.set()
            assert self.leave.wait(20)
        return made


def test_given_a_request_that_still_runs_when_repeated_then_409_and_a_minute_later_its_key_is_free(
    services: ApiServices, tenant: Tenant
) -> None:
    """It was too slow: whoever repeats it is served, and what it had done itself is undone."""
    clock = ShiftedClock()
    slow = Slow(services, clock)
    key = Asker(create_app(replace(services, tenancy=slow, clock=clock)), tenant.agency_key.token)
    answers: list[int] = []

    def first() -> None:
        answers.append(key.post("/v1/clients", {"name": "Slow"}, Idempotency_Key=KEY).status_code)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert slow.entered.wait(20)
        second = key.post("/v1/clients", {"name": "Slow"}, Idempotency_Key=KEY)
        assert (second.status_code, second.get_json()["code"]) == (409, "idempotency_key_in_use")
        assert second.headers["Retry-After"] == "1"
        clock.ahead = timedelta(minutes=2)
        assert key.post("/v1/clients", {"name": "Slow"}, Idempotency_Key=KEY).status_code == 201
    finally:
        slow.leave.set()
        thread.join(20)
    assert answers == [409]
    assert clients_of(tenant).count("Slow") == 1
    assert key.post("/v1/clients", {"name": "Slow"}, Idempotency_Key=KEY).headers["Idempotent-Replayed"] == "true"


def test_given_a_request_that_is_no_whole_when_it_is_not_answered_in_time_then_its_outcome_is_unknown(
    services: ApiServices, tenant: Tenant
) -> None:
    """A lease is quick and stands outside of the request's transaction: nobody can say whether it was made."""
    clock = ShiftedClock()
    key = Asker(create_app(replace(services, clock=clock)), tenant.agency_key.token)
    pool = tenant.agency_key.made("/v1/pools", {"client_id": tenant.client["id"], "name": "x"})["id"]
    path = f"/v1/pools/{pool}/leases"
    assert key.post(path, {}, Idempotency_Key=KEY).status_code == 201
    with services.database.tenant(tenant.agency["id"]) as connection:
        connection.exec_driver_sql("UPDATE idempotency_keys SET status = NULL, answer = NULL")
    assert key.post(path, {}, Idempotency_Key=KEY).get_json()["code"] == "idempotency_key_in_use"
    clock.ahead = timedelta(minutes=2)
    assert key.post(path, {}, Idempotency_Key=KEY).get_json()["code"] == "idempotency_outcome_unknown"


def test_given_a_process_that_dies_in_a_request_when_repeated_then_nothing_was_done_and_now_it_is(
    services: ApiServices, tenant: Tenant
) -> None:
    class Dying(TenancyService):
        def create_client(self, *arguments: object, **named: object) -> Client:
            super().create_client(*arguments, **named)  # type: ignore[arg-type]
            # As the server sees a process that is killed: its connections are gone.
            services.database.dispose()
            raise SystemExit

    dying = Asker(
        create_app(replace(services, tenancy=Dying(services.database, SystemClock()))), tenant.agency_key.token
    )
    with pytest.raises(SystemExit):
        dying.post("/v1/clients", {"name": "Died"}, Idempotency_Key=KEY)
    assert "Died" not in clients_of(tenant)
    assert tenant.agency_key.post("/v1/clients", {"name": "Died"}, Idempotency_Key=KEY).status_code == 201
    assert clients_of(tenant).count("Died") == 1


@pytest.mark.parametrize("failure", [DatabaseUnavailable, RuntimeError])
def test_given_a_failure_of_ours_when_repeated_then_the_key_is_free_and_nothing_leaks(
    services: ApiServices, tenant: Tenant, failure: type[Exception]
) -> None:
    class Failing(TenancyService):
        failures = 1

        def create_client(self, *arguments: object, **named: object) -> Client:
            if self.failures:
                Failing.failures -= 1
                raise failure("sip:secret@inside")
            return super().create_client(*arguments, **named)  # type: ignore[arg-type]

    failing = replace(services, tenancy=Failing(services.database, services.clock))
    key = Asker(create_app(failing), tenant.agency_key.token)
    first = key.post("/v1/clients", {"name": "Retried"}, Idempotency_Key=KEY)
    assert first.status_code == (503 if failure is DatabaseUnavailable else 500)
    assert "inside" not in first.text
    assert "Traceback" not in first.text
    second = key.post("/v1/clients", {"name": "Retried"}, Idempotency_Key=KEY)
    assert (second.status_code, second.headers.get("Idempotent-Replayed")) == (201, None)


def test_given_many_at_once_with_one_key_when_answered_then_it_is_done_once(tenant: Tenant) -> None:
    statuses: list[int] = []

    def send() -> None:
        statuses.append(tenant.agency_key.post("/v1/clients", {"name": "Race"}, Idempotency_Key=KEY).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert clients_of(tenant).count("Race") == 1


def test_given_old_answers_when_tidied_then_only_they_go(services: ApiServices, tenant: Tenant) -> None:
    from dialtrace.api.store import purge_keys

    tenant.agency_key.post("/v1/clients", {"name": "One"}, Idempotency_Key="one")
    now = services.clock.now()
    agency = tenant.agency["id"]
    with services.database.tenant(agency) as connection:
        assert purge_keys(connection, agency, now - timedelta(hours=1)) == 0
        assert purge_keys(connection, agency, now + timedelta(hours=1)) == 1
