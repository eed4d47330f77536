"""A call in Bitrix24's words, and what its answers are read as."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from dialtrace.integrations.bitrix24.mapping import (
    comment,
    finishing,
    first_found,
    item_fields,
    mark,
    phone_forms,
    registration,
)
from dialtrace.integrations.bitrix24.settings import Bitrix24Secrets, Bitrix24Settings
from dialtrace.integrations.facts import CallFacts, SourceFacts, VisitFacts

ID = UUID("0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47")
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
CALL = CallFacts(
    id=ID, agency_id=ID, client_id=ID, number="+74950000001", caller="+79990000001", started_at=START,
    outcome="answered", talk_ms=42_400, target_id=ID,
    source=SourceFacts(channel="paid_search", source="yandex", keyword="windows"),
    visit=VisitFacts(id=ID, started_at=START, consent="refused", landing_page="https://shop.example/", pages=3),
)  # fmt: skip
SETTINGS = Bitrix24Settings(user_id=1, users_by_target={str(ID): 5})


def test_given_a_call_then_a_lead_has_its_source_and_our_id():
    fields = item_fields(CALL, SETTINGS)
    assert (fields["originatorId"], fields["originId"]) == ("dialtrace", str(ID))
    assert (fields["utmSource"], fields["utmTerm"]) == ("yandex", "windows")
    assert "utmMedium" not in fields
    assert fields["assignedById"] == 5
    assert fields["fm"] == [{"typeId": "PHONE", "valueType": "WORK", "value": "+79990000001"}]
    deal = item_fields(CALL, SETTINGS.model_copy(update={"create": "deal"}))
    assert "fm" not in deal, "a deal has no telephone number of its own"


def test_given_a_registration_then_our_id_is_its_key_and_a_deal_is_not_named():
    body = registration(CALL, SETTINGS, {"type": "lead", "id": 12}, show=True)
    assert body["EXTERNAL_CALL_ID"] == str(ID)
    assert body["CALL_START_DATE"] == "2026-03-01T09:30:00+00:00"
    assert (body["SHOW"], body["CRM_CREATE"], body["CRM_ENTITY_TYPE"], body["CRM_ENTITY_ID"]) == (1, 0, "LEAD", 12)
    assert "CRM_ENTITY_TYPE" not in registration(CALL, SETTINGS, {"type": "deal", "id": 12}, show=False)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("answered", "200"), ("no_answer", "304"), ("busy", "486"), ("rejected", "603"), ("unallocated", "404"),
     ("network_failure", "503"), ("node_lost", "304")],
)  # fmt: skip
def test_given_an_outcome_then_the_portal_has_a_code_for_it(outcome, code):
    from dataclasses import replace

    assert finishing(replace(CALL, outcome=outcome), SETTINGS, "x")["STATUS_CODE"] == code


def test_given_a_russian_number_then_it_is_looked_for_in_both_forms():
    assert phone_forms("+79990000001") == ["+79990000001", "89990000001"]
    assert phone_forms("+442079460123") == ["+442079460123"]


@pytest.mark.parametrize("nobody", [[], {}, None, {"CONTACT": []}])
def test_given_every_shape_of_nobody_then_nobody_is_found(nobody):
    assert first_found(nobody) is None


def test_given_several_then_a_contact_comes_before_a_lead():
    assert first_found({"LEAD": [40], "CONTACT": ["12"]}) == {"type": "contact", "id": 12, "is_new": False}


def test_given_a_comment_then_it_tells_the_visit_and_is_known_again():
    text = comment(CALL)
    assert "https://shop.example/" in text
    assert "42 s" in text
    assert text.endswith(mark(CALL))


def test_given_secrets_then_there_is_exactly_one_way_in():
    webhook = "https://example.bitrix24.test/rest/1/abcdefgh12345678/"
    assert Bitrix24Secrets(webhook_url=webhook).webhook_url == webhook
    for values in ({}, {"client_id": "x"}, {"webhook_url": webhook, "client_id": "x"}):
        with pytest.raises(ValidationError):
            Bitrix24Secrets.model_validate(values)
