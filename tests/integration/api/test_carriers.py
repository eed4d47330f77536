"""Numbers from carriers: a file of them, and a carrier with an API of its own, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.carriers.errors import CarrierAway
from dialtrace.carriers.http import HttpCarrier
from dialtrace.carriers.model import Wanted
from dialtrace.carriers.resealing import reseal_tokens
from dialtrace.carriers.service import purpose_of
from dialtrace.carriers.store import waiting_orders
from dialtrace.jobs.model import Job
from dialtrace.outgoing.model import Rules
from dialtrace.outgoing.service import OutgoingClient
from dialtrace.secrets_box.model import SecretsBox

from .conftest import Asker, Tenant
from .test_conventions import assert_problem

OFFERS = "e164,country,region,kind\n+442079468801,GB,London,local\n+441614960802,GB,Manchester,local\n"


@pytest.fixture
def inventory(tmp_path: Path, operator: Asker) -> dict[str, Any]:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "numbers.csv").write_text(OFFERS)
    return operator.made("/v1/carriers", {"name": "own", "adapter": "inventory", "file": "numbers.csv"})


def numbers_of(key: Asker, query: str = "") -> list[str]:
    answer = key.get(f"/v1/available-numbers{query}")
    assert answer.status_code == 200, answer.text
    return [row["number"] for row in answer.get_json()["data"]]


def ordered(key: Asker, tenant: Tenant, carrier: str, number: str, **more: Any) -> dict[str, Any]:
    body = {"client_id": tenant.client["id"], "carrier_id": carrier, "number": number, **more}
    answer = key.post("/v1/number-orders", body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_given_a_file_of_numbers_when_searched_and_ordered_then_one_is_in_service_and_no_longer_offered(
    tenant: Tenant, inventory: dict[str, Any]
) -> None:
    key = tenant.agency_key
    assert numbers_of(key) == ["+442079468801", "+441614960802"]
    assert numbers_of(key, "?prefix=%2B44161") == ["+441614960802"]
    assert numbers_of(key, "?region=London&kind=local&country=GB") == ["+442079468801"]
    order = ordered(key, tenant, inventory["id"], "+442079468801", flow_id=tenant.flow["id"], label="Shop")
    assert order["state"] == "active"
    number = key.get(f"/v1/numbers/{order['number_id']}").get_json()
    assert (number["number"], number["flow_id"], number["label"]) == ("+442079468801", tenant.flow["id"], "Shop")
    assert numbers_of(key) == ["+441614960802"]
    again = {"client_id": tenant.client["id"], "carrier_id": inventory["id"], "number": "+442079468801"}
    assert_problem(key.post("/v1/number-orders", again), 409, "number_taken")
    unknown = again | {"number": "+442079468899"}
    assert_problem(key.post("/v1/number-orders", unknown), 409, "carrier_refuses")
    assert key.get("/v1/number-orders?state=active").get_json()["data"] == [order]
    key.delete(f"/v1/numbers/{order['number_id']}")
    assert "+442079468801" in numbers_of(key)


def test_given_a_port_when_carried_out_by_hand_then_it_goes_through_its_states(
    tenant: Tenant, inventory: dict[str, Any], operator: Asker
) -> None:
    key, number = tenant.agency_key, "+442079460555"
    port = {"losing_carrier": "Old Telecom", "account": "A-1"}
    order = ordered(key, tenant, inventory["id"], number, port=port, submit=False)
    path = f"/v1/number-orders/{order['id']}"
    assert (order["state"], order["port"]["losing_carrier"]) == ("draft", "Old Telecom")
    told = {"agency_id": tenant.agency["id"]}
    assert_problem(operator.post(f"{path}/state", {**told, "state": "active"}), 409, "order_not_open")
    assert key.post(f"{path}/submit", {}).get_json()["state"] == "submitted"
    assert_problem(key.post(f"{path}/state", {"state": "active"}), 403, "role_insufficient")
    scheduled = {**told, "state": "scheduled", "scheduled_for": "2026-12-01"}
    assert operator.post(f"{path}/state", scheduled).get_json()["scheduled_for"] == "2026-12-01"
    done = operator.post(f"{path}/state", {**told, "state": "active"}).get_json()
    assert key.get(f"/v1/numbers/{done['number_id']}").get_json()["number"] == number
    assert_problem(key.post(f"{path}/cancel", {}), 409, "order_not_open")


def test_given_a_number_when_assigned_then_the_other_client_has_it_and_the_history_stays(tenant: Tenant) -> None:
    key = tenant.agency_key
    answer = key.post(f"/v1/numbers/{tenant.number['id']}/assign", {"to_client_id": tenant.sibling["id"]})
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert (made["client_id"], made["number"]) == (tenant.sibling["id"], tenant.number["number"])
    assert key.get(f"/v1/numbers/{tenant.number['id']}").get_json()["status"] == "released"
    assert_problem(
        key.post(f"/v1/numbers/{tenant.number['id']}/assign", {"to_client_id": tenant.sibling["id"]}),
        409,
        "number_released",
    )


class Acme(BaseHTTPRequestHandler):
    """A carrier with an API: one number, orders by reference."""

    orders: ClassVar[dict[str, dict[str, Any]]] = {}
    seen: ClassVar[list[tuple[str, str, str | None]]] = []
    state: ClassVar[str] = "requested"
    #: What happens while an order is on its way.
    meanwhile: ClassVar[list[Callable[[], object]]] = []
    #: How often it does not take an order back yet.
    busy: ClassVar[int] = 0

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.seen.append(("GET", self.path, self.headers.get("Authorization")))
        if self.path.startswith("/numbers"):
            self._answer(
                200, {"data": [{"e164": "+442079468803", "country": "GB", "region": "London", "kind": "local"}]}
            )
            return
        order = self.orders.get(self.path.rsplit("/", 1)[1])
        self._answer(200 if order else 404, {**(order or {}), "state": self.state})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(("POST", self.path, self.headers.get("Idempotency-Key")))
        for happens in self.meanwhile:
            happens()
        order = self.orders.setdefault("A-" + body["reference"][:8], {"id": "A-" + body["reference"][:8]})
        self._answer(200, {**order, "state": self.state})

    def do_DELETE(self) -> None:
        self.seen.append(("DELETE", self.path, self.headers.get("Authorization")))
        if Acme.busy:
            Acme.busy -= 1
            self._answer(503, {})
            return
        self._answer(200, {**self.orders[self.path.rsplit("/", 1)[1]], "state": "cancelled"})

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def acme() -> Iterator[str]:
    Acme.orders, Acme.seen, Acme.state, Acme.meanwhile, Acme.busy = {}, [], "requested", [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Acme)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(20)
    server.server_close()


def test_given_a_carrier_with_an_api_when_ordered_then_a_job_asks_it_until_the_number_is_there(
    tenant: Tenant, operator: Asker, services: ApiServices, acme: str
) -> None:
    client = OutgoingClient(Rules(private_networks=(ip_network("127.0.0.0/8"),)))
    assert [offer.e164 for offer in HttpCarrier(client, acme, "t").search(Wanted())] == ["+442079468803"]
    carrier = operator.made("/v1/carriers", {"name": "acme", "adapter": "http", "base_url": acme, "token": "secret"})
    assert carrier["has_token"] is True
    assert numbers_of(tenant.agency_key) == ["+442079468803"]
    assert ("GET", Acme.seen[-1][1], "Bearer secret") == Acme.seen[-1]
    order = ordered(tenant.agency_key, tenant, carrier["id"], "+442079468803")
    assert order["state"] == "requested"
    job = Job(1, "carriers.follow", 1, {"agency_id": tenant.agency["id"], "order_id": order["id"]})
    services.carriers.follow(job)
    assert Acme.seen[-1] == ("POST", "/orders", f'"{order["id"]}"')
    Acme.state = "active"
    services.carriers.follow(job)
    services.carriers.follow(job)
    found = tenant.agency_key.get(f"/v1/number-orders/{order['id']}").get_json()
    assert found["state"] == "active"
    assert found["reference"] == "A-" + order["id"][:8]
    assert tenant.agency_key.get(f"/v1/numbers/{found['number_id']}").get_json()["number"] == "+442079468803"


def job_of(order: dict[str, Any]) -> Job:
    return Job(1, "carriers.follow", 1, {"agency_id": order["agency_id"], "order_id": order["id"]})


def first_waiting(services: ApiServices) -> UUID:
    with services.database.system() as connection:
        return waiting_orders(connection, before=datetime.now(UTC) + timedelta(minutes=1), limit=1)[0][1]


def test_given_carriers_that_are_away_or_gone_when_followed_then_their_orders_do_not_keep_others_waiting(
    tenant: Tenant, operator: Asker, services: ApiServices, acme: str
) -> None:
    gone = operator.made("/v1/carriers", {"name": "gone", "adapter": "http", "base_url": acme})
    away = operator.made("/v1/carriers", {"name": "away", "adapter": "http", "base_url": "http://127.0.0.1:1"})
    there = operator.made("/v1/carriers", {"name": "there", "adapter": "http", "base_url": acme})
    orders = [
        ordered(tenant.agency_key, tenant, carrier["id"], f"+44207946880{digit}")
        for digit, carrier in enumerate((gone, away, there), start=3)
    ]
    assert operator.delete(f"/v1/carriers/{gone['id']}").status_code == 204
    assert first_waiting(services) == UUID(orders[0]["id"])
    services.carriers.follow(job_of(orders[0]))
    assert first_waiting(services) == UUID(orders[1]["id"])
    with pytest.raises(CarrierAway):
        services.carriers.follow(job_of(orders[1]))
    assert first_waiting(services) == UUID(orders[2]["id"])
    for order in orders[:2]:
        assert tenant.agency_key.get(f"/v1/number-orders/{order['id']}").get_json()["version"] == order["version"]


def test_given_an_order_when_its_carrier_is_disabled_then_it_is_followed_to_its_end(
    tenant: Tenant, operator: Asker, services: ApiServices, acme: str
) -> None:
    carrier = operator.made("/v1/carriers", {"name": "acme", "adapter": "http", "base_url": acme})
    order = ordered(tenant.agency_key, tenant, carrier["id"], "+442079468803")
    changed = operator.patch(f"/v1/carriers/{carrier['id']}", {"enabled": False}, If_Match='"v1"')
    assert changed.status_code == 200, changed.text
    assert numbers_of(tenant.agency_key) == []
    Acme.state = "active"
    services.carriers.follow(job_of(order))
    assert tenant.agency_key.get(f"/v1/number-orders/{order['id']}").get_json()["state"] == "active"


def test_given_an_order_on_its_way_when_taken_back_then_the_carrier_hears_of_it_even_if_it_is_away_at_first(
    tenant: Tenant, operator: Asker, services: ApiServices, acme: str
) -> None:
    told = {"name": "acme", "adapter": "http", "base_url": acme, "token": "secret"}
    carrier = operator.made("/v1/carriers", told)
    order = ordered(tenant.agency_key, tenant, carrier["id"], "+442079468803")
    path, reference = f"/v1/number-orders/{order['id']}", "A-" + order["id"][:8]
    Acme.meanwhile, Acme.busy = [lambda: tenant.agency_key.post(f"{path}/cancel", {})], 1
    with pytest.raises(CarrierAway):
        services.carriers.follow(job_of(order))
    found = tenant.agency_key.get(path).get_json()
    assert (found["state"], found["reference"]) == ("cancelled", reference)
    services.carriers.follow(job_of(order))
    assert [seen for seen in Acme.seen if seen[0] != "GET"] == [
        ("POST", "/orders", f'"{order["id"]}"'),
        *[("DELETE", f"/orders/{reference}", "Bearer secret")] * 2,
    ]


def test_given_a_new_master_key_when_resealed_then_the_old_one_is_not_needed_for_a_carriers_token(
    operator: Asker, services: ApiServices
) -> None:
    told = {"name": "acme", "adapter": "http", "base_url": "https://api.carrier.example/v1", "token": "secret"}
    made = operator.made("/v1/carriers", told)
    operator.made("/v1/carriers", {"name": "own", "adapter": "inventory", "file": "numbers.csv"})
    old, new = b"k" * 32, b"n" * 32
    assert [reseal_tokens(services.database, SecretsBox([new, old])) for _ in range(2)] == [1, 0]
    carrier = services.carriers.get_carrier(UUID(made["id"]))
    assert carrier.sealed_token is not None
    assert SecretsBox([new]).open(bytes(carrier.sealed_token), purpose=purpose_of(carrier.id)) == b"secret"
    assert carrier.version == made["version"]
