"""An endpoint that will go says so in each answer and in the reference."""

from __future__ import annotations

from datetime import UTC, datetime

from apiflask import APIBlueprint

from dialtrace.api.app import ApiServices, create_app
from dialtrace.api.auth import EVERYBODY, Asked
from dialtrace.api.deprecation import Deprecated
from dialtrace.api.endpoint import endpoint
from dialtrace.api.fields import Answer
from dialtrace.api.writing import READERS

from .conftest import Asker, Tenant

PATH = "/v1/old-clients"


class OldAnswer(Answer):
    """What it answered ever since."""

    greeting: str


def test_given_a_deprecated_endpoint_when_asked_then_its_answers_and_the_reference_say_until_when(
    services: ApiServices, tenant: Tenant
) -> None:
    blueprint = APIBlueprint("old-clients", __name__, tag="Clients")
    gone = Deprecated(
        since=datetime(2026, 11, 3, tzinfo=UTC), until=datetime(2027, 5, 3, 12, tzinfo=UTC), instead="list_clients"
    )

    @endpoint(blueprint, "GET", PATH, roles=EVERYBODY, permission="tenants.read", answer=OldAnswer, deprecated=gone)
    def list_old_clients(asked: Asked) -> OldAnswer:
        """List clients as before"""
        return OldAnswer(greeting="as ever")

    # Readers are of the whole process: no other test's.
    del READERS[PATH]
    app = create_app(services)
    app.register_blueprint(blueprint)
    answer = Asker(app, tenant.agency_key.token).get(PATH)
    assert (answer.status_code, answer.get_json()) == (200, {"greeting": "as ever"})
    assert answer.headers["Deprecation"] == "@1793664000"
    assert answer.headers["Sunset"] == "Mon, 03 May 2027 12:00:00 GMT"
    assert answer.headers["Link"] == '</v1/reference#list_clients>; rel="deprecation"; type="text/html"'
    paths = app.test_client().get("/v1/openapi.json").get_json()["paths"]
    told = paths[PATH]["get"]
    assert told["deprecated"] is True
    assert told["description"].startswith("**Deprecated** since 2026-11-03: it goes after 2027-05-03.")
    assert "x-deprecated" not in told
    assert "deprecated" not in paths["/v1/clients"]["get"]
