"""Money through the front door: prices, accounts, payments, statements, rating anew, and who may see what."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from dialtrace.api.app import ApiServices
from dialtrace.billing.rating import Rater
from dialtrace.cli_billing import billing_group
from dialtrace.events.service import sequence
from dialtrace.jobs.model import Done, Job
from dialtrace.typefaces import FONTS

from .conftest import Asker, Tenant
from .records import store_call

NOW = datetime.now(UTC)
RATES = [
    {"meter": "minute", "direction": "inbound", "amount": "0.30", "initial_s": 1, "increment_s": 1},
    {"meter": "number_month", "amount": "1.50"},
]


def priced(key: Asker, side: str, amount: str, **query: str) -> str:
    """A book of a side with one edition; its id."""
    named = "".join(f"?{name}={value}" for name, value in query.items())
    book = key.made(f"/v1/price-books{named}", {"side": side, "name": "Standard", "currency": "GBP"})["id"]
    rates = [{**RATES[0], "amount": amount}, RATES[1]]
    path = f"/v1/price-books/{book}/editions{named}"
    key.made(path, {"valid_from": "2020-01-01T00:00:00Z", "places": 6, "rates": rates})
    return str(book)


@pytest.fixture
def paying(services: ApiServices, tenant: Tenant, operator: Asker) -> str:
    """The tenant's client and agency have accounts; the client's path."""
    agency, client = tenant.agency["id"], tenant.client["id"]
    wholesale = priced(operator, "agency", "0.12", agency_id=agency)
    operator.made(f"/v1/agencies/{agency}/billing", {"currency": "GBP", "price_book_id": wholesale})
    path = f"/v1/clients/{client}/billing"
    tenant.agency_key.made(path, {"currency": "GBP", "price_book_id": priced(tenant.agency_key, "client", "0.30")})
    return path


def call_of(services: ApiServices, tenant: Tenant, seconds: int) -> str:
    """A call of so many seconds, rated."""
    call = store_call(services, tenant.agency["id"], tenant.client["id"], target=tenant.target["id"])
    with services.database.tenant(tenant.agency["id"]) as connection:
        connection.execute(text("UPDATE calls SET billed_ms = :ms WHERE id = :id"), {"ms": seconds * 1000, "id": call})
    while sequence(services.database):
        pass
    Rater(services.database, services.clock).run()
    return str(call)


def test_given_a_call_when_rated_then_the_client_sees_its_price_and_the_agency_its_margin(
    services: ApiServices, tenant: Tenant, paying: str
) -> None:
    call = call_of(services, tenant, 200)

    own = tenant.client_key.get(f"/v1/calls/{call}").get_json()["cost"]
    assert (own["amount"], own["agency_cost"], own["margin"]) == ("1.000000", None, None)
    found = tenant.agency_key.get(f"/v1/calls/{call}").get_json()["cost"]
    assert (found["agency_cost"], found["margin"]) == ("0.400000", "0.600000")
    listed = tenant.agency_key.get("/v1/calls").get_json()["data"][0]["cost"]
    assert listed["margin"] == "0.600000"
    sides = {
        key: {one["side"] for one in asker.get(f"/v1/calls/{call}/charges").get_json()["charges"]}
        for key, asker in (("client", tenant.client_key), ("agency", tenant.agency_key))
    }
    assert sides == {"client": {"client"}, "agency": {"client", "agency"}}
    assert "0.12" not in tenant.client_key.get(f"/v1/calls/{call}/charges").text


def test_given_payments_when_booked_then_the_ledger_says_the_balance_and_a_reference_counts_once(
    services: ApiServices, tenant: Tenant, paying: str
) -> None:
    call_of(services, tenant, 200)
    payment = {"kind": "payment", "amount": "5.00", "reference": "bank 1"}

    booked = tenant.agency_key.made(f"{paying}/entries", payment)
    again = tenant.agency_key.post(f"{paying}/entries", payment)
    other = tenant.agency_key.post(f"{paying}/entries", {**payment, "amount": "6.00"})

    assert (booked["place"], booked["balance"]) == (2, "4.000000")
    assert again.get_json() == booked
    assert (other.status_code, other.get_json()["code"]) == (409, "reference_taken")
    rows = tenant.client_key.get(f"{paying}/entries").get_json()["data"]
    assert [(row["kind"], row["balance"]) for row in rows] == [("payment", "4.000000"), ("calls", "-1.000000")]
    assert tenant.client_key.get(paying).get_json()["balance"] == "4.000000"


def test_given_a_clients_key_then_it_reads_its_account_and_changes_nothing(tenant: Tenant, paying: str) -> None:
    assert tenant.client_key.get(paying).get_json()["price_book_id"] is None
    for method, path, body in (
        ("PATCH", paying, {"due_days": 365}),
        ("POST", f"{paying}/entries", {"kind": "payment", "amount": "9.00", "reference": "mine"}),
        ("POST", "/v1/price-books", {"side": "client", "name": "x", "currency": "GBP"}),
    ):
        assert tenant.client_key.ask(method, path, body, If_Match="*").status_code == 403
    agency = f"/v1/agencies/{tenant.agency['id']}/billing"
    assert tenant.client_key.get(agency).status_code == 403
    assert tenant.agency_key.patch(agency, {"due_days": 365}, If_Match="*").status_code == 403
    refused = tenant.agency_key.post("/v1/price-books", {"side": "agency", "name": "x", "currency": "GBP"})
    assert refused.status_code == 403


def test_given_the_month_that_goes_on_then_client_and_agency_read_the_same_statement(
    services: ApiServices, tenant: Tenant, paying: str
) -> None:
    call_of(services, tenant, 200)
    month = f"{NOW:%Y-%m}"

    mine, theirs = (
        asker.get(f"{paying}/statements/{month}").get_json() for asker in (tenant.client_key, tenant.agency_key)
    )

    assert mine == theirs
    assert mine["is_open"]
    assert "minute" in {line["meter"] for line in mine["lines"]} or mine["late"]
    csv = tenant.client_key.get(f"{paying}/statements/{month}/file?format=csv&language=ru")
    assert csv.data.startswith(b"\xef\xbb\xbfmonth,")
    if FONTS.exists():
        pdf = tenant.client_key.get(f"{paying}/statements/{month}/file?format=pdf&language=ru")
        assert pdf.data.startswith(b"%PDF-")
    assert tenant.client_key.get(f"{paying}/statements/2020-01").status_code == 404
    assert tenant.client_key.get(f"{paying}/statements/soon").status_code == 422


def test_given_another_book_when_rated_anew_then_the_job_tells_the_difference_and_the_call_its_revision(
    services: ApiServices, tenant: Tenant, paying: str
) -> None:
    call = call_of(services, tenant, 200)
    dearer = priced(tenant.agency_key, "client", "0.60")
    span = {"from": (NOW - timedelta(days=800)).isoformat(), "until": (NOW + timedelta(days=1)).isoformat()}

    asked = tenant.agency_key.post("/v1/billing/reratings", {**span, "price_book_id": dearer})
    assert asked.status_code == 202, asked.text
    rerating = asked.get_json()["id"]
    args: dict[str, Any] = {"agency_id": tenant.agency["id"], "rerating_id": rerating}
    assert Rater(services.database, services.clock).rerate(Job(1, "billing.rerate", 1, args)) == Done()

    told = tenant.agency_key.get(f"/v1/billing/reratings/{rerating}").get_json()
    assert (told["state"], told["changed"], told["difference"]["client"]) == ("done", 1, {"GBP": "1.00"})
    record = tenant.agency_key.get(f"/v1/calls/{call}").get_json()
    assert (record["cost"]["amount"], record["cost"]["revision"], record["revision"]) == ("2.000000", 2, 2)
    changes = tenant.client_key.get(f"/v1/calls/{call}/revisions").text
    assert '"cost"' in changes


def test_given_faulty_prices_then_each_fault_is_named_and_nothing_is_kept(tenant: Tenant) -> None:
    book = tenant.agency_key.made("/v1/price-books", {"side": "client", "name": "x", "currency": "GBP"})["id"]
    path = f"/v1/price-books/{book}/editions"
    for rates, pointer in (
        ([RATES[0], RATES[0]], "#/rates/1"),
        ([{"meter": "minute", "amount": "1"}], "#/rates/0/direction"),
        ([{**RATES[0], "prefix": "44"}], "#/rates/0/prefix"),
        ([{**RATES[0], "amount": 0.3}], "#/rates/0/amount"),
        ([{**RATES[0], "package": "none"}], "#/rates/0/package"),
    ):
        refused = tenant.agency_key.post(path, {"valid_from": "2026-01-01T00:00:00Z", "rates": rates})
        assert refused.status_code == 422
        assert refused.get_json()["errors"][0]["pointer"] == pointer
    assert tenant.agency_key.get(path).get_json() == {"editions": []}


def test_given_an_account_in_another_currency_then_the_book_is_refused(
    tenant: Tenant, paying: str, owner_engine: Engine
) -> None:
    euros = tenant.agency_key.made("/v1/price-books", {"side": "client", "name": "x", "currency": "EUR"})["id"]
    refused = tenant.agency_key.patch(paying, {"price_book_id": euros}, If_Match="*")
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["pointer"] == "#/price_book_id"
    assert UUID(euros)


def test_given_the_command_line_then_it_pays_tells_statements_and_rates_anew(
    tenant: Tenant, paying: str, services: ApiServices, command_line: Callable[..., str], tmp_path: Path
) -> None:
    call_of(services, tenant, 90)
    agency, client = tenant.agency["id"], tenant.client["id"]
    run = partial(command_line, billing_group)
    assert f"{client}  postpaid  good  -0.450000 GBP" in run("accounts", "--agency", agency)
    paid = run("pay", "10.00", "bank 1", "--client", client)
    assert paid == run("pay", "10.00", "bank 1", "--client", client), "the same reference is the same payment"
    assert "the balance is 9.55" in paid
    month = f"{services.clock.now():%Y-%m}"
    told = json.loads(run("statement", month, "--client", client))
    assert told["is_open"]
    file = tmp_path / "statement.csv"
    run("statement", month, "--client", client, "--file", file)
    assert "minute" in file.read_text(encoding="utf-8-sig")
    assert "must end in .csv or .pdf" in run("statement", month, "--client", client, "--file", "x.txt", fails=True)
    assert "say whose account" in run("statement", month, fails=True)
    cheaper = priced(tenant.agency_key, "client", "0.20")
    made = run("rerate", "2020-01-01", "2100-01-01", "--client", client, "--book", cheaper).split()
    assert made[1] == "waiting"
    args = {"agency_id": agency, "rerating_id": made[0]}
    assert Rater(services.database, services.clock).rerate(Job(1, "billing.rerate", 1, args)) == Done()
    assert run("rerating", made[0]) == "done: 1 of 1 calls get another price\nagency: 0.00 GBP\nclient: -0.15 GBP\n"
