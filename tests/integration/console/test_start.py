"""The first run: a new agency's owner goes from nothing to the first call, by the forms of one page."""

from __future__ import annotations

from dialtrace.api.app import ApiServices

from ..api.conftest import Asker
from ..api.records import store_call
from .conftest import Forms


def test_given_a_new_agency_when_its_owner_takes_each_step_then_a_number_rings_his_telephone(
    person, operator: Asker, services: ApiServices
) -> None:
    agency = operator.made("/v1/agencies", {"name": "South"})["id"]
    sue = person(agency)
    assert "Set up the first client" in sue.see("/console/home")
    made = sue.send("/console/start", name="Bright Dental", time_zone="Europe/London")
    page = made.headers["Location"]
    assert "/console/start?client_id=" in page
    faulty = sue.send(page, name="Desk", address="nowhere").text
    assert 'role="alert"' in faulty
    assert 'value="nowhere"' in faulty
    assert sue.send(page, name="Desk", address="sip:desk@pbx.example").status_code == 303
    assert sue.send(page, record="yes").status_code == 303
    assert sue.send(page, number="+442079460777").status_code == 303
    assert "Call +442079460777 from any telephone" in sue.see(page)
    client = page.rpartition("=")[2]
    number = operator.get(f"/v1/numbers?agency_id={agency}").json["data"][0]
    assert (number["number"], number["client_id"]) == ("+442079460777", client)
    call = store_call(services, agency, client, number="+442079460777", number_id=number["id"])
    assert f"/console/calls/{call}" in sue.see(page)


def test_given_somebody_who_may_not_make_clients_then_a_step_that_is_sent_all_the_same_is_refused(
    person, operator: Asker
) -> None:
    agency = operator.made("/v1/agencies", {"name": "South"})["id"]
    reader = person(agency, role="read_only")
    assert "Make the client" not in reader.see("/console/start")
    token = Forms(reader.see("/console/account")).found[0].values["csrf"]
    refused = reader.post("/console/start", {"csrf": token, "step": "client", "name": "x", "time_zone": "UTC"})
    assert refused.status_code == 403
