"""The demonstration's visitors stand in for callers that there are anyway, and are held against what was found."""

import pytest

from dialtrace.demo.mix import PlannedCall, count_by_kind
from dialtrace.demo.pages import Seen
from dialtrace.demo.visitors import Browsing, Visitor


class QuietPages:
    def beat(self, seen, device):
        raise AssertionError("nobody stays that long in a test")


@pytest.fixture
def browsing():
    visitors = [
        Visitor(Seen(f"visit-{index}", "v", f"+44163296050{index}" if index < 3 else None), "mobile", "vk", "smiles")
        for index in range(4)
    ]
    with Browsing(QuietPages(), visitors) as found:
        yield found


CALLS = [PlannedCall("answered", f"+44770090000{index}", "+441632960000") for index in range(6)]
CALLS += [PlannedCall("busy", "+447700900009", "+441632960003")]


def test_given_callers_when_visitors_stand_in_then_there_are_as_many_calls_of_each_kind(browsing):
    changed = browsing.stand_in(CALLS, 7)
    assert count_by_kind(changed) == count_by_kind(CALLS)
    theirs = [call for call in changed if call not in CALLS]
    assert len(theirs) == 3
    assert {call.number for call in theirs} == {"+441632960500", "+441632960501", "+441632960502"}
    assert browsing.stand_in(CALLS, 7) != CALLS


def test_given_records_then_the_source_and_the_visit_are_counted_each_by_itself(browsing):
    callers = [call.caller for call in browsing.stand_in(CALLS, 7) if call not in CALLS]

    def told(visit, source="vk"):
        return {
            "visit_id": visit, "source": {"source": source, "campaign": "smiles"}, "source_probability": 0.9,
        }  # fmt: skip

    cdrs = [
        {"caller": callers[0], "attribution": told("visit-0")},
        {"caller": callers[1], "attribution": told("visit-9")},
        {"caller": callers[2], "attribution": None},
        {"caller": "+447700900000", "attribution": told("visit-0", "google")},
    ]
    found = browsing.outcome(cdrs).as_dict()
    assert (found["visits"], found["called"], found["source_right"]) == (4, 3, 2)
    assert found["stated"] == 1.8
