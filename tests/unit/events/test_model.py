"""What may enter the log."""

from datetime import UTC, datetime

import pytest

from dialtrace.events.errors import EventRefused
from dialtrace.events.model import NewEvent

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "type_", ["", "call", "Call.ended", "call.ended\n", "call..ended", "call.ended.", "call ended"]
)
def test_given_a_type_of_another_form_then_refused(type_):
    with pytest.raises(EventRefused, match="type"):
        NewEvent(type=type_, occurred_at=NOW)


def test_given_a_moment_without_offset_then_refused():
    with pytest.raises(EventRefused, match="offset"):
        NewEvent(type="call.ended", occurred_at=NOW.replace(tzinfo=None))


def test_given_a_revision_below_one_then_refused():
    with pytest.raises(EventRefused, match="revision"):
        NewEvent(type="call.ended", occurred_at=NOW, revision=0)


def test_given_a_good_event_then_it_is_the_first_telling_by_default():
    assert NewEvent(type="call.leg.ended", occurred_at=NOW).revision == 1
