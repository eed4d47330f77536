"""The API on a real database and a folder of recordings, and requests to it with each role's key."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import argon2
import click
import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from dialtrace.admission.service import AdmissionService
from dialtrace.advice.service import AdviceService
from dialtrace.api.app import ApiServices, create_app
from dialtrace.apiclient import ApiClient
from dialtrace.archive.reading import ArchiveReader
from dialtrace.assessments.service import AssessmentService
from dialtrace.attribution.service import AttributionService
from dialtrace.audit.service import AuditService
from dialtrace.billing.books import PriceBooks
from dialtrace.billing.service import BillingService
from dialtrace.brands.service import BrandService
from dialtrace.calls.nodes import NodeDirectory
from dialtrace.calls.schedules import ScheduleService
from dialtrace.calls.service import CallFlowService
from dialtrace.carriers.returning import NumberReturns
from dialtrace.carriers.service import CarrierService
from dialtrace.cdr.service import CdrService
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.decisions.service import HookSecrets
from dialtrace.exports.places import ExportPlaces
from dialtrace.exports.scheduling import ExportSchedules
from dialtrace.exports.service import ExportService
from dialtrace.integrations.delivering import Deliverer
from dialtrace.integrations.model import Schedule
from dialtrace.integrations.service import IntegrationService
from dialtrace.jobs.service import JobQueue
from dialtrace.live.service import LiveService
from dialtrace.messages.service import MessageService
from dialtrace.numbers.service import NumberService
from dialtrace.objectstore.service import open_store
from dialtrace.outgoing.model import Rules
from dialtrace.outgoing.service import OutgoingClient
from dialtrace.people import store as people_store
from dialtrace.people.links import LinkService
from dialtrace.people.proofs import Passwords
from dialtrace.people.service import PeopleService
from dialtrace.people.signing_in import SignInService
from dialtrace.pool.pools import PoolService
from dialtrace.pool.rounds import PoolRounds
from dialtrace.pool.service import Pools
from dialtrace.pool.visiting import VisitLeases
from dialtrace.privacy.service import PrivacyService
from dialtrace.prompts.service import PromptService
from dialtrace.prompts.sound import telephone_wav
from dialtrace.prompts.speech import open_speech
from dialtrace.recording.guard import EndpointGuard
from dialtrace.recording.service import RecordingService
from dialtrace.reports.service import ReportService
from dialtrace.reports.subscribing import ReportSubscriptions
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.sites.service import SiteService
from dialtrace.sites.visits import VisitService
from dialtrace.tenancy.permissions import ALL
from dialtrace.tenancy.service import TenancyService
from dialtrace.trunks.service import TrunkService
from dialtrace.watching.overview import Overview
from dialtrace.watching.service import WatchService
from dialtrace.webhooks.claims import Claims
from dialtrace.webhooks.service import WebhookService

PASSWORD = "a password of some length"


@pytest.fixture
def services(database: Database, tmp_path: Path) -> ApiServices:
    clock = SystemClock()
    objects = open_store(str(tmp_path / "objects"))
    queue = JobQueue(database)
    carriers = CarrierService(
        database,
        clock,
        box=SecretsBox([b"k" * 32]),
        numbers=NumberService(database, clock),
        jobs=JobQueue(database),
        client=OutgoingClient(Rules(private_networks=(ip_network("127.0.0.0/8"),))),
        inventory_dir=tmp_path / "inventory",
    )
    # The cheapest parameters: what they protect here is nothing.
    passwords = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    sign_in = SignInService(database, clock, SecretsBox([b"k" * 32]), hash_key=b"only for tests", passwords=passwords)
    reports = ReportService(database, clock)
    return ApiServices(
        database=database,
        tenancy=TenancyService(database, clock),
        admission=AdmissionService(database),
        trunks=TrunkService(database, clock, SecretsBox([b"k" * 32])),
        carriers=carriers,
        returns=NumberReturns(database, clock, carriers=carriers, jobs=queue),
        numbers=NumberService(database, clock),
        sites=SiteService(database, clock),
        pools=PoolService(database, clock),
        leases=Pools(database, clock),
        pool_rounds=PoolRounds(database, clock),
        visits=VisitService(
            database, clock, VisitLeases(Pools(database, clock)), hash_key=b"only for tests", fresh_s=0
        ),
        nodes=NodeDirectory(database),
        flows=CallFlowService(database, clock),
        schedules=ScheduleService(database, clock),
        prompts=PromptService(database, clock, speech=open_speech("none"), convert=telephone_wav),
        cdr=CdrService(database),
        attribution=AttributionService(database, clock),
        assessments=AssessmentService(database, clock),
        reports=reports,
        advice=AdviceService(reports),
        report_subscriptions=ReportSubscriptions(database, clock, JobQueue(database)),
        live=LiveService(database),
        messages=MessageService(database),
        recordings=RecordingService(
            database,
            objects,
            box=SecretsBox([bytes(32)]),
            guard=EndpointGuard(Rules(private_networks=(ip_network("127.0.0.0/8"),))),
        ),
        audit=AuditService(database),
        archive=ArchiveReader(database, objects),
        exports=ExportService(database, clock, JobQueue(database), ExportPlaces(objects)),
        billing=BillingService(database, clock, JobQueue(database)),
        price_books=PriceBooks(database, clock),
        export_schedules=ExportSchedules(database, clock, JobQueue(database)),
        hook_secrets=HookSecrets(database, clock),
        webhooks=WebhookService(database, SecretsBox([bytes(32)]), Rules(), clock),
        integrations=IntegrationService(
            database,
            SecretsBox([bytes(32)]),
            clock,
            Deliverer(
                database,
                OutgoingClient(Rules(private_networks=(ip_network("127.0.0.0/8"),))),
                SecretsBox([bytes(32)]),
                clock,
                Schedule(timeout_s=2.0),
            ),
        ),
        privacy=PrivacyService(database, clock, objects, jobs=JobQueue(database)),
        people=PeopleService(database, clock, queue),
        sign_in=sign_in,
        links=LinkService(database, clock, queue, sign_in),
        brands=BrandService(database),
        noc=Overview(
            WatchService(database),
            nodes=lambda: NodeDirectory(database).list_nodes().items,
            jobs=queue.backlog,
            webhooks=Claims(database).backlog,
        ),
        secret_key="only for tests",
    )


@pytest.fixture
def app(services: ApiServices) -> APIFlask:
    return create_app(services)


@dataclass
class Asker:
    """Requests with one key."""

    app: APIFlask
    token: str | None
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.app.test_client(use_cookies=False).open(path, method=method, data=body, headers=sent)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.ask("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.ask("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.ask("DELETE", path, **headers)

    def made(self, path: str, body: Any) -> dict[str, Any]:
        """Makes something, and expects it to be made."""
        answer = self.post(path, body)
        assert answer.status_code == 201, answer.text
        return answer.get_json()  # type: ignore[no-any-return]


def signed_in(
    services: ApiServices, app: APIFlask, agency: str, client: str | None, *, email: str, **role: Any
) -> Asker:
    """A user who has signed in: by the door that people use."""
    made = services.people.invite(
        UUID(agency), UUID(client) if client else None, email=email, name="Somebody",
        **{"role": None, "role_id": None, "language": None, "held": ALL} | role,
    )  # fmt: skip
    hashed = services.sign_in.passwords.hash(PASSWORD)
    with services.database.tenant(agency) as connection:
        people_store.set_credentials(connection, made.agency_id, made.id, password_hash=hashed, state="active")
    answer = app.test_client().post("/v1/sessions", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    return Asker(app, None, {"Cookie": cookie, "X-CSRF-Token": answer.get_json()["csrf_token"]})


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """An application at a free port of loopback, in threads."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "install Debian's chromium (`make setup` does)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def command_line(app: APIFlask, tenant: Tenant) -> Iterator[Callable[..., str]]:
    """Runs a command as the tenant's agency; ``fails``: with what it says of its refusal."""
    with serving(app) as port:
        client = ApiClient(f"http://127.0.0.1:{port}", str(tenant.agency_key.token))

        def run(group: Callable[..., click.Group], *words: object, fails: bool = False) -> str:
            result = CliRunner().invoke(group(lambda *_: None, lambda _: client), [str(word) for word in words])
            assert (result.exit_code != 0) == fails, result.output
            return f"{result.output}{result.exception or ''}"

        yield run


@pytest.fixture
def asker(app: APIFlask) -> Callable[[str | None], Asker]:
    return lambda token: Asker(app, token)


@pytest.fixture
def operator(app: APIFlask, services: ApiServices) -> Asker:
    return Asker(app, services.tenancy.create_key(UUID(OPERATOR_AGENCY), role="operator", name="test")[1])


@dataclass
class Tenant:
    """An agency with two clients, each with a target, a flow and a number; and the keys to them."""

    agency: dict[str, Any]
    client: dict[str, Any]
    sibling: dict[str, Any]
    agency_key: Asker
    client_key: Asker
    sibling_key: Asker
    target: dict[str, Any]
    flow: dict[str, Any]
    number: dict[str, Any]


def document(*targets: str, record: bool = True) -> dict[str, Any]:
    return {"version": 1, "record": record, "steps": [{"type": "ring", "targets": list(targets)}]}


@pytest.fixture
def make_tenant(app: APIFlask, operator: Asker) -> Callable[[str], Tenant]:
    count = iter(range(100, 1000))

    def make(name: str) -> Tenant:
        agency = operator.made("/v1/agencies", {"name": name})
        token = operator.made("/v1/keys", {"agency_id": agency["id"], "role": "agency", "name": "key"})["token"]
        own = Asker(app, token)
        first, second = (own.made("/v1/clients", {"name": f"{name} {which}"}) for which in ("first", "second"))

        def key_of(client: dict[str, Any]) -> Asker:
            body = {"role": "client", "client_id": client["id"], "name": "client's key"}
            return Asker(app, own.made("/v1/keys", body)["token"])

        target = own.made(
            "/v1/targets", {"client_id": first["id"], "name": f"{name} desk", "address": "sip:desk@pbx.example"}
        )
        flow = own.made(
            "/v1/flows", {"client_id": first["id"], "name": f"{name} flow", "document": document(target["id"])}
        )
        number = own.made(
            "/v1/numbers",
            {"client_id": first["id"], "number": f"+44207946{next(count):04d}", "flow_id": flow["id"], "label": name},
        )
        return Tenant(
            agency=agency, client=first, sibling=second, agency_key=own, client_key=key_of(first),
            sibling_key=key_of(second), target=target, flow=flow, number=number,
        )  # fmt: skip

    return make


@pytest.fixture
def tenant(make_tenant: Callable[[str], Tenant]) -> Tenant:
    return make_tenant("North")
