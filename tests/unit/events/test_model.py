"""What may enter the log."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from dialtrace.events.errors import EventRefused
from dialtrace.events.model import RANKS, NewEvent, types_of

CALL = uuid4()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "type_", ["", "call", "Call.ended", "call.ended\n", "call..ended", "call.ended.", "call ended", "call.leg.ended"]
)
def test_given_a_type_of_another_form_then_refused(type_):
    with pytest.raises(EventRefused, match="type"):
        NewEvent(type=type_, occurred_at=NOW)


def test_given_a_moment_without_offset_then_refused():
    with pytest.raises(EventRefused, match="offset"):
        NewEvent(type="call.ended", occurred_at=NOW.replace(tzinfo=None), call_id=CALL)


def test_given_a_revision_below_one_then_refused():
    with pytest.raises(EventRefused, match="revision"):
        NewEvent(type="call.ended", occurred_at=NOW, call_id=CALL, revision=0)


def test_given_a_good_event_then_it_is_the_first_telling_by_default():
    assert NewEvent(type="call.ended", occurred_at=NOW, call_id=CALL).revision == 1


@pytest.mark.parametrize(("type_", "call_id"), [("call.ended", None), ("person.erased", CALL)])
def test_given_an_event_without_its_call_or_one_of_no_call_with_one_then_refused(type_, call_id):
    with pytest.raises(EventRefused, match="call"):
        NewEvent(type=type_, occurred_at=NOW, call_id=call_id)


@pytest.mark.parametrize(
    ("words", "types"),
    [
        ([], list(RANKS)),
        (["call.ended"], ["call.ended"]),
        (["recording.*", "call.ended", "call.ended"], ["call.ended", "recording.ready"]),
        (["webhook.*"], ["webhook.paused", "webhook.disabled", "webhook.resumed", "webhook.test"]),
    ],
)
def test_given_words_for_types_then_they_stand_for_these(words, types):
    assert types_of(words) == types


@pytest.mark.parametrize("word", ["call", "call.*.ended", "*", "call.", "calls.*", ""])
def test_given_a_word_that_stands_for_no_type_then_refused(word):
    with pytest.raises(EventRefused, match="no type"):
        types_of(["call.ended", word])
