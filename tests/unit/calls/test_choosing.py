"""Which way a flow goes by a caller's number and by facts, and in which order a step's targets ring."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dialtrace.calls.choosing import follow_geo, holds
from dialtrace.calls.compiled import CompiledCondition, CompiledGeo, CompiledRing, read_compiled
from dialtrace.calls.model import Facts
from dialtrace.calls.ringing import in_order

FLOW = read_compiled({"version": 1, "record": False, "steps": [{"type": "hangup", "cause": "busy"}]})
FIRST, SECOND, THIRD = (UUID(int=n) for n in (1, 2, 3))
GEO = CompiledGeo(
    type="geo", prefixes={"+7": "plan-7", "+7495": "moscow"}, countries={"GB": "london", "RU": "never", "US": "us"},
    otherwise="else",
)  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "name"),
    [("+74951234567", "moscow"), ("+78121234567", "plan-7"), ("+442071234567", "london"), ("+12125550123", "us"),
     ("+33123456789", "else"), ("+999123456789", "else"), (None, "else")],
)  # fmt: skip
def test_given_a_callers_number_then_the_longest_prefix_decides_then_the_country(caller, name):
    assert follow_geo(GEO, caller) == name


@pytest.mark.parametrize(
    ("fact", "test", "value", "known", "wanted"),
    [
        ("repeat", "is", True, {"repeat": True}, True),
        ("repeat", "is", False, {"repeat": False}, True),
        ("repeat", "is", False, {}, False),
        ("spam", "at_most", 60, {"spam_score": 60}, True),
        ("spam", "at_least", 61, {"spam_score": 60}, False),
        ("spam", "at_most", 60, {}, False),
        ("source", "in", ["ads", "maps"], {"source": "maps"}, True),
        ("campaign", "is", "x", {"campaign": "y"}, False),
        ("weekday", "in", ["wed"], {}, True),
        ("hour", "at_least", 12, {}, True),
        ("variable:level", "at_least", 3, {"variables": {"level": "10"}}, True),
        ("variable:level", "at_least", 3, {"variables": {"level": "high"}}, False),
        ("variable:level", "is", 3, {"variables": {"level": "3"}}, True),
        ("variable:none", "is", "x", {}, False),
        ("repeat", "is", 1, {"repeat": True}, False),
    ],
)
def test_given_a_fact_then_a_test_holds_only_where_it_is_known(fact, test, value, known, wanted):
    step = CompiledCondition.model_validate(
        {"type": "condition", "when": [{"fact": fact, "test": test, "value": value}], "then": None, "otherwise": None}
    )
    assert holds(step, Facts(now=datetime(2026, 1, 7, 12, tzinfo=UTC), **known), FLOW) is wanted


def ring(*weights, strategy, sticky_days=None):
    targets = [
        {"id": str(UUID(int=n)), "address": "sip:1@a", "ring_timeout_s": 9, "weight": weight}
        for n, weight in enumerate(weights, 1)
    ]
    return CompiledRing.model_validate(
        {
            "type": "ring", "targets": targets, "strategy": strategy, "sticky_days": sticky_days,
            "progress_timeout_s": None, "whisper": None, "accept_digit": None, "otherwise": None,
        }
    )  # fmt: skip


def order(step, **known):
    return [target.id.int for target in in_order(step, Facts(**known))]


def test_given_turns_then_each_begins_with_the_next_and_all_follow():
    step = ring(1, 1, 1, strategy="round_robin")
    assert [order(step, rotation=turn) for turn in range(4)] == [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]]
    assert sorted(order(step, seed=5)) == [1, 2, 3]
    assert order(step) == [1, 2, 3]


def test_given_weights_then_calls_are_shared_out_by_them_and_a_call_asked_again_gets_the_same_answer():
    step = ring(1, 3, 6, strategy="weighted")
    first = Counter(order(step, seed=seed)[0] for seed in range(3000))
    assert {one: round(count / 3000, 1) for one, count in first.items()} == {1: 0.1, 2: 0.3, 3: 0.6}
    assert order(step, seed=77) == order(step, seed=77)
    assert order(step) == [3, 2, 1]


def test_given_who_has_not_talked_for_longest_then_that_order_holds_and_strangers_come_last():
    step = ring(1, 1, 1, strategy="longest_idle")
    assert order(step, idle_order=(THIRD, FIRST)) == [3, 1, 2]
    assert order(step) == [1, 2, 3]


def test_given_who_talked_with_this_caller_before_then_he_rings_first_where_the_step_is_sticky():
    assert order(ring(1, 1, strategy="in_turn", sticky_days=3), sticky_target=SECOND) == [2, 1]
    assert order(ring(1, 1, strategy="in_turn", sticky_days=3), sticky_target=THIRD) == [1, 2]
    assert order(ring(1, 1, strategy="in_turn"), sticky_target=SECOND) == [1, 2]
