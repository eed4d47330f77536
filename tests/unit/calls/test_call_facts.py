"""What a worker is told of a call: nothing of it is believed to be well-formed."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.model import QueuePlace
from dialtrace.workers.call_facts import ASKED, read_facts

CALL = "0b7ae4a0-1111-4222-8333-444455556666"
NOW = datetime(2026, 1, 7, tzinfo=UTC)
DESK = UUID(int=7)


def facts(known=None, **variables):
    return read_facts(
        lambda name: variables.get(name.removeprefix("dialtrace_")), known, call_id=CALL, caller="+74951234567", now=NOW
    )


def test_given_what_plans_and_database_tell_then_the_facts_have_it():
    found = facts(
        {
            "repeat": True, "spam": 12, "sticky": str(DESK), "idle": [str(DESK)], "rotation": 3, "over": "client_calls",
            "blocked": "number", "queue": {"position": 2, "waited_s": 9, "target": str(DESK)},
        },
        segments="2", record="yes", rung="yes", consent="given", tags="vip,x", variables="team@red,team@blue,n@1",
    )  # fmt: skip
    assert (found.asks, found.repeat, found.spam_score, found.sticky_target) == (True, True, 12, DESK)
    assert (found.idle_order, found.rotation, found.over, found.blocked) == ((DESK,), 3, "client_calls", "number")
    assert found.queue == QueuePlace(2, 9, DESK)
    assert (found.segments, found.recording, found.rung, found.consent) == (2, True, True, "given")
    assert (found.tags, found.variables, found.seed) == (("vip", "x"), {"team": "blue", "n": "1"}, UUID(CALL).int)


def test_given_a_database_that_is_away_then_nobody_can_be_asked_and_nothing_is_known():
    found = facts()
    assert (found.asks, found.repeat, found.queue, found.recording, found.segments) == (False, None, None, None, 0)


@pytest.mark.parametrize(
    "variables",
    [{"segments": "-1"}, {"segments": "1e3"}, {"segments": "9999"}, {"tags": "a b,;"}, {"variables": "x;y@1,@2,team@"},
     {"consent": "maybe"}, {"record": "1"}],
)  # fmt: skip
def test_given_variables_that_no_plan_sets_then_they_count_as_not_known(variables):
    assert facts({}, **variables) == facts({})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)
)


@given(
    known=st.dictionaries(st.sampled_from(["repeat", "spam", "sticky", "idle", "rotation", "over", "queue"]), anything),
    variables=st.dictionaries(
        st.sampled_from([name.removeprefix("dialtrace_") for name in ASKED]), st.text(max_size=20)
    ),
)
def test_given_anything_at_all_then_facts_are_read_and_never_an_error(known, variables):
    assert facts(known, **variables).now == NOW
