"""What every answer of the API keeps to: problem documents, request ids, limits, and the OpenAPI document itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from sqlalchemy import Engine

from dialtrace.api.app import ApiServices
from dialtrace.api.catalogue import CATALOGUE
from dialtrace.api.fields import EXAMPLE_ID

from .conftest import Asker, Tenant
from .records import store_call

MEMBERS = {"type", "title", "status", "code", "detail", "instance", "request_id"}


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.data)
    assert problem.keys() >= MEMBERS
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"/v1/reference#problem-{code}"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    return problem


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_request"),
        (b"{", 400, "malformed_request"),
        (b'{"name": NaN}', 400, "malformed_request"),
        (b'{"name": "a", "name": "b"}', 400, "malformed_request"),
        (b'{"name": "\xff"}', 400, "malformed_request"),
        (b"[" * 100_000, 400, "malformed_request"),
        (b"null", 422, "validation_failed"),
        (b"[]", 422, "validation_failed"),
        (b'"name"', 422, "validation_failed"),
        (b'{"name": "a\\u0000b"}', 422, "validation_failed"),
        (b'{"name": "\\ud800"}', 422, "validation_failed"),
        (b'{"name": "a", "\\ud800": 1}', 422, "validation_failed"),
        (b'{"name": ""}', 422, "validation_failed"),
        (b'{"name": 5}', 422, "validation_failed"),
        (b'{"name": "x", "time_zone": "Mars/Olympus"}', 422, "validation_failed"),
        (b'{"name": "line\\nbreak"}', 422, "validation_failed"),
        (b"{" + b" " * 1024 * 1024 + b"}", 413, "body_too_large"),
    ],
)
def test_given_a_broken_body_when_posted_then_a_problem_says_so(
    tenant: Tenant, body: bytes, status: int, code: str
) -> None:
    assert_problem(tenant.agency_key.post("/v1/clients", body), status, code)


def test_given_several_faults_when_posted_then_each_is_listed_with_its_pointer(tenant: Tenant) -> None:
    body = {"client_id": "7", "address": "sip:a@b.example", "ring_timeout_s": "20", "colour/tone": 1}
    problem = assert_problem(tenant.agency_key.post("/v1/targets", body), 422, "validation_failed")
    found = {fault["pointer"]: fault["code"] for fault in problem["errors"]}
    assert found == {
        "#/client_id": "wrong_form", "#/name": "required", "#/ring_timeout_s": "int", "#/colour~1tone": "unknown_member"
    }  # fmt: skip


def test_given_another_media_type_when_posted_then_415(tenant: Tenant) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = tenant.agency_key.post("/v1/clients", b'{"name": "x"}', Content_Type=media_type)
        assert_problem(answer, 415, "unsupported_media_type")
    assert tenant.agency_key.post(
        "/v1/clients", b'{"name": "x"}', Content_Type="application/json; charset=utf-8"
    ).status_code == 201  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/clients/not-a-uuid", 404, "not_found"),
        ("GET", "/v1/clients/", 404, "not_found"),
        ("GET", "//v1/clients", 404, "not_found"),
        ("GET", "/static/x", 404, "not_found"),
        ("PUT", "/v1/clients", 405, "method_not_allowed"),
        ("DELETE", "/v1/calls", 405, "method_not_allowed"),
    ],
)
def test_given_no_such_address_or_method_when_asked_then_a_problem(
    tenant: Tenant, method: str, path: str, status: int, code: str
) -> None:
    answer = tenant.agency_key.ask(method, path)
    assert_problem(answer, status, code)
    if status == 405:
        assert "GET" in answer.headers["Allow"]


def test_given_a_request_id_when_sent_then_it_comes_back_unless_it_could_harm(tenant: Tenant) -> None:
    assert tenant.agency_key.get("/v1/clients", X_Request_Id="abc-1.2:3").headers["X-Request-Id"] == "abc-1.2:3"
    for odd in ("a b", "<x>", "x" * 129):
        made = tenant.agency_key.get("/v1/clients", X_Request_Id=odd).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f-]{36}", made)


def test_given_requests_when_counted_then_metrics_name_routes_and_no_tenant(tenant: Tenant, app: APIFlask) -> None:
    tenant.agency_key.get(f"/v1/numbers/{tenant.number['id']}")
    tenant.agency_key.get("/v1/nothing-" + tenant.agency["id"])
    page = app.test_client().get("/metrics").text
    assert 'dialtrace_http_requests_total{method="GET",route="/v1/numbers/<uuid:number_id>",status="200"}' in page
    assert 'route="unmatched"' in page
    for secret in (tenant.agency["id"], tenant.number["id"], tenant.number["number"], "North"):
        assert secret not in page


def test_given_a_database_when_asked_for_readiness_then_migrations_count(
    app: APIFlask, owner_engine: Engine, services: ApiServices
) -> None:
    client = app.test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["checks"]) == (200, {"database": "ok", "migrations": "ok"})
    with owner_engine.begin() as connection:
        was = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    try:
        problem = assert_problem(client.get("/readyz"), 503, "not_ready")
        assert problem["checks"]["database"] == "ok"
        assert "db upgrade" in problem["checks"]["migrations"]
    finally:
        with owner_engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = %s", (was,))
    assert client.get("/readyz").status_code == 200


# --- The OpenAPI document. ---


@pytest.fixture
def openapi(app: APIFlask) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/v1/openapi.json").get_json()
    return found


def validator(openapi: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    resource = Resource.from_contents(openapi, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:api", resource)
    return Draft202012Validator(_absolute(schema), registry=registry)


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: "urn:api" + value if name == "$ref" else _absolute(value) for name, value in schema.items()}
    return [_absolute(one) for one in schema] if isinstance(schema, list) else schema


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_given_the_document_when_validated_then_it_is_openapi_3_1(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(openapi).validate()


def test_given_the_document_when_read_then_every_operation_is_told_whole(
    openapi: dict[str, Any], app: APIFlask
) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert {(path, method) for path, method, _ in operations(openapi)} == served
    for path, method, operation in operations(openapi):
        assert operation["summary"], path
        assert operation["operationId"], path
        assert operation["tags"], path
        if operation.get("security"):
            assert {"401", "403", "404", "422", "500", "503"} <= operation["responses"].keys(), path
        if method == "post" and operation.get("security"):
            assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
        if method == "patch" or "requestBody" in operation:
            assert all("example" in content for content in operation["requestBody"]["content"].values()), path


def test_given_the_document_when_read_then_every_schema_says_what_it_holds(openapi: dict[str, Any]) -> None:
    """APIFlask writes an empty object for a model whose schema it could not make."""
    for name, schema in openapi["components"]["schemas"].items():
        assert schema.get("properties") or schema.get("anyOf"), name
    flow = openapi["components"]["schemas"]["NewFlow"]["properties"]["document"]
    assert flow == {"$ref": "#/components/schemas/AnyFlowDocument"}


def test_given_the_document_when_its_examples_are_read_then_they_fit_their_schemas(openapi: dict[str, Any]) -> None:
    checked = 0
    for _, _, operation in operations(openapi):
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [response.get("content", {}) for response in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                examples = [one["value"] for one in media.get("examples", {}).values()]
                examples += [media["example"]] if "example" in media else []
                for example in examples:
                    validator(openapi, media["schema"]).validate(example)
                    checked += 1
    assert checked > 100


def test_given_real_answers_when_compared_then_they_fit_the_document(
    openapi: dict[str, Any], services: ApiServices, tenant: Tenant
) -> None:
    call = store_call(services, tenant.agency["id"], tenant.client["id"], target=tenant.target["id"], recorded=True)
    for path, address in (
        ("/v1/clients", "/v1/clients"), ("/v1/keys", "/v1/keys"), ("/v1/targets", "/v1/targets"),
        ("/v1/flows", "/v1/flows"), ("/v1/numbers", "/v1/numbers"), ("/v1/calls", "/v1/calls"),
        ("/v1/agencies/{agency_id}", f"/v1/agencies/{tenant.agency['id']}"),
        ("/v1/calls/{call_id}", f"/v1/calls/{call}"),
    ):  # fmt: skip
        answer = tenant.agency_key.get(address)
        assert answer.status_code == 200
        schema = openapi["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator(openapi, schema).validate(answer.get_json())


def test_given_the_reference_page_when_read_then_it_is_whole_and_needs_nothing_else(
    app: APIFlask, openapi: dict[str, Any]
) -> None:
    answer = app.test_client().get("/v1/reference")
    page = answer.text
    assert answer.status_code == 200
    assert not re.findall(r"<script|<link|<img|@import|url\(|src=", page)
    assert set(re.findall(r'href="([^"#][^"]*)"', page)) == {"/v1/openapi.json"}
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    for path, _, operation in operations(openapi):
        assert f'id="{operation["operationId"]}"' in page, path
    for code in CATALOGUE:
        assert f'id="problem-{code}"' in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))
    tag = answer.headers["ETag"]
    assert app.test_client().get("/v1/reference", headers={"If-None-Match": tag}).status_code == 304


def test_given_the_flow_in_the_document_when_sent_then_it_is_taken(
    openapi: dict[str, Any], tenant: Tenant, operator: Asker
) -> None:
    """What the reference shows works, once its ids are real ones."""
    example = openapi["paths"]["/v1/flows"]["post"]["requestBody"]["content"]["application/json"]["example"]
    body = json.loads(json.dumps(example).replace(EXAMPLE_ID, tenant.target["id"]))
    body["client_id"] = tenant.client["id"]
    for step in body["document"]["steps"]:
        # What is said needs a speech program, which a machine may lack.
        step |= {"prompt": {"kind": "file", "name": "notice"}} if "prompt" in step else {}
    assert tenant.agency_key.post("/v1/flows", body).status_code == 201
