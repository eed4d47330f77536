"""Visits in the console: the list with its filters, one visit, and the path of its visitor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from apiflask import APIFlask

from ..api.conftest import Tenant
from .conftest import Forms, Person

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)


@pytest.fixture
def visits(app: APIFlask, tenant: Tenant) -> list[dict[str, Any]]:
    """Two of one visitor, from radio and from a newsletter."""
    site = tenant.client_key.made("/v1/sites", {"name": "Shop", "domains": ["shop.example"]})
    told: list[dict[str, Any]] = []
    for source in ("radio", "newsletter"):
        known = {"visitor": told[0]["visitor"], "visit": told[0]["visit"]} if told else {}
        body = {"page": f"https://shop.example/?utm_source={source}&utm_medium=x", "consent": "given", **known}
        headers = {"Content-Type": "text/plain;charset=UTF-8", "User-Agent": BROWSER, "Origin": "https://shop.example"}
        answer = app.test_client().post(f"/t/{site['token']}/visit", data=json.dumps(body), headers=headers)
        assert answer.status_code == 200, answer.text
        told.append(answer.get_json())
    return told


def test_given_two_visits_of_one_visitor_then_each_leads_to_the_other_and_filters_hold(
    person, tenant: Tenant, visits
) -> None:
    ann: Person = person(tenant.agency["id"])
    shown = ann.see("/console/visits")
    assert "radio" in shown
    assert "newsletter" in shown
    filtered = ann.see("/console/visits?source=radio")
    assert "newsletter" not in filtered
    assert "No visit fits" in ann.see("/console/visits?source=nobody")
    assert 'class="note bad"' in ann.see("/console/visits?from=yesterday")
    first, second = (f"/console/visits/{one['visit']}" for one in visits)
    page = ann.see(second)
    assert first in Forms(page).links
    assert second not in Forms(page).links
    assert page.index("radio") < page.index("<footer"), "the path begins with the first visit"
    reader: Person = person(tenant.agency["id"], role="listener")
    assert reader.get("/console/visits").status_code == 403
    assert "/console/visits" not in reader.see("/console/home")
