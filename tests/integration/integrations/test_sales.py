"""What comes back from a CRM: a deal that is won is its call's sale, a stage tags the call; a person's word stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dialtrace.assessments.service import AssessmentService
from dialtrace.clock import SystemClock
from dialtrace.integrations import reading
from dialtrace.integrations.model import Rate
from dialtrace.integrations.reading import Reader
from dialtrace.integrations.registry import SYSTEMS
from dialtrace.integrations.returning import Deal, Mark, next_mark
from tests.vendors.amocrm import TOKEN, AmocrmServer, problem
from tests.vendors.bitrix24 import Bitrix24Server
from tests.vendors.server import Fault

from .conftest import deliverer


@pytest.fixture
def portal():
    made = Bitrix24Server()
    yield made
    made.stop()


@pytest.fixture
def account():
    made = AmocrmServer()
    yield made
    made.stop()


@pytest.fixture
def bitrix(platform, portal):
    settings = {"user_id": 1, "read_sales": True, "tags_by_stage": {"PREPARATION": "qualified"}}
    return platform.integrate("bitrix24", settings, {"webhook_url": portal.webhook_url})


@pytest.fixture
def amocrm(platform, account):
    return platform.integrate("amocrm", {"account_url": account.url, "read_sales": True}, {"token": TOKEN})


def telling(platform):
    systems = {name: replace(one, rate=Rate(per_s=10_000.0, burst=1000)) for name, one in SYSTEMS.items()}
    return deliverer(platform.database, systems=systems)


def look(platform, owner_engine, times=1):
    """The time to look has come."""
    reader = Reader(platform.database, SystemClock(), telling(platform))
    looks = []
    for _ in range(times):
        with owner_engine.begin() as connection:
            connection.exec_driver_sql("UPDATE integration_readings SET due_at = now()")
        looks = reader.take(10, hold_s=60)
        for one in looks:
            reader.look(one)
    return looks


def said(platform, call):
    found = AssessmentService(platform.database, SystemClock()).find(platform.client.agency_id, None, [call])
    return found.get(call)


def row(owner_engine, what):
    with owner_engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT {what} FROM integration_readings").scalar()


def test_given_a_lead_that_became_a_deal_and_was_won_then_it_is_the_calls_sale_and_goes_when_it_is_not_any_more(
    platform, portal, bitrix, owner_engine
):
    call = platform.end_call()
    platform.work(telling(platform))
    (lead,) = portal.items[1]
    deal = portal.turn_into_deal(lead["id"])
    look(platform, owner_engine)
    assert said(platform, call) is None
    portal.move(deal, stageId="PREPARATION")
    look(platform, owner_engine)
    assert (said(platform, call).tags, said(platform, call).sale) == (("qualified",), None)
    portal.move(deal, stageId="WON", opportunity=125000.5, currencyId="RUB")
    look(platform, owner_engine, 2)
    sale = said(platform, call).sale
    assert (sale.amount, sale.currency, sale.reference) == (Decimal("125000.5"), "RUB", f"bitrix24 deal {deal['id']}")
    assert abs(sale.sold_at - datetime.now(UTC)) < timedelta(minutes=1)
    version = said(platform, call).version
    look(platform, owner_engine)
    assert said(platform, call).version == version, "what was read before changes nothing"
    portal.move(deal, stageId="C1:LOSE")
    look(platform, owner_engine)
    assert said(platform, call).sale is None
    assert said(platform, call).tags == ("qualified",)


def test_given_a_sale_that_somebody_has_set_then_a_deal_does_not_touch_it(platform, portal, bitrix, owner_engine):
    call = platform.end_call()
    platform.work(telling(platform))
    own = {"sale": {"amount": Decimal(7), "currency": "EUR", "reference": "order-1"}}
    AssessmentService(platform.database, SystemClock()).change(
        bitrix.agency_id, call, own, client_id=bitrix.client_id, started_at=datetime.now(UTC)
    )
    portal.turn_into_deal(portal.items[1][0]["id"], stageId="C2:WON", opportunity=10)
    look(platform, owner_engine)
    assert said(platform, call).sale.reference == "order-1"


def test_given_somebody_who_changes_the_call_at_every_moment_then_no_sale_is_passed_over(
    platform, portal, bitrix, owner_engine, monkeypatch
):
    class Hurried(AssessmentService):
        """Between reading and writing somebody else writes."""

        def find(self, agency_id, client_id, calls):
            found = super().find(agency_id, client_id, calls)
            for call in calls:
                score = found[call].score + 1 if call in found else 1
                super().change(agency_id, call, {"score": score}, client_id=client_id, started_at=datetime.now(UTC))
            return found

    call = platform.end_call()
    platform.work(telling(platform))
    portal.turn_into_deal(portal.items[1][0]["id"], stageId="WON", opportunity=10)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "AssessmentService", Hurried)
        look(platform, owner_engine)
    assert row(owner_engine, "fault") == "changed_meanwhile"
    assert said(platform, call).sale is None
    look(platform, owner_engine)
    assert row(owner_engine, "fault") is None
    assert said(platform, call).sale.amount == 10


def test_given_more_deals_than_a_page_and_deals_of_nobody_then_all_of_ours_are_read(
    platform, portal, bitrix, owner_engine
):
    calls = platform.end_calls([{"caller": f"+4420794{place:05}"} for place in range(3)])
    platform.work(telling(platform))
    leads = {one["originId"]: one["id"] for one in portal.items[1]}
    for _ in range(110):
        portal.turn_into_deal(999_999)
    for call in calls:
        portal.turn_into_deal(leads[str(call)], stageId="WON", opportunity=5)
    for _ in range(4):
        look(platform, owner_engine)
    assert [said(platform, call).sale.amount for call in calls] == [5, 5, 5]


def test_given_an_account_of_amocrm_then_a_lead_that_is_won_is_the_sale_of_its_call(
    platform, account, amocrm, owner_engine
):
    call = platform.end_call()
    platform.work(telling(platform))
    account.change(account.leads[0]["id"], status_id=142, price=9900, closed_at=int(datetime.now(UTC).timestamp()))
    look(platform, owner_engine)
    sale = said(platform, call).sale
    assert (sale.amount, sale.currency, sale.reference) == (9900, "RUB", f"amocrm lead {account.leads[0]['id']}")


def test_given_answers_that_fail_then_the_look_is_taken_again_and_a_refusal_stops_the_integration(
    platform, account, amocrm, owner_engine
):
    account.misbehave(Fault("refuse", 503, problem(503, "Unavailable").body))
    look(platform, owner_engine)
    assert row(owner_engine, "fault") == "status_503"
    assert row(owner_engine, "due_at > now() + interval '1 minute'")
    look(platform, owner_engine)
    assert row(owner_engine, "fault") is None
    account.misbehave(Fault("refuse", 401, problem(401, "Unauthorized").body))
    look(platform, owner_engine)
    assert (platform.now(amocrm).state, platform.now(amocrm).reason) == ("broken", "status_401")
    assert look(platform, owner_engine) == [], "one that is broken is not asked"


def test_given_a_look_that_is_taken_then_nobody_else_takes_it_and_settings_end_it(
    platform, account, amocrm, owner_engine
):
    reader = Reader(platform.database, SystemClock(), telling(platform))
    assert len(reader.take(10, hold_s=60)) == 1
    assert reader.take(10, hold_s=60) == []
    platform.integrations.change_integration(
        amocrm.agency_id, None, amocrm.id, expected_version=1, settings={"read_sales": False}
    )
    assert row(owner_engine, "count(*)") == 0
    platform.integrations.change_integration(
        amocrm.agency_id, None, amocrm.id, expected_version=2, settings={"read_sales": True}
    )
    platform.integrations.delete_integration(amocrm.agency_id, None, amocrm.id)
    assert row(owner_engine, "count(*)") == 0


def test_given_pages_then_the_mark_never_passes_what_was_not_read():
    begun = datetime(2026, 3, 1, tzinfo=UTC)

    def deals(*seconds):
        return [
            Deal(reference="x", changed_at=begun + timedelta(seconds=one), stage="", is_won=False, amount=Decimal(0),
                 currency="RUB")
            for one in seconds
        ]  # fmt: skip

    assert next_mark(Mark(begun), deals(1, 5), is_last=False) == Mark(begun + timedelta(seconds=5))
    assert next_mark(Mark(begun), deals(0, 0), is_last=False) == Mark(begun, 2)
    assert next_mark(Mark(begun, 2), deals(0), is_last=True) == Mark(begun)
    assert next_mark(Mark(begun), [], is_last=True) == Mark(begun)
