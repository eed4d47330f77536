"""Bodies, their schemas, cursors, and the page that is made of them."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dialtrace.events.model import RANKS, Event
from dialtrace.messages.errors import CursorUnusable
from dialtrace.messages.model import BODIES, schema_of
from dialtrace.messages.page import events_page
from dialtrace.messages.rendering import Around, render, wanted_by
from dialtrace.messages.service import read_cursor, write_cursor

NOW = datetime(2026, 11, 22, 12, 0, 0, 125_000, tzinfo=UTC)
AGENCY, CLIENT, CALL, OTHER = (uuid.UUID(int=number) for number in range(1, 5))
ROOT = Path(__file__).parents[3]

#: What each type's writer keeps with the event.
DATA = {
    "call.started": {"number_id": str(OTHER), "campaign": "spring"},
    "call.ringing": {},
    "call.answered": {},
    "call.ended": {"started_at": "2026-11-22T11:59:00+00:00"},
    "call.revised": {"started_at": "2026-11-22T11:59:00+00:00"},
    "recording.ready": {"recording_id": str(OTHER), "segment": 1},
    "attribution.revised": {"visit_id": str(OTHER), "probability": 0.9},
    "person.erased": {"request_id": str(OTHER), "call_ids": [str(CALL)], "call_count": 1, "objects": ["a/b.wav"]},
    "number.quarantined": {"number_id": str(OTHER), "reason": "leaked", "calls": 3},
    "pool.resized": {"pool_id": str(OTHER), "numbers_before": 20, "numbers_after": 24, "needed": 31},
    "balance.low": {"account_id": str(CLIENT), "alarm": "20.00", "balance": "19.50", "currency": "GBP"},
    "account.changed": {"account_id": str(CLIENT), "state": "overdue", "balance": "-3.00", "currency": "GBP"},
    "statement.made": {"account_id": str(CLIENT), "month": "2026-11", "total": "31.00", "currency": "GBP"},
    "webhook.paused": {"webhook_id": str(OTHER), "reason": "failing", "failing_since": "2026-11-20T11:59:00+00:00"},
    "webhook.disabled": {"webhook_id": str(OTHER), "reason": "gone"},
    "webhook.resumed": {"webhook_id": str(OTHER), "reason": "asked"},
    "webhook.test": {"webhook_id": str(OTHER)},
}


def event(type_, **changes):
    values = {
        "agency_id": AGENCY, "id": uuid.uuid4(), "client_id": CLIENT, "type": type_,
        "call_id": CALL if RANKS[type_] else None, "revision": 1, "occurred_at": NOW, "position": 7,
        "data": DATA[type_], "recorded_at": NOW,
    }  # fmt: skip
    return Event(**{**values, **changes})


def closed(schema):
    """The same schema without room for members that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closing = {"additionalProperties": False} if "properties" in schema else {}
    return {name: closed(one) for name, one in schema.items()} | closing


def test_given_the_types_of_events_then_each_has_a_body_and_a_sample_here():
    assert BODIES.keys() == RANKS.keys() == DATA.keys()


@pytest.mark.parametrize("type_", BODIES)
class TestSchemas:
    def test_given_a_type_then_its_schema_is_one_and_asks_for_every_member(self, type_):
        schema = schema_of(type_)
        Draft202012Validator.check_schema(schema)
        assert set(schema["required"]) == set(schema["properties"])
        assert set(schema["properties"]["data"]["required"]) == set(schema["properties"]["data"]["properties"])

    def test_given_an_event_whose_call_is_gone_then_its_message_is_valid_and_has_nothing_unnamed(self, type_):
        message = render(event(type_), Around(), whole_agency=True)
        Draft202012Validator(closed(schema_of(type_))).validate(message)
        assert (message["type"], message["position"], message["timestamp"]) == (type_, 7, "2026-11-22T12:00:00.125Z")

    def test_given_another_types_message_then_it_is_refused(self, type_):
        other = next(name for name in BODIES if name != type_)
        with pytest.raises(ValidationError):
            Draft202012Validator(schema_of(type_)).validate(render(event(other), Around(), whole_agency=True))


def test_given_a_live_call_then_what_its_row_knows_is_told_and_the_sources_words_stay_together():
    row = {
        "number_id": None,
        "number": "+442079460123",
        "caller": None,
        "flow_id": None,
        "target_id": OTHER,
        "node": "n",
    }
    message = render(event("call.started"), Around(live={CALL: row}), whole_agency=False)
    assert message["data"] == {
        "call_id": str(CALL), "revision": 1, "rank": 1, "number_id": str(OTHER), "number": "+442079460123",
        "caller": None, "flow_id": None, "target_id": str(OTHER), "node": "n", "source": {"campaign": "spring"},
    }  # fmt: skip
    assert message["position"] is None, "a client is not told how much others do"


def test_given_a_batch_then_what_it_speaks_of_is_asked_for_once():
    wanted = wanted_by([event("call.started"), event("call.ended"), event("recording.ready"), event("person.erased")])
    assert (wanted.calls, wanted.live, wanted.recordings) == ({CALL}, {CALL}, {OTHER})


@pytest.mark.parametrize("position", [0, 1, 12_345, 2**63 - 1])
def test_given_a_place_when_written_then_its_own_agency_reads_it_and_no_other(position):
    cursor = write_cursor(AGENCY, position)
    assert read_cursor(cursor, AGENCY) == position
    with pytest.raises(CursorUnusable):
        read_cursor(cursor, CLIENT)


@pytest.mark.parametrize(
    "text", ["", "0", "ev1_", "ev1_AAAA", "ev1_" + "A" * 32 + "=", "ev1_ü", "ev1_" + "_" * 32, "ev2_" + "A" * 32]
)
def test_given_a_text_that_is_no_cursor_then_refused(text):
    with pytest.raises(CursorUnusable):
        read_cursor(text, AGENCY)


def test_given_the_page_of_events_then_it_is_the_one_in_the_docs():
    """`make docs` writes it anew."""
    assert (ROOT / "docs" / "events.md").read_text(encoding="utf-8") == events_page()
