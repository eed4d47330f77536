"""Money in the console: prices, accounts, payments, statements; and who may see and change what."""

from __future__ import annotations

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.console.prices import rates_of, rates_text

from ..api.conftest import Asker, Tenant
from ..api.test_billing import call_of, paying, priced  # noqa: F401 - a fixture
from .conftest import Forms, Person


@pytest.fixture
def ann(person, tenant: Tenant) -> Person:
    made: Person = person(tenant.agency["id"], email="ann@north.example")
    return made


def test_given_a_book_when_prices_are_added_then_they_hold_and_a_faulty_line_is_named(
    ann: Person, tenant: Tenant
) -> None:
    made = ann.send("/console/prices/new", name="Standard", side="client", currency="GBP")
    page = made.headers["Location"].partition("?")[0]
    assert "No price yet" in ann.see(page)
    sent = {"valid_from": "2026-01-01T00:00", "monthly_minimum": "25.00"}
    faulty = ann.send(page, f"{page}/editions", rates="meter,amount\nminute,0.02\nminute,much", **sent).text
    assert "Line 3, amount:" in faulty
    assert "minute,much" in faulty
    unknown = ann.send(page, f"{page}/editions", rates="meter,price\nminute,0.02", **sent).text
    assert "price is none of them" in unknown
    rates = "meter,direction,prefix,amount,initial_s,increment_s\nminute,inbound,+44,0.02,1,1\nnumber_month,,,1.50,,"
    assert ann.send(page, f"{page}/editions", rates=rates, **sent).status_code == 303
    own = f"/v1/price-books/{page.rpartition('/')[2]}/editions/1"
    kept = tenant.agency_key.get(own).json
    assert [(one["meter"], one["amount"], one["initial_s"]) for one in kept["rates"]] == [
        ("minute", "0.02", 1), ("number_month", "1.50", 60),
    ] or [one["initial_s"] for one in kept["rates"]] == [1, 60]  # fmt: skip
    shown = ann.see(page)
    assert "numbers, by the month" in shown
    assert "Standard" in ann.see("/console/prices")
    form = next(one for one in Forms(shown).found if "rates" in one.values)
    assert len(rates_of(form.values["rates"])) == 2
    assert rates_of(rates_text(kept["rates"]))[0]["prefix"] == kept["rates"][0]["prefix"]


def test_given_an_account_when_opened_paid_and_changed_then_the_page_says_how_it_stands(
    ann: Person, tenant: Tenant, services: ApiServices, person
) -> None:
    book = priced(tenant.agency_key, "client", "0.30")
    page = f"/console/money?client_id={tenant.client['id']}"
    assert tenant.client["name"] in ann.see("/console/money")
    assert "This client has no account yet" in ann.see(page)
    faulty = ann.send(page, "/console/money/open", currency="pounds", price_book_id=book).text
    assert 'class="fault"' in faulty
    opened = ann.send(page, "/console/money/open", currency="GBP", price_book_id=book)
    assert opened.status_code == 303, opened.text
    payment = {"amount": "5.00", "reference": "bank 1"}
    assert ann.send(page, "/console/money/entry", **payment).status_code == 303
    twice = ann.send(page, "/console/money/entry", **{**payment, "amount": "6.00"}).text
    assert "This reference is in use already." in twice
    call_of(services, tenant, 200)
    shown = ann.see(page)
    assert "£4.00" in shown
    stale = next(one for one in Forms(shown).found if one.action.startswith("/console/money/change"))
    assert ann.send(page, "/console/money/change", due_days="30", alarms="20.00\n5.00").status_code == 303
    kept = tenant.agency_key.get(f"/v1/clients/{tenant.client['id']}/billing").json
    assert (kept["due_days"], [float(one) for one in kept["alarms"]]) == (30, [20, 5])
    late = ann.post(stale.action, stale.values | {"due_days": "7"}).text
    assert "Kept now: 30" in late
    client: Person = person(tenant.agency["id"], tenant.client["id"])
    own = client.see("/console/money")
    assert "£4.00" in own
    assert "Book a payment" not in own
    token = Forms(client.see("/console/account")).found[0].values["csrf"]
    assert client.post("/console/money/entry", {**payment, "csrf": token, "kind": "payment"}).status_code == 404
    assert client.get("/console/prices").status_code == 403


def test_given_a_month_then_its_statement_is_shown_and_its_files_are_there(
    person,
    tenant: Tenant,
    services: ApiServices,
    paying: str,  # noqa: F811
    operator: Asker,
) -> None:
    call_of(services, tenant, 200)
    client: Person = person(tenant.agency["id"], tenant.client["id"])
    page = client.see("/console/money")
    link = next(one for one in Forms(page).links if "/money/statements/" in one)
    statement = client.see(link)
    assert "minutes" in statement
    assert "£1.00" in statement
    files = [one for one in Forms(statement).links if "/file?" in one]
    kinds = [client.get(one).headers["Content-Type"].partition(";")[0] for one in files]
    assert kinds == ["application/pdf", "text/csv"]
    assert client.get("/console/money/statements/no-month").status_code == 404
    assert client.get("/console/money/statements/1999-01").status_code == 404
    agency: Person = person(tenant.agency["id"])
    own = agency.see("/console/money")
    assert "The agency&#39;s own account" in own
    assert "Book a payment" not in own, "what an agency pays is the operator's to book"
