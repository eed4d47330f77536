"""Rules of retention: who goes before whom, within which bounds."""

from datetime import UTC, datetime

import pytest

from dialtrace.privacy.errors import ValueRefused
from dialtrace.privacy.model import Bound, Rules, check_bounds, check_rules, effective

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_given_nothing_said_then_everything_is_kept():
    holds = effective(Rules(), Rules(), {})
    assert set(holds.days.values()) == {None}
    assert holds.cutoff("cdr", NOW) is None


def test_given_a_client_and_its_agency_then_the_client_goes_first_within_the_bounds():
    agency, client = Rules(recording_days=100, cdr_days=1000, caller_becomes="key"), Rules(recording_days=10)
    holds = effective(client, agency, {"recording": Bound(30, None), "cdr": Bound(None, 365), "visit": Bound(None, 5)})
    assert holds.days == {"recording": 30, "cdr": 365, "caller": None, "visit": 5}
    assert holds.caller_becomes == "key"
    assert holds.cutoff("recording", NOW) == datetime(2026, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "field", "says"),
    [
        (Rules(recording_days=0), "recording_days", "must be 1 to 36500"),
        (Rules(recording_days=10), "recording_days", "30 days at least"),
        (Rules(cdr_days=800), "cdr_days", "365 days at most"),
        (Rules(cdr_days=100, recording_days=200), "recording_days", "cannot outlive its record"),
        (Rules(cdr_days=100, caller_days=101), "caller_days", "cannot outlive its record"),
    ],
)
def test_given_rules_that_cannot_hold_then_the_member_and_the_way_out_are_named(rules, field, says):
    with pytest.raises(ValueRefused, match=says) as told:
        check_rules(rules, {"recording": Bound(30, None), "cdr": Bound(None, 365)})
    assert told.value.field == field


def test_given_bounds_the_wrong_way_round_then_they_are_refused():
    with pytest.raises(ValueRefused, match="must not be more"):
        check_bounds({"cdr": Bound(10, 5)})
