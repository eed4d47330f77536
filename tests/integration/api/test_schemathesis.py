"""Schemathesis on the whole API: requests made from its OpenAPI document, valid and invalid ones, with every check.

In the suite a few cases of each operation, always the same; `make prove` runs thousands of all, with a key and
without. Half of the requests for one thing are for a thing that is there.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import schemathesis
import structlog
from apiflask import APIFlask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy, one_of
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import response_schema_conformance

from dialtrace.api.endpoint import Endpoint

from .conftest import Asker, Tenant
from .test_isolation import IDS, owned

Owned = tuple[Tenant, dict[str, str]]
#: The world of the tests of isolation.
world = owned

MANY = int(os.environ.get("DIALTRACE_SCHEMATHESIS_CASES", "5000"))

#: Operations that stay out, with the reason.
LEFT_OUT = {
    "test_recording_store": "asks a machine elsewhere, whose address was made up",
    "search_numbers": "asks carriers elsewhere, whose addresses were made up",
    "list_events": "waits for events, as it is asked to",
}

#: What the document cannot say as a schema (a time zone's name, two members that exclude one another, a cursor, the
#: version that is there) is refused with one of these; they are told for each operation.
REFUSED_FOR_ITS_MEANING = ["2xx", "304", "400", "401", "403", "404", "409", "412", "416", "422", "429"]
#: How what the document forbids is refused; an address, a body or an upload may be too long before anybody reads it.
REFUSED_FOR_ITS_FORM = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "406",
    "409",
    "412",
    "413",
    "414",
    "415",
    "422",
    "428",
    "429",
]


@pytest.fixture
def checked(app: APIFlask) -> Any:
    """The document, and the application behind it."""
    config = SchemathesisConfig.from_dict(
        {
            # The key is ours to send: a wrong one that is replaced by it would count as sent.
            "generation": {"with-security-parameters": False},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": REFUSED_FOR_ITS_MEANING},
                "negative_data_rejection": {"expected-statuses": REFUSED_FOR_ITS_FORM},
            },
        }
    )
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", app, config=config)


def strategy_of(operation: Any, ids: dict[str, str]) -> SearchStrategy[Any]:
    """Valid and invalid requests, half of them for what is there."""
    known = {one.name: ids[IDS[one.name]] for one in operation.path_parameters if IDS.get(one.name, "") in ids}
    there = {"path_parameters": known} if known and len(known) == len(list(operation.path_parameters)) else {}
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE, **there)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, **there)
    return one_of(right.map(partial(of_what_is_there, ids)), right, wrong)


def of_what_is_there(ids: dict[str, str], case: Any) -> Any:
    """The request, its query and its body about what is there."""
    for said in (case.query, case.body):
        if isinstance(said, dict):
            said.update({name: ids[IDS[name]] for name in said if IDS.get(name, "") in ids})
    return case


def faults_of(operation: Any, ids: dict[str, str], headers: dict[str, str], most: int, *, same: bool) -> list[str]:
    """What the checks find in so many cases of one operation, with the request that showed it."""
    shown = []

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=same,
        phases=[Phase.generate] if same else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy_of(operation, ids))
    def ask(case: Any) -> None:
        answer = case.call(headers=headers)
        try:
            case.validate_response(answer, headers=headers, excluded_checks=checks_beyond(case))
        except BaseException:
            shown.append(
                f"{case.as_curl_command(headers=headers)[:2_000]} → {answer.status_code} {answer.content[:500]!r}"
            )
            raise

    try:
        ask()
    except BaseExceptionGroup as group:
        return [f"{operation.label}: {told}\n{shown[-1:]}" for told in group.exceptions]
    except (AssertionError, Exception) as fault:
        return [f"{operation.label}: {type(fault).__name__}: {fault}\n{shown[-1:]}"]
    return []


def checks_beyond(case: Any) -> list[Any]:
    """``fields`` leaves members out that the document must call required; test_conventions reads such answers."""
    return [response_schema_conformance] if "fields" in (case.query or {}) else []


def operations_of(checked: Any) -> Iterator[Any]:
    for result in checked.get_all_operations():
        operation = result.ok()
        if operation.definition.raw["operationId"] not in LEFT_OUT:
            yield operation


def run_all(checked: Any, world: Owned, headers: dict[str, str], most: int, *, same: bool) -> int:
    """So many cases for each operation; their number. Fails with all that was found."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    found, operations = [], list(operations_of(checked))
    for operation in operations:
        faults = faults_of(operation, world[1], headers, most, same=same)
        # A run that is cut short has told what it had found.
        print(*faults, sep="\n", end="\n" if faults else "", flush=True)
        found += faults
    assert not found, "\n\n".join(found)
    return most * len(operations)


def headers_of(role: str, operator: Asker, tenant: Tenant) -> dict[str, str]:
    keys = {"operator": operator, "agency": tenant.agency_key, "client": tenant.client_key}
    return {"Authorization": f"Bearer {keys[role].token}"} if role in keys else {}


@pytest.mark.parametrize(("role", "most"), [("agency", 3), ("nobody", 1)])
def test_given_the_document_when_a_few_requests_are_made_of_each_operation_then_every_check_holds(
    checked: Any, world: Owned, operator: Asker, role: str, most: int
) -> None:
    run_all(checked, world, headers_of(role, operator, world[0]), most, same=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["operator", "agency", "client", "nobody"])
def test_given_the_document_when_thousands_of_requests_are_made_then_every_check_holds(
    checked: Any, world: Owned, operator: Asker, role: str, record_property: Callable[[str, object], None]
) -> None:
    each = math.ceil(MANY / 4 / len(list(operations_of(checked))))
    cases = run_all(checked, world, headers_of(role, operator, world[0]), each, same=False)
    record_property("said", f"schemathesis: {cases} cases as {role}, every check held")


def test_given_what_is_left_out_when_read_then_it_is_there(app: APIFlask) -> None:
    names = {
        view.__name__
        for view in app.view_functions.values()
        if isinstance(getattr(view, "declaration", None), Endpoint)
    }
    assert names >= LEFT_OUT.keys()
