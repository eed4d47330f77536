"""The line of curl that the reference shows for each endpoint works: every one is run by a shell, against the API over
HTTP, as it stands on the page.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from werkzeug.serving import make_server

from dialtrace.api.app import ApiServices, create_app
from dialtrace.api.prompts import EXAMPLE_AUDIO
from dialtrace.api.reference import Entry, entries_of
from dialtrace.api.scripts import releases
from dialtrace.calls.service import CallFlowService
from dialtrace.prompts.service import PromptService
from dialtrace.prompts.sound import telephone_wav
from dialtrace.prompts.speech import open_speech

from .conftest import Asker, Tenant
from .test_isolation import IDS, owned

Owned = tuple[Tenant, dict[str, str]]
#: The world of the tests of isolation.
world = owned

#: Endpoints that have nothing to answer in this world, what they say instead, and why.
OTHERWISE = {
    "GET /v1/subject-requests/{request_id}/file": (404, "the request is carried out by a job"),
    "GET /v1/archive/{month}/{table}": (404, "no month has gone to the archive"),
    "GET /v1/recordings/heard/{token}": (404, "a link is shown once, when it is made"),
    **dict.fromkeys(
        (
            "GET /v1/session",
            "GET /v1/sessions",
            "DELETE /v1/sessions/{session_id}",
            "POST /v1/session/password",
            "POST /v1/session/second-factor",
            "POST /v1/session/second-factor/confirm",
            "POST /v1/session/second-factor/remove",
        ),
        (403, "it is about who is signed in, and the line has a key"),
    ),
    "POST /v1/sessions": (401, "nobody here has that password"),
    "POST /v1/invitations/accept": (404, "a link comes by letter"),
    "POST /v1/password-resets/complete": (404, "a link comes by letter"),
    "POST /v1/report-subscriptions/way-out": (404, "a link comes by letter"),
    "GET /v1/brand/logo": (404, "the operator has no logo"),
    "GET /v1/agencies/{agency_id}/brand/logo": (404, "the agency has no logo"),
    "POST /v1/agencies/{agency_id}/recording-store/test": (404, "the agency has no store of its own"),
}
#: The example sets what the operator alone may set.
OPERATORS = ("PUT /v1/agencies/{agency_id}/retention",)
#: Their examples are of a client that has no billing account.
ACCOUNT_FREE = (("POST", "/v1/clients/{client_id}/billing"), ("PUT", "/v1/clients/{client_id}/document"))
#: Reading first, then what makes and changes, and last what removes.
ORDER = {"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}


@pytest.fixture
def app(services: ApiServices) -> APIFlask:
    """One that can speak, as the example of a flow does."""
    prompts = PromptService(services.database, services.clock, speech=open_speech("espeak-ng"), convert=telephone_wav)
    flows = CallFlowService(services.database, services.clock, prompts=prompts)
    return create_app(replace(services, flows=flows, prompts=prompts))


@pytest.fixture
def address(app: APIFlask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(20)
    server.server_close()


@pytest.fixture
def run(address: str, tmp_path: Path) -> Callable[[str, dict[str, str]], tuple[int, str]]:
    """A line as a shell takes it; status and body."""
    (tmp_path / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\nmax-time = 20\n')

    def line(text: str, variables: dict[str, str]) -> tuple[int, str]:
        environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(tmp_path), "DIALTRACE": address, **variables}
        done = subprocess.run(
            ["bash", "-eu", "-c", text],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            errors="replace",
        )
        if done.returncode:
            return 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    return line


def test_given_every_endpoint_when_its_line_is_run_as_it_stands_then_it_works(
    app: APIFlask, services: ApiServices, world: Owned, operator: Asker, run: Callable[..., tuple[int, str]]
) -> None:
    victim, ids = world
    openapi = app.test_client().get("/v1/openapi.json").get_json()
    ground = Ground(services, victim, ids, operator)
    failed, seen = [], 0
    for entry in sorted(entries_of(openapi), key=lambda one: (ORDER[one.method], -one.path.count("/"))):
        name = f"{entry.method} {entry.path}"
        key = victim.agency_key if "agency" in entry.roles and name not in OPERATORS else operator
        own = {"KEY": key.token or "", **ground.variables, **ground.fresh(entry)}
        own["ETAG"] = etag_of(entry, key, own)
        status, body = run(entry.curl, own)
        # 0: the line itself has failed, as for a variable that nobody has set.
        is_right = status == OTHERWISE[name][0] if name in OTHERWISE else 200 <= status < 300
        if not is_right:
            failed.append(f"{entry.curl}\n→ {status} {body[:600]}")
        seen += 1
    assert not failed, "\n\n".join(failed)
    assert seen > 100


class Ground:
    """What stands in the lines as variables: ids of what is there, and of what is made for one line alone."""

    def __init__(self, services: ApiServices, victim: Tenant, ids: dict[str, str], operator: Asker) -> None:
        self._services = services
        self._victim = victim
        self._ids = ids
        self._operator = operator
        account = {"currency": "GBP", "price_book_id": self._wholesale(ids["agency"])}
        operator.made(f"/v1/agencies/{ids['agency']}/billing", account)
        self._numbers = itertools.count(442079468100)
        site = victim.client_key.get(f"/v1/sites/{ids['site']}").get_json()
        self.variables = {argument.upper(): ids[name] for argument, name in IDS.items() if name in ids} | {
            "TO_CLIENT_ID": victim.sibling["id"],
            "TOKEN": site["token"],
            "ORIGIN": "https://victimname.example",
            "OAUTH_ID": "_".join(str(victim.agency_key.token).split("_", 3)[:3]),
            "OAUTH_SECRET": str(victim.agency_key.token).split("_", 3)[3],
            "EVENT_TYPE": "call.ended",
            "BACKUP_TARGET_ID": ids["target"],
            "VISITOR_ID": ids["visit"],
            "PRICE_BOOK_ID": ids["book"],
            "EDITION": "1",
            "MONTH": f"{services.clock.now():%Y-%m}",
            "TABLE": "calls",
        }

    def _wholesale(self, agency: str) -> str:
        """A book of what the operator asks of an agency."""
        named = f"?agency_id={agency}"
        values = {"side": "agency", "name": "Ours", "currency": "GBP"}
        book: str = self._operator.made(f"/v1/price-books{named}", values)["id"]
        self._operator.made(f"/v1/price-books/{book}/editions{named}", {"valid_from": "2026-01-01T00:00:00Z"})
        return book

    def fresh(self, entry: Entry) -> dict[str, str]:
        """For one line."""
        return {"NAME": self._name(entry), **self._made(entry)}

    def _name(self, entry: Entry) -> str:
        if entry.path.startswith("/v1/prompts/"):
            made: str = self._victim.agency_key.made("/v1/prompts", {"label": "x", "audio": EXAMPLE_AUDIO})["name"]
            return made
        if entry.path.startswith("/t/swap/"):
            return next(iter(releases()))
        if entry.path.startswith("/v1/nodes/"):
            with self._services.database.directory() as connection:
                connection.exec_driver_sql(
                    "INSERT INTO nodes (name, sip_address, state, last_seen_at) VALUES ('node-x', 'x', 'up',"
                    " now() - interval '1 year') ON CONFLICT (name) DO UPDATE SET last_seen_at = excluded.last_seen_at"
                )
            return "node-x"
        return f"{self._ids['client']}.csv"

    def _made(self, entry: Entry) -> dict[str, str]:
        own, client = self._victim.agency_key, self._ids["client"]
        found = {}
        if "NUMBER_ID" in entry.curl:
            pooled = "/state" in entry.path or "/numbers/add" in entry.path or "/numbers/remove" in entry.path
            number = {
                "client_id": client,
                "number": f"+{next(self._numbers)}",
                "kind": "dynamic" if pooled else "static",
            }
            found["NUMBER_ID"] = own.made("/v1/numbers", number)["id"]
        if "/preview" in entry.path:
            site = {"client_id": client, "name": "Shop", "domains": ["shop.example"]}
            found["SITE_ID"] = own.made("/v1/sites", site)["id"]
            own.ask("PUT", f"/v1/sites/{found['SITE_ID']}/rules/draft", {"rules": {"rules": []}})
        if "{order_id}" in entry.path and entry.method == "POST":
            port: dict[str, Any] = {"losing_carrier": "Old"}
            order = self._services.carriers.order(
                UUID(self._ids["agency"]), UUID(client), f"+{next(self._numbers)}",
                carrier_id=UUID(self._ids["carrier"]), port=port, submit="submit" not in entry.path,
            )  # fmt: skip
            found["ORDER_ID"] = str(order.id)
        if "{key_id}" in entry.path:
            found["KEY_ID"] = own.made("/v1/keys", {"role": "agency", "name": "x"})["id"]
        if (entry.method, entry.path) == ("POST", "/v1/agencies/{agency_id}/billing"):
            found["AGENCY_ID"] = self._operator.made("/v1/agencies", {"name": "Not rated yet"})["id"]
            found["PRICE_BOOK_ID"] = self._wholesale(found["AGENCY_ID"])
        if (entry.method, entry.path) in ACCOUNT_FREE:
            found["CLIENT_ID"] = own.made("/v1/clients", {"name": "Not rated yet"})["id"]
        if (entry.method, entry.path) == ("DELETE", "/v1/report-subscriptions/{subscription_id}"):
            # The one of the world has gone with its person by now.
            person = {"email": "late@victimname.example", "name": "x", "role": "owner", "client_id": client}
            wish = {"user_id": own.made("/v1/users", person)["id"], "kind": "daily"}
            found["SUBSCRIPTION_ID"] = self._victim.client_key.made("/v1/report-subscriptions", wish)["id"]
        if "{recording_key_id}" in entry.path:
            path = f"/v1/agencies/{self._ids['agency']}/recording-keys"
            found["RECORDING_KEY_ID"] = own.made(path, {})["id"]
            own.made(path, {})
        return found


def etag_of(entry: Entry, key: Asker, own: dict[str, str]) -> str:
    """What was read, for a change."""
    address = entry.path
    for name, value in own.items():
        address = address.replace("{" + name.lower() + "}", value)
    return key.get(address).headers.get("ETag", "") if entry.method == "PATCH" else ""
