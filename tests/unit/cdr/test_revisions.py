"""What each revision changed is told from what is kept: what was there before, and what is there now."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from dialtrace.cdr.revisions import Change, Replaced, revisions_of

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
LEG = uuid4()


def replaced(revision, before, *, leg_id=None):
    return Replaced(leg_id=leg_id, revision=revision, replaced_at=AT + timedelta(seconds=revision), before=before)


def test_given_no_revision_then_nothing_is_told():
    assert revisions_of([], {None: {"outcome": "answered"}}) == []


def test_given_two_revisions_of_one_member_then_each_tells_what_it_made_of_what():
    found = revisions_of(
        [replaced(1, {"outcome": "busy"}), replaced(2, {"outcome": "no_answer", "talk_ms": None})],
        {None: {"outcome": "answered", "talk_ms": 5, "number": "+1"}},
    )
    assert [(one.revision, one.changes) for one in found] == [
        (2, [Change("outcome", "busy", "no_answer")]),
        (3, [Change("outcome", "no_answer", "answered"), Change("talk_ms", None, 5)]),
    ]


def test_given_further_facts_then_only_those_that_changed_are_told_by_name():
    (one,) = revisions_of(
        [replaced(1, {"facts": {"legs": [], "source": "event"}})], {None: {"facts": {"legs": ["a"], "source": "event"}}}
    )
    assert one.changes == [Change("facts.legs", [], ["a"])]


def test_given_a_leg_then_its_members_are_its_own():
    found = revisions_of(
        [replaced(1, {"outcome": "busy"}, leg_id=LEG)], {None: {"outcome": "answered"}, LEG: {"outcome": "rejected"}}
    )
    assert [(one.leg_id, one.changes) for one in found] == [(LEG, [Change("outcome", "busy", "rejected")])]


def test_given_an_erasure_took_members_out_then_they_are_not_told():
    (one,) = revisions_of([replaced(1, {})], {None: {"caller": None}})
    assert one.changes == []
