"""Limits, destinations, block lists and trunks over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from dialtrace.api.app import ApiServices
from dialtrace.clock import SystemClock
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.trunks.service import GatewayDirectory, TrunkService

from .conftest import Asker, Tenant
from .records import store_call

NONE = {"max_calls": None, "max_calls_per_s": None}
SOME = {"max_calls": 30, "max_calls_per_s": 5}
TRUNK: dict[str, Any] = {"name": "north", "host": "sip.carrier.example", "costs": {"+": "0.09", "+44": "0.0125"}}


def put(asker: Asker, path: str, body: Any) -> Any:
    return asker.ask("PUT", path, body)


def test_given_limits_when_set_then_the_agency_reads_its_own_and_sets_its_clients(
    operator: Asker, tenant: Tenant
) -> None:
    agency, client = (f"/v1/{kind}/{row['id']}/limits" for kind, row in (("agencies", tenant.agency),
                                                                         ("clients", tenant.client)))  # fmt: skip
    assert tenant.agency_key.get(agency).get_json() == NONE
    assert put(operator, agency, SOME).get_json() == SOME
    assert put(tenant.agency_key, agency, NONE).status_code == 403
    assert tenant.agency_key.get(agency).get_json() == SOME
    assert put(tenant.agency_key, client, SOME | {"max_calls": 0}).get_json() == SOME | {"max_calls": 0}
    assert put(tenant.client_key, client, NONE).status_code == 403
    assert tenant.client_key.get(client).get_json() == SOME | {"max_calls": 0}
    assert put(tenant.agency_key, client, NONE).get_json() == NONE


@pytest.mark.parametrize("body", [{}, SOME | {"max_calls": -1}, SOME | {"max_calls": 100_001}, SOME | {"x": 1},
                                  SOME | {"max_calls_per_s": "5"}])  # fmt: skip
def test_given_limits_that_make_no_sense_when_set_then_refused_and_nothing_changes(
    tenant: Tenant, body: dict[str, Any]
) -> None:
    path = f"/v1/clients/{tenant.client['id']}/limits"
    put(tenant.agency_key, path, SOME)
    assert put(tenant.agency_key, path, body).status_code == 422
    assert tenant.agency_key.get(path).get_json() == SOME


def test_given_destinations_when_set_by_the_operator_then_the_agency_reads_them(
    operator: Asker, tenant: Tenant
) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/destinations"
    assert tenant.agency_key.get(path).get_json() == {"prefixes": []}
    assert put(operator, path, {"prefixes": ["+44", "+353", "+44"]}).get_json() == {"prefixes": ["+353", "+44"]}
    assert put(tenant.agency_key, path, {"prefixes": ["+"]}).status_code == 403
    assert put(operator, path, {"prefixes": ["0044"]}).status_code == 422
    assert tenant.agency_key.get(path).get_json() == {"prefixes": ["+353", "+44"]}


class TestBlocks:
    def add(self, key: Asker, *entries: dict[str, Any], **more: Any) -> Any:
        return key.post("/v1/blocks", {"entries": list(entries), **more})

    def test_given_entries_when_added_then_each_once_and_listed_to_its_owner_only(self, tenant: Tenant) -> None:
        number, prefix = {"kind": "number", "pattern": "+442079460999"}, {"kind": "prefix", "pattern": "+4420"}
        added = self.add(tenant.agency_key, number, prefix, {"kind": "withheld"}, number)
        assert added.status_code == 201, added.text
        assert [(row["kind"], row["client_id"]) for row in added.get_json()["data"]] == [
            ("number", None), ("prefix", None), ("withheld", None),
        ]  # fmt: skip
        assert self.add(tenant.agency_key, number).get_json()["data"] == []
        assert [row["client_id"] for row in self.add(tenant.client_key, number).get_json()["data"]] == [
            tenant.client["id"]
        ]
        assert len(tenant.client_key.get("/v1/blocks").get_json()["data"]) == 1
        assert tenant.sibling_key.get("/v1/blocks").get_json()["data"] == []
        assert len(tenant.agency_key.get("/v1/blocks").get_json()["data"]) == 4

    @pytest.mark.parametrize(
        ("entry", "pointer"),
        [
            ({"kind": "number", "pattern": "020 7946"}, "#/entries/1/pattern"),
            ({"kind": "prefix", "pattern": "+"}, "#/entries/1/pattern"),
            ({"kind": "withheld", "pattern": "+44"}, "#/entries/1/pattern"),
            ({"kind": "number", "pattern": "+442079460999", "note": "a\nb"}, "#/entries/1/note"),
        ],
    )
    def test_given_an_entry_that_is_none_when_added_then_all_are_refused_by_its_place(
        self, tenant: Tenant, entry: dict[str, Any], pointer: str
    ) -> None:
        answer = self.add(tenant.agency_key, {"kind": "withheld"}, entry)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.get_json()["errors"]] == [pointer]
        assert tenant.agency_key.get("/v1/blocks").get_json()["data"] == []

    def test_given_an_entry_when_removed_then_it_is_gone_and_no_client_removes_its_agencys(
        self, tenant: Tenant
    ) -> None:
        (row,) = self.add(tenant.agency_key, {"kind": "withheld"}).get_json()["data"]
        assert tenant.client_key.delete(f"/v1/blocks/{row['id']}").status_code == 404
        assert [tenant.agency_key.delete(f"/v1/blocks/{row['id']}").status_code for _ in range(2)] == [204, 404]


class TestTrunks:
    def test_given_a_trunk_when_made_changed_and_removed_then_each_is_seen(self, operator: Asker) -> None:
        made = operator.made("/v1/trunks", TRUNK)
        path = f"/v1/trunks/{made['id']}"
        assert made["priority"] == 100
        assert made["costs"] == TRUNK["costs"]
        changed = operator.patch(path, {"enabled": False, "port": 5080}, If_Match='"v1"')
        assert (changed.get_json()["enabled"], changed.get_json()["port"], changed.get_json()["version"]) == (
            False, 5080, 2,
        )  # fmt: skip
        assert operator.patch(path, {"enabled": True}, If_Match='"v1"').status_code == 412
        assert [row["name"] for row in operator.get("/v1/trunks").get_json()["data"]] == ["north"]
        assert operator.post("/v1/trunks", TRUNK).get_json()["code"] == "trunk_name_taken"
        assert [operator.delete(path).status_code for _ in range(2)] == [204, 404]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": "North Trunk"}, "name"), ({"host": "a b"}, "host"), ({"host": "x]y"}, "host"),
            ({"costs": {"44": "1"}}, "costs"), ({"costs": {"+44": "cheap"}}, "costs"),
            ({"currency": "usd"}, "currency"),
            ({"dial_prefix": "9w"}, "dial_prefix"), ({"authentication": "digest"}, "username"),
            ({"authentication": "digest", "username": "u"}, "password"), ({"password": "p"}, "password"),
            ({"authentication": "digest", "username": "u", "password": "two words"}, "password"),
            ({"authentication": "digest", "username": "u", "password": "a:b"}, "password"),
            ({"username": "u"}, "username"), ({"max_calls_per_s": 0}, "max_calls_per_s"),
        ],
    )  # fmt: skip
    def test_given_a_trunk_that_is_none_when_made_then_refused(
        self, operator: Asker, change: dict[str, Any], field: str
    ) -> None:
        answer = operator.post("/v1/trunks", TRUNK | change)
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["pointer"] == f"#/{field}"

    def test_given_a_trunk_with_a_password_when_asked_in_any_way_then_it_is_never_shown_and_opens_for_monitors_only(
        self, operator: Asker, services: ApiServices, owner_engine: Engine
    ) -> None:
        told = {"authentication": "digest", "username": "100200", "password": "correct-horse", "max_calls_per_s": 5}
        answers = [operator.post("/v1/trunks", TRUNK | told, Idempotency_Key="once") for _ in range(2)]
        made = answers[0].get_json()
        path = f"/v1/trunks/{made['id']}"
        answers += [operator.get(path), operator.get("/v1/trunks"), operator.post("/v1/trunks", TRUNK | told)]
        answers.append(operator.patch(path, {"password": "battery\tstaple"}, If_Match='"v1"'))
        assert (made["has_password"], made["username"], made["max_calls_per_s"]) == (True, "100200", 5)
        assert not any(word in one.get_data(as_text=True) for one in answers for word in ("horse", "staple"))
        with owner_engine.connect() as connection:
            (row,) = connection.exec_driver_sql("SELECT trunks::text AS told FROM trunks").all()
            kept = connection.exec_driver_sql("SELECT idempotency_keys::text AS told FROM idempotency_keys").all()
        assert "horse" not in row.told
        assert b"horse".hex() not in row.told
        assert not any("horse" in one.told for one in kept)
        box = SecretsBox([b"k" * 32])
        (gateway,) = GatewayDirectory(services.database, box).gateways()
        assert (gateway.name, gateway.username, gateway.password) == ("north", "100200", "correct-horse")
        assert "horse" not in repr(gateway)

    def test_given_a_password_when_changed_rotated_or_no_longer_wanted_then_so_it_is(
        self, operator: Asker, services: ApiServices
    ) -> None:
        told = {"authentication": "digest", "username": "u", "password": "first"}
        path = f"/v1/trunks/{operator.made('/v1/trunks', TRUNK | told)['id']}"
        assert operator.patch(path, {"password": "second"}, If_Match='"v1"').status_code == 200
        old, new = b"k" * 32, b"n" * 32
        service = TrunkService(services.database, SystemClock(), SecretsBox([new, old]))
        assert [service.reseal_passwords() for _ in range(2)] == [1, 0]
        (gateway,) = GatewayDirectory(services.database, SecretsBox([new])).gateways()
        assert gateway.password == "second"
        changed = operator.patch(path, {"authentication": "address"}, If_Match='"v2"').get_json()
        assert (changed["has_password"], changed["username"]) == (False, "")
        assert GatewayDirectory(services.database, SecretsBox([new])).gateways() == []

    def test_given_prices_in_one_currency_when_a_trunk_has_another_then_refused(self, operator: Asker) -> None:
        operator.made("/v1/trunks", TRUNK)
        assert operator.post("/v1/trunks", TRUNK | {"name": "south", "currency": "EUR"}).status_code == 422


def test_given_a_call_when_its_caller_is_no_spam_then_it_can_be_said_and_taken_back(
    services: ApiServices, make_tenant: Callable[[str], Tenant]
) -> None:
    tenant = make_tenant("North")
    call = store_call(services, tenant.agency["id"], tenant.client["id"], caller="+442079467777")
    path = f"/v1/calls/{call}/not-spam"
    assert [tenant.client_key.ask("PUT", path).status_code for _ in range(2)] == [204, 204]
    assert tenant.sibling_key.ask("PUT", path).status_code == 404
    assert tenant.client_key.delete(path).status_code == 204
