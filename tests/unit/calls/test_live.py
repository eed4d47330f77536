"""What the monitor makes of a call's events: whatever comes in whatever order, no call wedges and every row ends."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtrace.calls.live import Heard, LiveCalls, Owner, event_data

AGENCY, CLIENT, NUMBER, FLOW, TARGET = (UUID(int=n) for n in range(1, 6))
OWNER = Owner(AGENCY, CLIENT, NUMBER, FLOW, {"source": "ads"})
CALL, OTHER = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"
T0 = 1_795_325_718_000_000
LATER = T0 + 60_000_000
S = 1_000_000


def heard(call=CALL, **told):
    return Heard(call, **({"started_us": T0, "owner": OWNER} | told))


def take(live, now_us=LATER):
    return live.take(now_us=now_us, most=1_000)


def types(batch):
    return [(event.type, event.occurred_us) for event in batch.events]


@pytest.fixture
def live():
    made = LiveCalls()
    made.listed()
    take(made)
    return made


def test_given_a_call_that_begins_rings_is_answered_and_ends_then_its_row_and_events_follow(live):
    live.hear(Heard(CALL, started_us=T0, dialled="+74955550601", caller="+74955550123"))
    assert not take(live)
    live.hear(heard(ringing_us=T0 + S))
    first = take(live)
    assert [(row.state, row.dialled, row.caller) for row in first.rows] == [("ringing", "+74955550601", "+74955550123")]
    assert types(first) == [("call.started", T0), ("call.ringing", T0 + S)]
    live.hear(heard(answered_us=T0 + 2 * S, connected_us=T0 + 2 * S, bridged_to=OTHER))
    live.connect(CALL, OTHER, TARGET)
    second = take(live)
    assert [(row.state, row.target_id, row.connected_us) for row in second.rows] == [("answered", TARGET, T0 + 2 * S)]
    assert types(second) == [("call.answered", T0 + 2 * S)]
    live.end(CALL)
    last = take(live)
    assert (last.rows, last.ended, last.events) == ([], [(AGENCY, CALL)], [])
    assert len(live) == live.written == 0
    assert not take(live)


def test_given_a_short_call_then_one_event_at_its_end_tells_of_all_that_was(live):
    live.hear(heard(ringing_us=T0 + S, answered_us=T0 + 2 * S, ended=True))
    batch = take(live)
    assert types(batch) == [("call.started", T0), ("call.ringing", T0 + S), ("call.answered", T0 + 2 * S)]
    assert batch.ended == [(AGENCY, CALL)]


def test_given_an_answer_after_the_hangup_then_the_call_does_not_stand_up_again(live):
    live.hear(heard(ended=True))
    take(live)
    live.hear(heard(answered_us=T0 + S))
    live.hear(Heard(CALL, started_us=T0))
    assert len(live) == 0
    assert not take(live)


def test_given_an_announcement_then_the_early_media_of_its_answer_is_no_ringing(live):
    live.hear(heard(early_media_us=T0 + S))
    batch = take(live, T0 + S + 50_000)
    assert types(batch) == [("call.started", T0)]
    live.hear(heard(answered_us=T0 + S + 20_000))
    assert types(take(live)) == [("call.answered", T0 + S + 20_000)]


def test_given_early_media_without_an_answer_then_it_is_ringing_once_it_cannot_be_an_answers(live):
    live.hear(heard(early_media_us=T0 + S))
    take(live, T0 + S + 50_000)
    assert types(take(live, T0 + S + 500_000)) == [("call.ringing", T0 + S)]


def test_given_a_target_that_rings_after_our_own_answer_then_the_call_was_answered_and_never_rang(live):
    live.hear(heard(answered_us=T0 + S))
    live.hear(heard(ringing_us=T0 + 2 * S, answered_us=T0 + S, ended=True))
    assert types(take(live)) == [("call.started", T0), ("call.answered", T0 + S)]


def test_given_a_batch_that_was_not_written_then_the_next_one_tells_everything_and_each_event_once(live):
    live.hear(heard())
    live.hear(heard(OTHER))
    lost = take(live)
    live.put_back(lost)
    live.hear(heard(OTHER, ended=True))
    batch = take(live)
    assert [row.call_id for row in batch.rows] == batch.standing == [CALL]
    assert batch.ended == [(AGENCY, OTHER)]
    assert [event.call_id for event in batch.events] == [CALL, OTHER]


def test_given_a_broken_link_then_the_whole_truth_waits_for_the_switchs_own_list(live):
    live.hear(heard())
    live.unlisted()
    live.write_all()
    assert take(live).standing is None
    live.listed()
    assert take(live).standing == [CALL]


def test_given_a_database_that_stays_away_then_the_oldest_events_give_way_and_are_counted():
    live = LiveCalls(most_events=2)
    for number in range(3):
        live.hear(heard(f"0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f{number}", ended=True))
    assert (len(take(live).events), live.dropped) == (2, 1)


def test_given_a_target_of_an_earlier_leg_then_it_is_not_taken_for_the_present_one(live):
    live.hear(heard(bridged_to=OTHER))
    live.hear(heard(bridged_to=CALL))
    live.connect(CALL, OTHER, TARGET)
    assert live.unresolved() == [(CALL, CALL)]
    live.connect(CALL, CALL, TARGET)
    assert live.unresolved() == []


def test_given_a_call_whose_owner_nobody_told_then_it_is_asked_for_and_has_no_row(live):
    live.hear(Heard(CALL, started_us=T0))
    assert (live.unowned(T0), live.unowned(T0 + 1)) == ([], [CALL])
    live.end(CALL)
    assert not take(live)


def test_given_a_call_on_hold_then_its_state_says_so_until_it_is_over(live):
    live.hear(heard(answered_us=T0 + S, held=True))
    assert take(live).rows[0].state == "held"
    live.hear(heard(held=False))
    assert take(live).rows[0].state == "answered"


def test_given_an_owner_then_its_events_hold_ids_and_words_only():
    assert event_data(OWNER) == {"number_id": str(NUMBER), "flow_id": str(FLOW), "source": "ads"}


calls = st.sampled_from([f"0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f{number}" for number in range(4)])
stamps = st.none() | st.integers(T0, T0 + 5 * S)
events = st.builds(
    Heard,
    call_id=calls,
    started_us=st.sampled_from([None, T0]),
    ringing_us=stamps,
    early_media_us=stamps,
    answered_us=stamps,
    connected_us=stamps,
    bridged_to=st.none() | calls,
    held=st.none() | st.booleans(),
    ended=st.sampled_from([False, False, False, True]),
    owner=st.sampled_from([None, OWNER]),
)
#: What can happen to a tracker: an event in any order and as often as it likes, a batch taken, a batch that failed, a
#: link that broke, a call that is proven to be gone.
happenings = st.lists(st.one_of(events, st.sampled_from(["take", "fail", "break", "list"]), calls), max_size=60)


@settings(max_examples=300, deadline=None)
@given(happenings)
def test_given_any_order_of_events_then_nothing_wedges_every_row_ends_and_no_event_comes_twice(story):
    live, rows, told, last = LiveCalls(), set(), Counter(), {}

    def write():
        batch = take(live)
        for event in batch.events:
            assert event.type != "call.ringing" or last.get(event.call_id) != "call.answered"
            last[event.call_id] = event.type
        if batch.standing is not None:
            rows.intersection_update(batch.standing)
        rows.update(row.call_id for row in batch.rows)
        rows.difference_update(call_id for _, call_id in batch.ended)
        told.update((event.call_id, event.type) for event in batch.events)

    for what in story:
        if isinstance(what, Heard):
            live.hear(what)
        elif what == "take":
            write()
        elif what == "fail":
            live.put_back(take(live))
        elif what == "break":
            live.unlisted()
        elif what == "list":
            live.listed()
        else:
            live.end(what)
        assert len(live) <= 4
    # The switch has no calls any more, and says so: whatever was never heard to end, ends now.
    live.listed()
    for call_id in live.calls():
        live.end(call_id)
    write()
    assert rows == set()
    assert len(live) == live.written == 0
    assert not take(live)
    assert all(count == 1 for count in told.values())
