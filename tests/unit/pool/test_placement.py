"""Rendezvous hashing: the same everywhere, fair by weight, and nothing moves without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.pool.placement import order_nodes

NUMBERS = [f"+4420794{index:05d}" for index in range(4_000)]

nodes_of_any_weight = st.lists(
    st.tuples(st.text(min_size=1, max_size=8), st.integers(0, 1_000)), max_size=8, unique_by=lambda node: node[0]
)


def firsts(nodes, numbers=NUMBERS):
    return {number: order_nodes(number, nodes)[0] for number in numbers}


@given(st.text(max_size=20), nodes_of_any_weight)
def test_given_any_nodes_then_each_stands_once_in_the_list(number, nodes):
    assert sorted(order_nodes(number, nodes)) == sorted(name for name, _ in nodes)


@given(st.text(max_size=20), nodes_of_any_weight, st.randoms())
def test_given_the_nodes_in_another_order_then_the_list_is_the_same(number, nodes, random):
    shuffled = list(nodes)
    random.shuffle(shuffled)
    assert order_nodes(number, shuffled) == order_nodes(number, nodes)


@given(st.text(max_size=20), nodes_of_any_weight, st.text(min_size=9, max_size=9), st.integers(1, 1_000))
def test_given_a_node_that_joins_or_leaves_then_the_others_keep_their_order(number, nodes, name, weight):
    with_it = order_nodes(number, [*nodes, (name, weight)])
    assert [other for other in with_it if other != name] == order_nodes(number, nodes)


@given(st.text(max_size=20), nodes_of_any_weight)
def test_given_weight_zero_then_the_node_stands_behind_all_others(number, nodes):
    weights = dict(nodes)
    ordered = [weights[name] > 0 for name in order_nodes(number, nodes)]
    assert ordered == sorted(ordered, reverse=True)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_given_equal_nodes_when_one_joins_then_its_share_moves_and_only_to_it(count):
    before = firsts([(f"node-{index}", 100) for index in range(count - 1)], NUMBERS[:1_500])
    after = firsts([(f"node-{index}", 100) for index in range(count)], NUMBERS[:1_500])
    moved = [number for number in before if before[number] != after[number]]
    assert {after[number] for number in moved} == {f"node-{count - 1}"}
    assert len(moved) / len(before) == pytest.approx(1 / count, abs=0.04)


def test_given_weights_then_each_node_has_its_share():
    found = list(firsts([("small", 1), ("middle", 2), ("big", 5)], NUMBERS[:2_000]).values())
    assert found.count("small") / len(found) == pytest.approx(1 / 8, abs=0.03)
    assert found.count("big") / len(found) == pytest.approx(5 / 8, abs=0.03)


def test_given_a_number_then_every_process_of_every_release_gives_the_same_list():
    nodes = [("a", 100), ("b", 100), ("c", 50), ("d", 0)]
    kept = [order_nodes(number, nodes) for number in ("+442079460001", "+442079460002", "+442079460003")]
    assert kept == [["c", "b", "a", "d"], ["a", "c", "b", "d"], ["a", "b", "c", "d"]]


@pytest.mark.parametrize("nodes", [[("a", -1)], [("a", 1), ("a", 2)]])
def test_given_nodes_that_make_no_sense_then_refused(nodes):
    with pytest.raises(ValueError, match=r"negative|twice"):
        order_nodes("+442079460001", nodes)
