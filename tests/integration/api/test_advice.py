"""Advice, negative keywords and payback through the API, of calls and spend that are in the database."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from dialtrace.api.app import ApiServices
from dialtrace.cli_reports import report_command
from dialtrace.db.engine import Database
from dialtrace.db.tables import attributions, calls

from .conftest import Tenant
from .test_conventions import assert_problem

SUNDAY = date.today() - timedelta(days=date.today().isoweekday())
WEEKS = 12


def write_calls(database: Database, tenant: Tenant, day: date, count: int, *, talk_s: int = 60, **words: str) -> None:
    """Answered calls of one source, each of a caller who never called before."""
    agency, client = uuid.UUID(tenant.agency["id"]), uuid.UUID(tenant.client["id"])
    begun = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    rows = [
        {"agency_id": agency, "id": uuid.uuid4(), "started_at": begun + timedelta(seconds=place), "client_id": client,
         "number": "+441632960100", "outcome": "answered", "connected_at": begun + timedelta(seconds=place + 5),
         "caller": f"+44163{random.randrange(10**7):07}", "talk_ms": 1000 * talk_s, "is_test": False,
         "decided_by": "worker", "node": "node-1", "digest": b"", "facts": {}}
        for place in range(count)
    ]  # fmt: skip
    sources = [
        {"agency_id": agency, "call_id": row["id"], "revision": 1, "client_id": client, "source_probability": 1.0,
         "call_started_at": row["started_at"], "method": "number", "digest": b"", **words}
        for row in rows
    ]  # fmt: skip
    with database.tenant(agency) as connection:
        connection.execute(insert(calls), rows)
        connection.execute(insert(attributions), sources)


@pytest.fixture
def advertised(services: ApiServices, tenant: Tenant) -> Tenant:
    """Three channels with a budget: one is exhausted, one brings ever more, one is too small to be judged."""
    rng, spend = random.Random(5), []
    for week in range(WEEKS):
        day = SUNDAY - timedelta(days=7 * (WEEKS - week) - 3)
        for channel, mean, power in (("paid_search", 700, 0.15), ("paid_social", 400, 0.95), ("display", 50, 0.5)):
            factor = rng.choice([0.6, 0.8, 1.0, 1.3, 1.5])
            cost = str(Decimal(mean * factor).quantize(Decimal("0.01")))
            spend.append({"day": str(day), "channel": channel, "cost": cost, "currency": "EUR"})
            level = 3 if channel == "display" else 30
            write_calls(services.database, tenant, day, round(level * factor**power), channel=channel)
    assert tenant.client_key.post("/v1/spend", {"rows": spend}).status_code == 200
    return tenant


def test_given_channels_with_a_budget_when_advice_is_asked_for_then_money_goes_where_it_brings_more(
    advertised: Tenant, command_line: Callable[..., str]
) -> None:
    client = advertised.client["id"]
    told = advertised.client_key.get(f"/v1/clients/{client}/advice?until={SUNDAY}&weeks={WEEKS}").get_json()
    assert (told["to"], told["by"], told["goal"], told["currency"]) == (str(SUNDAY), "channel", "target_calls", "EUR")
    moves = {move["name"]: move for move in told["moves"]}
    assert set(moves) == {"paid_search", "paid_social"}
    assert told["verdict"] == "move"
    assert Decimal(moves["paid_social"]["change"]) > 0 > Decimal(moves["paid_search"]["change"])
    assert abs(sum(Decimal(move["change"]) for move in moves.values())) <= Decimal("0.01")
    assert told["gain"]["low"] < told["gain"]["mean"] < told["gain"]["high"]
    assert told["probability"] > 0.8
    assert [(one["name"], one["reason"]) for one in told["not_judged"]] == [("display", "too_few_calls")]
    again = advertised.agency_key.get(f"/v1/clients/{client}/advice?until={SUNDAY}&weeks={WEEKS}").get_json()
    assert again == told
    said = command_line(report_command, "advice", "--client", client, "--until", SUNDAY, "--weeks", WEEKS)
    assert "Move: the best plan is expected to bring +" in said
    assert "display: too few calls to judge" in said


def test_given_no_spend_when_advice_is_asked_for_then_there_is_none(tenant: Tenant) -> None:
    told = tenant.client_key.get(f"/v1/clients/{tenant.client['id']}/advice").get_json()
    assert (told["verdict"], told["moves"], told["gain"], told["not_judged"]) == ("nothing_to_judge", [], None, [])


@pytest.mark.parametrize(
    "query", ["weeks=2", "by=device", "goal=revenue", "most_change=2", "least_calls=1", "until=0001-01-01"]
)
def test_given_a_wish_that_nobody_can_answer_when_asked_then_the_parameter_is_named(tenant: Tenant, query: str) -> None:
    answer = tenant.client_key.get(f"/v1/clients/{tenant.client['id']}/advice?{query}")
    problem = assert_problem(answer, 422, "validation_failed")
    assert [fault["parameter"] for fault in problem["errors"]] == [query.partition("=")[0]]


def test_given_keywords_when_their_calls_are_unwanted_then_they_are_listed_and_fetched(
    services: ApiServices, tenant: Tenant, command_line: Callable[..., str]
) -> None:
    day, source = SUNDAY - timedelta(days=10), {"channel": "paid_search", "source": "google", "campaign": "spring"}
    for place in range(5):
        write_calls(services.database, tenant, day, 12, keyword=f"plumber {place}", **source)
    write_calls(services.database, tenant, day, 14, talk_s=3, keyword="=free course", **source)
    row = source | {"keyword": "=free course", "day": str(day), "cost": "61.20", "clicks": 90, "currency": "EUR"}
    assert tenant.client_key.post("/v1/spend", {"rows": [row]}).status_code == 200
    path = f"/v1/clients/{tenant.client['id']}/negative-keywords"
    told = tenant.client_key.get(path).get_json()
    assert [(one["campaign"], one["keyword"], one["calls"], one["cost"]) for one in told["keywords"]] == [
        ("spring", "=free course", 14, "61.20")
    ]
    assert (told["looked_at"], told["cost"]) == (6, "61.20")
    file = tenant.client_key.get(f"{path}/file")
    assert file.headers["Content-Disposition"].startswith('attachment; filename="negative-keywords-')
    assert file.text.splitlines()[1].startswith("spring,'=free course,14,0,90,61.2")
    said = command_line(report_command, "negative-keywords", "--client", tenant.client["id"], "--format", "json")
    assert '"=free course"' in said
    days = ("--from", day, "--to", day)
    table = command_line(
        report_command,
        "--client",
        tenant.client["id"],
        "--by",
        "keyword",
        "--metrics",
        "calls",
        "--format",
        "csv",
        *days,
    )
    assert "'=free course,14" in table.splitlines()


def test_given_two_spans_when_payback_is_asked_for_then_it_is_reckoned_or_the_cost_is_asked_for(
    services: ApiServices, tenant: Tenant
) -> None:
    before, now = SUNDAY - timedelta(days=40), SUNDAY - timedelta(days=5)
    write_calls(services.database, tenant, before, 10, channel="paid_search")
    write_calls(services.database, tenant, now, 20, channel="paid_search")
    rows = [{"day": str(day), "channel": "paid_search", "cost": "500.00", "currency": "EUR"} for day in (before, now)]
    assert tenant.client_key.post("/v1/spend", {"rows": rows}).status_code == 200
    first = now - timedelta(days=20)
    path = f"/v1/clients/{tenant.client['id']}/payback?from={first}&to={now}"
    problem = assert_problem(tenant.client_key.get(path), 422, "validation_failed")
    assert [fault["parameter"] for fault in problem["errors"]] == ["tracking_cost"]
    told = tenant.client_key.get(f"{path}&tracking_cost=100").get_json()
    assert (told["before"]["cost_per_target_call"], told["now"]["cost_per_target_call"]) == ("50.00", "25.00")
    assert (told["saved"], told["net"], told["ratio"]) == ("500.00", "400.00", 5.0)
    late = assert_problem(
        tenant.client_key.get(f"{path}&before_from={first}&before_to={now}&tracking_cost=1"), 422, "validation_failed"
    )
    assert [fault["parameter"] for fault in late["errors"]] == ["before_to"]


def test_given_a_client_with_an_account_when_payback_is_asked_for_then_its_statements_say_what_tracking_cost(
    services: ApiServices, tenant: Tenant
) -> None:
    path = f"/v1/clients/{tenant.client['id']}"
    opened = tenant.agency_key.post(f"{path}/billing", {"currency": "EUR", "time_zone": "Europe/Berlin"})
    assert opened.status_code == 201, opened.text
    told = tenant.client_key.get(f"{path}/payback").get_json()
    assert (told["tracking_cost"], told["saved"]) == ("0.00", None)
    other = assert_problem(tenant.client_key.get(f"{path}/payback?currency=USD"), 422, "validation_failed")
    assert "EUR" in other["errors"][0]["detail"]
