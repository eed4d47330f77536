"""What browsers are told: headers of every answer, and which pages elsewhere may use the API."""

from __future__ import annotations

from dataclasses import replace

from apiflask import APIFlask

from dialtrace.api.app import ApiServices, create_app

from .conftest import Tenant

PAGE = "https://app.example.com"


def test_given_any_answer_when_read_then_its_headers_keep_browsers_from_harm(tenant: Tenant, app: APIFlask) -> None:
    for answer in (tenant.agency_key.get("/v1/clients"), app.test_client().get("/nothing")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        assert answer.headers["Cache-Control"] == "no-store"


def test_given_a_page_elsewhere_when_it_asks_then_only_named_origins_may_and_never_by_a_cookie(
    services: ApiServices, tenant: Tenant
) -> None:
    app = create_app(replace(services, origins=frozenset({PAGE})))
    key = {"Authorization": f"Bearer {tenant.agency_key.token}"}
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    preflight = app.test_client().options("/v1/clients", headers={"Origin": PAGE, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    answer = app.test_client().get("/v1/clients", headers={"Origin": PAGE, **key})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    for told in (preflight, answer):
        assert "Access-Control-Allow-Credentials" not in told.headers
        assert "Origin" in told.headers["Vary"]
    for origin in ("https://evil.example", "null", PAGE + ".evil.example", "http://app.example.com"):
        refused = app.test_client().get("/v1/clients", headers={"Origin": origin, **key})
        assert "Access-Control-Allow-Origin" not in refused.headers


def test_given_more_than_anybody_means_when_sent_then_refused(tenant: Tenant) -> None:
    long = tenant.agency_key.get("/v1/clients?limit=" + "1" * 9_000)
    assert (long.status_code, long.get_json()["code"]) == (414, "address_too_long")
    many = tenant.agency_key.get("/v1/clients?" + "&".join(f"a{n}=1" for n in range(200)))
    assert many.status_code == 414
    deep: object = "x"
    for _ in range(100):
        deep = [deep]
    answer = tenant.agency_key.post("/v1/clients", {"name": deep})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "malformed_request")
