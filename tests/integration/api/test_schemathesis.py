"""Schemathesis on the whole API: requests made from its OpenAPI document, valid and invalid ones, with every check.

In the suite a few cases of each operation, always the same; `make prove` runs thousands of all, with a key and
without. Half of the requests for one thing are for a thing that is there.
"""

from __future__ import annotations

import json
import math
import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jsonschema
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
from dialtrace.api.events import LONGEST_WAIT_S

from .conftest import Asker, Tenant
from .test_isolation import IDS, owned

Owned = tuple[Tenant, dict[str, str]]
#: The world of the tests of isolation.
world = owned

MANY = int(os.environ.get("DIALTRACE_SCHEMATHESIS_CASES", "5000"))
#: Operations that stay out for whoever may make up where machines elsewhere are: asking one takes as long as nobody
#: answers. Every other role asks them too.
LEFT_OUT = {
    "test_recording_store": {"operator", "agency"},
    "search_numbers": {"operator"},
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


def of_what_is_there(ids: dict[str, str], case: Any) -> Any:
    """The request, its query and its body about what is there."""
    for said in (case.query, case.body):
        if isinstance(said, dict):
            said.update({name: ids[IDS[name]] for name in said if IDS.get(name, "") in ids})
    return case


def unhurried(case: Any) -> Any:
    """Asked to wait for an event the API waits, and nothing comes: it is not asked to."""
    if re.fullmatch(r"[0-9]{1,3}", str((case.query or {}).get("wait"))) and int(case.query["wait"]) <= LONGEST_WAIT_S:
        case.query["wait"] = 0
    return case


def known_in(operation: Any, ids: dict[str, str]) -> dict[str, str]:
    """The address of what is there; empty where not all of it is known."""
    known = {one.name: ids[IDS[one.name]] for one in operation.path_parameters if IDS.get(one.name, "") in ids}
    return known if len(known) == len(list(operation.path_parameters)) else {}


def strategy_of(operation: Any, ids: dict[str, str]) -> SearchStrategy[Any]:
    """Valid and invalid requests, half of them for what is there."""
    known = known_in(operation, ids)
    there = {"path_parameters": known} if known else {}
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE, **there)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, **there)
    return one_of(right.map(partial(of_what_is_there, ids)), right, wrong).map(unhurried)


def ask(case: Any, headers: dict[str, str], shown: list[str]) -> None:
    """Sends a request and holds the answer against every check; what showed a fault is noted."""
    answer = case.call(headers=headers)
    is_sparse = "fields" in (case.query or {})
    try:
        case.validate_response(
            answer, headers=headers, excluded_checks=[response_schema_conformance] if is_sparse else []
        )
        if is_sparse:
            check_sparse(case, answer)
    except BaseException:
        shown.append(f"{case.as_curl_command(headers=headers)[:2_000]} → {answer.status_code} {answer.content[:500]!r}")
        raise


def check_sparse(case: Any, answer: Any) -> None:
    """`fields` leaves members out that the schema calls required; whatever is there is as it says."""
    if answer.status_code == 200 and answer.headers["content-type"] == ["application/json"]:
        schemas = case.operation.schema.raw_schema["components"]["schemas"]
        said = case.operation.definition.raw["responses"]["200"]["content"]["application/json"]["schema"]
        sparse_schema(schemas, said).validate(json.loads(answer.content))


def sparse_schema(schemas: Mapping[str, Any], said: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    """Of one thing without its required members; of a list, of its items without theirs."""
    if "$ref" not in said:
        return jsonschema.Draft202012Validator({**said, "components": {"schemas": schemas}})
    name = last_of(said["$ref"])
    item = last_of(schemas[name]["properties"].get("data", {}).get("items", {}).get("$ref", name))
    loose = {**schemas, item: {key: value for key, value in schemas[item].items() if key != "required"}}
    return jsonschema.Draft202012Validator({**loose[name], "components": {"schemas": loose}})


def last_of(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def faults_of(operation: Any, ids: dict[str, str], headers: dict[str, str], most: int, *, same: bool) -> list[str]:
    """What the checks find in so many cases of one operation, with the request that showed it."""
    shown: list[str] = []

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=same,
        phases=[Phase.generate] if same else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy_of(operation, ids))
    def ask_some(case: Any) -> None:
        ask(case, headers, shown)

    return told_of(operation.label, ask_some, shown)


def told_of(label: str, act: Callable[[], object], shown: list[str]) -> list[str]:
    """What goes wrong while something is asked. Time that has run out is no fault of the operation that was asked just
    then: it is passed on as what it is (Hypothesis takes it for a finding that comes and goes)."""
    try:
        act()
    except BaseExceptionGroup as group:
        timeout = group.subgroup(pytest.fail.Exception)
        if timeout is not None:
            raise timeout.exceptions[0] from None
        return [f"{label}: {type(told).__name__}: {told}\n{shown[-1:]}" for told in group.exceptions]
    except Exception as fault:
        where = "" if shown else "".join(traceback.format_exception(fault, limit=-8))
        return [f"{label}: {type(fault).__name__}: {fault}\n{shown[-1:]}{where}"]
    return []


def operations_of(checked: Any, role: str) -> list[Any]:
    found = [result.ok() for result in checked.get_all_operations()]
    return [one for one in found if role not in LEFT_OUT.get(one.definition.raw["operationId"], ())]


def run_all(checked: Any, world: Owned, operator: Asker, role: str, most: int, *, same: bool) -> int:
    """So many cases for each operation; their number. Fails with all that was found."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    headers, operations = headers_of(role, operator, world[0]), operations_of(checked, role)
    return held((most, faults_of(one, world[1], headers, most, same=same)) for one in operations)


def held(told: Iterator[tuple[int, list[str]]]) -> int:
    """Fails with all that was found; else how many cases there were. A run that is cut short has told what it had."""
    count, found = 0, list[str]()
    for cases, faults in told:
        print(*faults, sep="\n", end="\n" if faults else "", flush=True)
        count, found = count + cases, found + faults
    assert not found, "\n\n".join(found)
    return count


def headers_of(role: str, operator: Asker, tenant: Tenant) -> dict[str, str]:
    keys = {"operator": operator, "agency": tenant.agency_key, "client": tenant.client_key}
    return {"Authorization": f"Bearer {keys[role].token}"} if role in keys else {}


# As long as a slow and busy machine may take for it: what is slow here is what makes the requests.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("role", "most"), [("agency", 3), ("nobody", 1)])
def test_given_the_document_when_a_few_requests_are_made_of_each_operation_then_every_check_holds(
    checked: Any, world: Owned, operator: Asker, role: str, most: int
) -> None:
    run_all(checked, world, operator, role, most, same=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["operator", "agency", "client", "nobody"])
def test_given_the_document_when_thousands_of_requests_are_made_then_every_check_holds(
    checked: Any, world: Owned, operator: Asker, role: str, record_property: Callable[[str, object], None]
) -> None:
    each = math.ceil(MANY / 4 / len(operations_of(checked, role)))
    cases = run_all(checked, world, operator, role, each, same=False)
    record_property("said", f"schemathesis: {cases} cases as {role}, every check held")


def test_given_what_is_left_out_when_read_then_it_is_there(app: APIFlask) -> None:
    names = {
        view.__name__
        for view in app.view_functions.values()
        if isinstance(getattr(view, "declaration", None), Endpoint)
    }
    assert names >= LEFT_OUT.keys()
