"""Released numbers go back to their carriers: after a rest, over real HTTP, and never from under anybody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert

from dialtrace.api.app import ApiServices
from dialtrace.carriers.returning import NumberReturns
from dialtrace.clock import FixedClock
from dialtrace.db.roles import OWNER_ROLE
from dialtrace.db.tables import exposures
from dialtrace.ids import new_id
from dialtrace.jobs.model import Job
from dialtrace.jobs.service import JobQueue
from dialtrace.metrics import NUMBER_RETURNS

from .conftest import Asker, Tenant
from .test_conventions import assert_problem

NUMBER = "+442079468803"


class Acme(BaseHTTPRequestHandler):
    """A carrier with an API, as far as it concerns giving numbers back: what it has sold, and how it answers."""

    sold: ClassVar[set[str]] = set()
    #: How often, and with what, it answers before it does what is asked.
    answers: ClassVar[list[int]] = []
    seen: ClassVar[list[tuple[str, str]]] = []

    def _answer(self, status: int, document: Any = None) -> None:
        content = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.sold.add(body["e164"])
        self._answer(200, {"id": "A-1", "state": "active"})

    def do_DELETE(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        if self.answers:
            self._answer(self.answers.pop(0))
        elif self.path.startswith("/orders/"):
            # Too late to take the order back.
            self._answer(200, {"id": "A-1", "state": "active"})
        else:
            number = self.path.removeprefix("/numbers/").replace("%2B", "+")
            status = 204 if number in self.sold else 404
            self.sold.discard(number)
            self._answer(status)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def acme() -> Iterator[str]:
    Acme.sold, Acme.answers, Acme.seen = set(), [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Acme)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(20)
    server.server_close()


@dataclass
class Stage:
    """A number that was ordered of a carrier with an API, and the jobs that give it back, by a clock of their own."""

    tenant: Tenant
    operator: Asker
    services: ApiServices
    carrier: dict[str, Any]
    number: dict[str, Any]
    clock: FixedClock
    returns: NumberReturns

    def release(self) -> None:
        answer = self.tenant.agency_key.delete(f"/v1/numbers/{self.number['id']}")
        assert answer.status_code == 200, answer.text

    def give_back(self, **later: float) -> dict[str, Any]:
        """Runs the job, so much later; the return after it."""
        self.clock.moment += timedelta(**later)
        self.returns.give_back(Job(1, "carriers.give_back", 1, self._args()))
        return self.read()

    def read(self) -> dict[str, Any]:
        answer = self.tenant.agency_key.get(f"/v1/number-returns/{self.number['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def add_again(self, key: Asker, client: dict[str, Any]) -> Any:
        return key.post("/v1/numbers", {"client_id": client["id"], "number": NUMBER})

    def _args(self) -> dict[str, str]:
        return {"agency_id": self.tenant.agency["id"], "number_id": self.number["id"]}

    def due(self) -> list[str]:
        """The numbers for which the schedule puts a job into the queue."""
        self.returns.give_back_all(Job(1, "carriers.give_back_all", 1, {}))
        with self.services.database.directory() as connection:
            rows = connection.exec_driver_sql(
                "SELECT args ->> 'number_id' FROM procrastinate_jobs WHERE task_name = 'carriers.give_back'"
            )
            return list(rows.scalars())


@pytest.fixture
def stage(tenant: Tenant, operator: Asker, services: ApiServices, acme: str) -> Stage:
    carrier = operator.made("/v1/carriers", {"name": "acme", "adapter": "http", "base_url": acme, "token": "secret"})
    body = {"client_id": tenant.client["id"], "carrier_id": carrier["id"], "number": NUMBER}
    order = tenant.agency_key.post("/v1/number-orders", body).get_json()
    args = {"agency_id": tenant.agency["id"], "order_id": order["id"]}
    services.carriers.follow(Job(1, "carriers.follow", 1, args))
    bought = tenant.agency_key.get(f"/v1/number-orders/{order['id']}").get_json()
    number = tenant.agency_key.get(f"/v1/numbers/{bought['number_id']}").get_json()
    assert number["carrier_id"] == carrier["id"]
    clock = FixedClock(datetime.now(UTC))
    returns = NumberReturns(services.database, clock, carriers=services.carriers, jobs=JobQueue(services.database))
    return Stage(tenant, operator, services, carrier, number, clock, returns)


def counted(outcome: str) -> float:
    return NUMBER_RETURNS.labels(outcome)._value.get()


def test_given_a_number_of_a_carrier_when_released_then_it_rests_and_only_then_goes_back(stage: Stage) -> None:
    before = counted("given_back")
    assert_problem(stage.tenant.agency_key.get(f"/v1/number-returns/{stage.number['id']}"), 404, "not_found")
    stage.release()
    resting = stage.read()
    assert (resting["state"], resting["number"], resting["carrier_id"]) == ("resting", NUMBER, stage.carrier["id"])
    assert stage.give_back(days=6.9) == resting
    assert (stage.due(), Acme.seen) == ([], [])
    stage.clock.moment += timedelta(days=0.2)
    assert stage.due() == [stage.number["id"]]
    given = stage.give_back()
    assert (given["state"], given["reason"], Acme.sold) == ("given_back", None, set())
    assert Acme.seen == [("/numbers/%2B442079468803", "Bearer secret")]
    # A job that comes again asks nobody.
    assert (stage.give_back(days=1), len(Acme.seen)) == (given, 1)
    assert counted("given_back") == before + 1
    listed = stage.tenant.client_key.get("/v1/number-returns?state=given_back").get_json()["data"]
    assert (listed, stage.tenant.sibling_key.get("/v1/number-returns").get_json()["data"]) == ([given], [])
    entries = stage.tenant.agency_key.get("/v1/audit-log?action=number_return.given_back").get_json()["data"]
    assert [(one["object_id"], one["actor_kind"]) for one in entries] == [(stage.number["id"], "platform")]


def test_given_a_carrier_that_is_away_when_asked_then_again_after_growing_pauses_and_nobody_adds_the_number_meanwhile(
    stage: Stage,
) -> None:
    stage.release()
    Acme.answers = [503, 429]
    first = stage.give_back(days=8)
    assert (first["state"], first["reason"], first["tries"]) == ("leaving", "the carrier answered 503", 1)
    again = stage.add_again(stage.tenant.agency_key, stage.tenant.client)
    assert_problem(again, 409, "number_leaving")
    assert stage.give_back(minutes=4) == first
    second = stage.give_back(minutes=2)
    assert (second["tries"], len(Acme.seen)) == (2, 2)
    waits = datetime.fromisoformat(second["due_at"]) - stage.clock.moment
    assert waits.total_seconds() == pytest.approx(600, abs=1)
    assert stage.give_back(minutes=11)["state"] == "given_back"
    # Once the carrier has it, the number may come back in any way.
    assert stage.add_again(stage.tenant.agency_key, stage.tenant.client).status_code == 201


def test_given_a_carrier_that_has_the_number_no_longer_when_asked_then_it_is_gone_and_says_so(stage: Stage) -> None:
    stage.release()
    Acme.sold.clear()
    given = stage.give_back(days=8)
    assert (given["state"], given["reason"]) == ("given_back", "the carrier had it no longer")


def test_given_a_carrier_that_refuses_when_asked_then_its_reason_is_seen_and_somebody_may_try_again(
    stage: Stage,
) -> None:
    stage.release()
    Acme.answers = [403]
    refused = stage.give_back(days=8)
    assert (refused["state"], refused["reason"]) == ("refused", "the carrier answered 403")
    assert stage.give_back(days=30) == refused
    path = f"/v1/number-returns/{stage.number['id']}/hasten"
    assert_problem(stage.tenant.client_key.post(path, {}), 403, "role_insufficient")
    hastened = stage.tenant.agency_key.post(path, {})
    assert (hastened.status_code, hastened.get_json()["state"]) == (202, "resting"), hastened.text
    assert stage.give_back()["state"] == "given_back"
    assert_problem(stage.tenant.agency_key.post(path, {}), 409, "return_over")


def test_given_a_carrier_that_was_deleted_when_a_number_is_due_then_it_is_told_to_be_given_back_by_hand(
    stage: Stage,
) -> None:
    stage.release()
    assert stage.operator.delete(f"/v1/carriers/{stage.carrier['id']}").status_code == 204
    refused = stage.give_back(days=8)
    assert (refused["state"], refused["reason"]) == (
        "refused",
        "the carrier was deleted: give the number back to it by hand",
    )


def test_given_a_number_that_rests_when_added_again_then_it_is_kept_and_remembers_its_carrier(
    stage: Stage, make_tenant: Any
) -> None:
    stage.release()
    # By another agency, which knows nothing of the one before.
    other = make_tenant("South")
    answer = stage.add_again(other.agency_key, other.client)
    assert answer.status_code == 201, answer.text
    assert answer.get_json()["carrier_id"] == stage.carrier["id"]
    assert stage.give_back(days=8)["state"] == "kept"
    assert Acme.seen == []
    assert other.agency_key.delete(f"/v1/numbers/{answer.get_json()['id']}").status_code == 200
    found = other.agency_key.get(f"/v1/number-returns/{answer.get_json()['id']}").get_json()
    assert (found["state"], found["carrier_id"]) == ("resting", stage.carrier["id"])


def test_given_a_number_that_goes_to_another_client_then_its_carrier_is_not_told_but_remembered(stage: Stage) -> None:
    path = f"/v1/numbers/{stage.number['id']}/assign"
    assigned = stage.tenant.agency_key.post(path, {"to_client_id": stage.tenant.sibling["id"]}).get_json()
    assert assigned["carrier_id"] == stage.carrier["id"]
    assert stage.tenant.agency_key.get("/v1/number-returns").get_json()["data"] == []


def test_given_a_number_that_a_visitor_still_sees_when_due_then_it_waits(stage: Stage) -> None:
    stage.release()
    seen = stage.clock.moment + timedelta(days=8, minutes=30)
    with stage.services.database.tenant(stage.tenant.agency["id"]) as connection:
        connection.execute(
            insert(exposures).values(
                agency_id=UUID(stage.tenant.agency["id"]), id=new_id(), client_id=UUID(stage.tenant.client["id"]),
                number_id=UUID(stage.number["id"]), visit_id=new_id(), visit_started_at=stage.clock.moment,
                rung="static", shown_at=stage.clock.moment, seen_until=seen, held_until=seen, tail_s=0,
            )
        )  # fmt: skip
    waiting = stage.give_back(days=8)
    assert (waiting["state"], Acme.seen) == ("resting", [])
    assert waiting["reason"] == "a visitor still sees it, or a call to it stands"
    assert stage.give_back(hours=1)["state"] == "given_back"


def test_given_a_number_of_no_carrier_when_released_then_nobody_is_to_be_told(stage: Stage) -> None:
    key = stage.tenant.agency_key
    assert key.delete(f"/v1/numbers/{stage.tenant.number['id']}").status_code == 200
    assert key.get("/v1/number-returns").get_json()["data"] == []


def test_given_an_order_that_is_taken_back_too_late_then_the_carrier_gets_the_number_back(
    stage: Stage, services: ApiServices
) -> None:
    tenant, number = stage.tenant, "+442079468804"
    body = {"client_id": tenant.client["id"], "carrier_id": stage.carrier["id"], "number": number}
    order = tenant.agency_key.post("/v1/number-orders", body).get_json()
    args = {"agency_id": tenant.agency["id"], "order_id": order["id"]}
    with services.database.tenant(tenant.agency["id"]) as connection:
        # The carrier was asked, and has not done it yet when the order is taken back.
        connection.exec_driver_sql(
            f"UPDATE number_orders SET reference = 'A-1' WHERE agency_id = '{tenant.agency['id']}'"
            f" AND id = '{order['id']}'"
        )
    Acme.sold.add(number)
    assert tenant.agency_key.post(f"/v1/number-orders/{order['id']}/cancel", {}).status_code == 202
    services.carriers.follow(Job(1, "carriers.follow", 1, args))
    assert [path for path, _ in Acme.seen] == ["/orders/A-1", "/numbers/%2B442079468804"]
    assert number not in Acme.sold


def test_given_numbers_that_were_ordered_before_when_upgraded_then_they_know_their_carrier_and_none_is_lost(
    stage: Stage, owner_engine: Engine
) -> None:
    """What 0055 makes of what was there: nobody had told a carrier of a release yet."""
    key, second = stage.tenant.agency_key, "+442079468805"
    body = {"client_id": stage.tenant.client["id"], "carrier_id": stage.carrier["id"], "number": second}
    order = key.post("/v1/number-orders", body).get_json()
    args = {"agency_id": stage.tenant.agency["id"], "order_id": order["id"]}
    stage.services.carriers.follow(Job(1, "carriers.follow", 1, args))
    kept = key.get(f"/v1/number-orders/{order['id']}").get_json()["number_id"]
    stage.release()
    script = files("dialtrace.migrations").joinpath("sql", "0055_return_numbers.sql").read_text(encoding="utf-8")
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM number_returns")
        connection.exec_driver_sql("UPDATE numbers SET carrier_id = NULL")
        connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER_ROLE}")
        block = script[script.rindex("\nDO $$") :]
        connection.exec_driver_sql(block, execution_options={"no_parameters": True})
    assert key.get(f"/v1/numbers/{kept}").get_json()["carrier_id"] == stage.carrier["id"]
    assert key.get(f"/v1/numbers/{stage.tenant.number['id']}").get_json()["carrier_id"] is None
    returns = key.get("/v1/number-returns").get_json()["data"]
    assert [(one["id"], one["state"], one["reason"]) for one in returns] == [
        (stage.number["id"], "refused", "released before carriers were told of it")
    ]
