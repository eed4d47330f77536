"""An agency's brand in the console: seen before it is kept, kept whole, and its logo not lost on the way."""

from __future__ import annotations

from io import BytesIO

import pytest

from ..api.conftest import Tenant
from ..api.test_brands import png
from .conftest import Forms, Person


@pytest.fixture
def ann(person, tenant: Tenant) -> Person:
    made: Person = person(tenant.agency["id"], email="ann@north.example")
    return made


def no_file() -> tuple[BytesIO, str]:
    """As a browser sends a field of files in which none was chosen."""
    return BytesIO(b""), ""


def test_given_colours_when_previewed_then_the_page_has_them_and_nothing_is_kept(ann: Person, tenant: Tenant) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/brand"
    shown = ann.send("/console/brand", deed="preview", colour="#102030", accent="#a0b0c0").text
    assert "/console/brand/102030-a0b0c0.css" in shown
    assert 'value="#102030"' in shown
    assert tenant.agency_key.get(path).json["version"] == 0
    assert "A colour has six digits" in ann.send("/console/brand", deed="preview", colour="red").text


def test_given_a_logo_when_only_a_colour_changes_then_the_logo_stays_until_it_is_taken_away(
    ann: Person, tenant: Tenant
) -> None:
    path = f"/v1/agencies/{tenant.agency['id']}/brand"
    sent = {"deed": "keep", "name": "North Star", "logo": (BytesIO(png()), "logo.png")}
    assert ann.send("/console/brand", **sent).status_code == 303
    kept = tenant.agency_key.get(path).json
    assert (kept["name"], kept["logo_sha256"] is not None) == ("North Star", True)
    stale = next(one for one in Forms(ann.see("/console/brand")).found if "colour" in one.values)
    stale.values.pop("logo", None)
    assert ann.send("/console/brand", deed="keep", colour="#204060", logo=no_file()).status_code == 303
    after = tenant.agency_key.get(path).json
    assert (after["colour"], after["logo_sha256"]) == ("#204060", kept["logo_sha256"])
    assert "Kept now: #204060" in ann.post(stale.action, stale.values | {"deed": "keep"}).text
    no_picture = {"deed": "keep", "logo": (BytesIO(b"<svg onload=alert(1)>" * 3), "logo.png")}
    assert "must be a PNG image" in ann.send("/console/brand", **no_picture).text
    assert "Fill this in." in ann.send("/console/brand", deed="keep", name="", logo=no_file()).text
    assert ann.send("/console/brand", deed="keep", without_logo="yes", logo=no_file()).status_code == 303
    assert tenant.agency_key.get(path).json["logo_sha256"] is None


def test_given_a_clients_owner_then_the_brand_is_not_his(person, tenant: Tenant) -> None:
    client: Person = person(tenant.agency["id"], tenant.client["id"])
    assert client.get("/console/brand").status_code == 403
    assert 'href="/console/brand"' not in client.see("/console/home")
    token = Forms(client.see("/console/account")).found[0].values["csrf"]
    assert client.post("/console/brand", {"csrf": token, "name": "Mine"}).status_code in {403, 404}
