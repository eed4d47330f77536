"""Numbers from carriers: a file of them, and a carrier with an API of its own, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.carriers.http import HttpCarrier
from dialtrace.carriers.model import Wanted
from dialtrace.carriers.resealing import reseal_tokens
from dialtrace.carriers.service import purpose_of
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
        order = self.orders.setdefault("A-" + body["reference"][:8], {"id": "A-" + body["reference"][:8]})
        self._answer(200, {**order, "state": self.state})

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def acme() -> Iterator[str]:
    Acme.orders, Acme.seen, Acme.state = {}, [], "requested"
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
