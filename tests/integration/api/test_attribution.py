"""Where calls came from, through the front door: read, corrected, compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dialtrace.api.app import ApiServices
from dialtrace.attribution.following import Follower
from dialtrace.attribution.making import Attributor
from dialtrace.cdr.service import CdrService
from dialtrace.clock import FixedClock
from dialtrace.events.service import sequence
from dialtrace.ids import new_id

from .conftest import Tenant
from .records import START, store_call


@pytest.fixture
def shown(services: ApiServices, tenant: Tenant, owner_engine: Any) -> dict[str, str]:
    """A visit that looks at the tenant's number when it is called; the ids."""
    object.__setattr__(services, "cdr", CdrService(services.database, Attributor(services.database)))
    agency, client, number = tenant.agency["id"], tenant.client["id"], tenant.number["id"]
    began = START - timedelta(seconds=30)
    visit = new_id(now_ms=int(began.timestamp() * 1000))
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("SELECT set_config('dialtrace.agency', %s, true)", (agency,))
        connection.exec_driver_sql(
            "INSERT INTO visits (agency_id, id, started_at, client_id, site_id, visitor_id, landing_page, channel,"
            " source, campaign, classified_by, device, consent, last_seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'https://a.example/', 'paid_search', 'yandex', 'brand', 'utm', 'mobile',"
            " 'given', %s)",
            (agency, visit, began, client, new_id(), new_id(), began),
        )
        connection.exec_driver_sql(
            "INSERT INTO exposures (agency_id, id, client_id, number_id, visit_id, visit_started_at, rung, shown_at,"
            " seen_until, held_until, tail_s) VALUES (%s, %s, %s, %s, %s, %s, 'exclusive', %s, %s, %s, 1200)",
            (agency, new_id(), client, number, visit, began, began, START, START + timedelta(minutes=20)),
        )
    call = store_call(services, agency, client, number_id=number)
    return {"call": str(call), "visit": str(visit), "agency": agency, "client": client}


def test_given_a_call_when_read_then_its_visit_and_rung_stand_with_it_and_the_whole_beside(shown, tenant) -> None:
    short = tenant.client_key.get(f"/v1/calls/{shown['call']}").get_json()["attribution"]
    assert (short["method"], short["rung"], short["visit_id"]) == ("visit", "exclusive", shown["visit"])
    assert short["source"]["campaign"] == "brand"
    assert tenant.client_key.get("/v1/calls").get_json()["data"][0]["attribution"] == short
    whole = tenant.client_key.get(f"/v1/calls/{shown['call']}/attribution").get_json()
    assert whole["current"] == whole["revisions"][0]
    assert whole["current"]["candidates"][0]["why"]["rung"] == "exclusive"
    assert whole["current"]["probability"] + whole["current"]["nobody"] == pytest.approx(1, abs=1e-3)


def test_given_a_call_of_which_nothing_is_known_then_that_is_what_is_told(services, tenant) -> None:
    call = store_call(services, tenant.agency["id"], tenant.client["id"], number_id=tenant.number["id"])
    assert tenant.client_key.get(f"/v1/calls/{call}").get_json()["attribution"] is None
    whole = tenant.client_key.get(f"/v1/calls/{call}/attribution").get_json()
    assert (whole["current"], whole["revisions"], whole["touches"]) == (None, [], [])


def test_given_the_call_ended_then_its_message_carries_the_attribution_and_a_revision_has_its_own(
    shown, tenant, services: ApiServices
) -> None:
    path = f"/v1/calls/{shown['call']}/attribution/corrections"
    said = {"kind": "manual", "source": {"channel": "offline", "source": "radio"}, "note": "asked her"}
    corrected = tenant.client_key.made(path, said)
    assert (corrected["current"]["revision"], corrected["current"]["method"]) == (2, "manual")
    assert corrected["corrections"][0]["note"] == "asked her"
    sequence(services.database)
    events = tenant.client_key.get("/v1/events?types=call.ended,attribution.*").get_json()["data"]
    assert [(one["type"], one["data"]["revision"]) for one in events] == [
        ("call.ended", 1), ("attribution.revised", 2),
    ]  # fmt: skip
    assert events[0]["data"]["call"]["attribution"]["revision"] == 2
    assert events[1]["data"]["attribution"]["source"] == "radio"
    audit = tenant.agency_key.get("/v1/audit-log?action=attribution.correct").get_json()["data"]
    assert [(one["object_id"], one["details"]) for one in audit] == [(shown["call"], {"kind": "manual"})]


def test_given_corrections_that_say_nothing_usable_then_each_is_refused_with_its_place(shown, tenant) -> None:
    path = f"/v1/calls/{shown['call']}/attribution/corrections"
    for body, code, place in (
        ({"kind": "promo_code"}, 422, "#/code"),
        ({"kind": "promo_code", "code": "123123"}, 422, "#/code"),
        ({"kind": "manual", "visit_id": shown["visit"], "source": {"source": "x"}}, 422, "#/source"),
        ({"kind": "self_reported"}, 422, "#/source"),
    ):
        answer = tenant.client_key.post(path, body)
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (code, place), answer.text
    assert tenant.client_key.post(path, {"kind": "manual", "visit_id": str(new_id())}).status_code == 404
    assert tenant.client_key.get(f"/v1/calls/{shown['call']}/attribution").get_json()["corrections"] == []


def test_given_a_promo_code_then_the_operator_who_hears_it_names_the_visit(shown, tenant, services) -> None:
    now = FixedClock(START - timedelta(seconds=10))
    services.attribution._clock = now
    made = tenant.client_key.post(f"/v1/visits/{shown['visit']}/promo-code", {})
    assert made.status_code == 201
    said = {"kind": "promo_code", "code": made.get_json()["code"]}
    found = tenant.client_key.made(f"/v1/calls/{shown['call']}/attribution/corrections", said)
    assert (found["current"]["method"], found["current"]["visit_id"]) == ("promo_code", shown["visit"])


def test_given_models_side_by_side_then_each_gives_the_same_calls_and_the_same_question_the_same_bytes(
    shown, tenant, services: ApiServices, ask: Callable[..., Any]
) -> None:
    Follower(services.database, services.clock).follow(UUID(shown["agency"]))
    found = ask().get_json()
    assert (found["calls"], found["is_complete"], found["client_id"]) == (1, True, shown["client"])
    assert set(found["lines"][0]["calls"]) == {
        "first", "last", "last_non_direct", "linear", "time_decay", "position", "w_shaped", "data_driven",
    }  # fmt: skip
    assert sum(line["calls"]["linear"] for line in found["lines"]) == pytest.approx(1)
    assert ask(as_of=found["as_of"]).data == ask(as_of=found["as_of"]).data
    whole_agency = ask(key=tenant.agency_key, as_of=found["as_of"]).get_json()
    assert (whole_agency["client_id"], whole_agency["digest"]) == (None, found["digest"])


@pytest.fixture
def ask(tenant) -> Callable[..., Any]:
    def asked(key: Any = None, **query: str) -> Any:
        words = {"from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", **query}
        path = "&".join(f"{name}={value}" for name, value in words.items())
        return (key or tenant.client_key).get(f"/v1/attribution/comparison?{path}")

    return asked


@pytest.mark.parametrize(
    "query", [{"models": "best"}, {"window_days": "91"}, {"group_by": "colour"}, {"view_through_days": "-1"}]
)
def test_given_a_comparison_that_cannot_be_made_then_it_is_refused(ask, query) -> None:
    assert ask(**query).status_code == 422


def test_given_impressions_then_they_are_taken_once(tenant, services: ApiServices) -> None:
    one = {
        "reference": "imp-1", "visitor_id": "v-1", "source": {"channel": "display", "source": "vk"},
        "shown_at": (services.clock.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    assert tenant.client_key.made("/v1/impressions", {"impressions": [one, one]}) == {"new": 1, "calls": 0}
    assert tenant.client_key.made("/v1/impressions", {"impressions": [one]}) == {"new": 0, "calls": 0}
    wrong = {**one, "reference": "imp-2", "shown_at": "2020-01-01T00:00:00Z"}
    refused = tenant.client_key.post("/v1/impressions", {"impressions": [{**one, "reference": "imp-3"}, wrong]})
    assert refused.get_json()["errors"][0]["pointer"] == "#/impressions/1/shown_at"
