"""The console on the API of tests/integration/api, and people who look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import Client, TestResponse

from dialtrace.api.app import ApiServices
from dialtrace.console.app import Faces, create_console

from ..api.conftest import (  # noqa: F401 - fixtures
    PASSWORD,
    Tenant,
    app,
    asker,
    make_tenant,
    operator,
    services,
    signed_in,
    tenant,
)

ROLES = ("owner", "manager", "analyst", "listener", "read_only")


@dataclass
class Form:
    """A form of a page: where it goes, and what it sends if nobody touches it."""

    action: str
    values: dict[str, Any] = field(default_factory=dict)
    method: str = "get"


class Forms(HTMLParser):
    """Reads the forms of a page as a browser does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.links: list[str] = []
        self._select: str | None = None
        self._option: str | None = None
        self._area: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.found.append(Form(told["action"], {}, told.get("method", "get")))
        elif tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif self.found and tag == "input" and "name" in told:
            self._input(told)
        elif self.found and tag == "select":
            self._select, self._option = told.get("name", ""), None
        elif self.found and tag == "textarea":
            self._area = told.get("name", "")
            self.found[-1].values[self._area] = ""
        elif tag == "option" and self._select is not None and ("selected" in told or self._option is None):
            self._option = told.get("value", "")

    def _put(self, name: str, value: str) -> None:
        """Of fields of one name, all of them, in their order."""
        values = self.found[-1].values
        if name in values:
            before = values[name]
            values[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            values[name] = value

    def _input(self, told: dict[str, str]) -> None:
        values = self.found[-1].values
        if told.get("type") not in {"checkbox", "radio"}:
            self._put(told["name"], told.get("value", ""))
        elif "checked" in told:
            values.setdefault(told["name"], [])
            values[told["name"]] = [*values[told["name"]], told.get("value", "on")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select is not None and self.found:
            self._put(self._select, self._option or "")
            self._select = None
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.found[-1].values[self._area] += data


@dataclass
class Person:
    """A browser without scripts."""

    client: Client

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, base_url="https://localhost", **more)

    def see(self, path: str) -> str:
        """A page that is there."""
        answer = self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.text

    def post(self, path: str, data: Any, **more: Any) -> TestResponse:
        return self.client.post(path, data=data, base_url="https://localhost", **more)

    def send(self, page: str, action: str = "", **values: Any) -> TestResponse:
        """Opens a page, fills in the form whose action holds ``action`` (the page's own path), and sends it."""
        wanted = action or page.partition("?")[0]
        forms = [one for one in Forms(self.see(page)).found if one.method == "post"]
        form = next((one for one in forms if one.action.partition("?")[0].endswith(wanted)), None)
        assert form is not None, f"no form to {wanted} on {page}: {[one.action for one in forms]}"
        return self.post(form.action, {**form.values, **values})

    def sign_in(self, email: str, password: str = PASSWORD, **more: str) -> TestResponse:
        return self.send("/console/sign-in", email=email, password=password, **more)


@pytest.fixture
def faces(app: APIFlask) -> Faces:  # noqa: F811
    return Faces(app, create_console(app))


@pytest.fixture
def somebody(faces: Faces) -> Any:
    """Makes browsers that nobody has signed in with."""
    return lambda: Person(Client(faces))


@pytest.fixture
def person(faces: Faces, services: ApiServices, app: APIFlask) -> Any:  # noqa: F811
    """Makes people who have signed in: of an agency or of one of its clients, in a role."""

    def make(agency: str, client: str | None = None, role: str = "owner", email: str = "") -> Person:
        email = email or f"{role}-{client or 'all'}@{agency}.example"
        signed_in(services, app, agency, client, email=email, role=role)
        made = Person(Client(faces))
        answer = made.sign_in(email)
        assert answer.status_code == 302, answer.text
        return made

    return make
